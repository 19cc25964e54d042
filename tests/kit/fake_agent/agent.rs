//! The fake agent's life: start, turns, end.

mod acts;
mod paint;

use std::collections::VecDeque;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;

use super::composer::Composer;
use super::dialog::{Answer, Dialog};
use super::input::{Event, Input};
use super::keys::{Key, Reply};
use super::options::Options;
use super::screen::{Screen, State};
use super::script;
use super::session_file::{Outcome, SessionFile};
use crate::wait::{PATIENCE, until};

/// What the login screen takes.
const LOGIN_CODE: &str = "let-me-in";
/// How long the terminal has to answer queries.
const QUERY_WAIT: Duration = Duration::from_secs(1);
/// Prompts that may wait while a turn runs; more are refused by doing nothing.
const QUEUE: usize = 64;

/// Runs until the agent leaves; returns its exit code.
pub async fn run(options: Options) -> anyhow::Result<i32> {
    if let Some(code) = options.exit {
        eprintln!("fake agent: these are its last words");
        return Ok(code);
    }
    if options.ignore_term {
        // Once there is a listener the signals do nothing by themselves; the listeners must not be dropped for that.
        drop((signal(SignalKind::terminate())?, signal(SignalKind::hangup())?));
    }
    let session_file = SessionFile::open(&options)?;
    let mut input = Input::open()?;
    // The terminal still gives whole lines.
    while options.start_gate && !matches!(input.next().await, Event::Key(Key::Char('\n')) | Event::End) {}
    let screen = Screen::open(!options.no_status)?;
    let lines = options.lines.clone().or_else(|| std::env::var_os("FAKE_AGENT_LINES").map(Into::into));
    let lines = lines.map(fs::read_to_string).transpose()?.unwrap_or_default();
    let mut agent = FakeAgent {
        options,
        lines,
        input,
        screen,
        composer: Composer::default(),
        queue: VecDeque::new(),
        session_file,
        footer: "starting",
        opened: 0,
        leaving: false,
        late: None,
        replies: Vec::new(),
    };
    let code = match agent.live().await {
        Ok(()) => 0,
        Err(End::Exit(code)) => code,
        Err(End::Broken(error)) => return Err(error),
    };
    agent.screen.restore();
    Ok(code)
}

/// Why it ends.
enum End {
    Exit(i32),
    Broken(anyhow::Error),
}

impl From<anyhow::Error> for End {
    fn from(error: anyhow::Error) -> Self {
        Self::Broken(error)
    }
}

/// Why a turn ends early.
enum Stop {
    Interrupted,
    Failed(String),
    End(End),
}

impl From<anyhow::Error> for Stop {
    fn from(error: anyhow::Error) -> Self {
        Self::End(End::Broken(error))
    }
}

/// What a key meant beyond editing.
enum Control {
    None,
    Interrupt,
    Gate,
    Leave,
}

struct FakeAgent {
    options: Options,
    /// What to do when the prompt holds some words.
    lines: String,
    input: Input,
    screen: Screen,
    composer: Composer,
    queue: VecDeque<String>,
    session_file: SessionFile,
    footer: &'static str,
    /// How often Ctrl-G was pressed that no gate has used: a gate may be opened before it is come to.
    opened: usize,
    /// Ctrl-C was pressed once.
    leaving: bool,
    /// The file that the end of this turn waits for.
    late: Option<PathBuf>,
    replies: Vec<Reply>,
}

impl FakeAgent {
    async fn live(&mut self) -> Result<(), End> {
        self.hear_terminal(1).await;
        self.screen.reports = self.replies.contains(&Reply::Status);
        self.start_dialogs().await?;
        self.rest(State::Idle, "");
        loop {
            while let Some(prompt) = self.queue.pop_front() {
                if prompt.trim() == "/exit" {
                    return Ok(());
                }
                self.turn(&prompt).await?;
            }
            let event = self.input.next().await;
            if let Control::Leave = self.edit(event) {
                return Ok(());
            }
        }
    }

    /// Ready for the next prompt.
    fn rest(&mut self, state: State, message: &str) {
        self.footer = "ready · /exit to leave";
        self.paint();
        self.screen.state(state, message);
    }

    /// Listens until so many device attributes have come, or a second is over.
    async fn hear_terminal(&mut self, devices: usize) {
        self.replies.clear();
        let deadline = Instant::now() + QUERY_WAIT;
        let heard = |replies: &[Reply]| replies.iter().filter(|reply| **reply == Reply::Device).count();
        while heard(&self.replies) < devices {
            match tokio::time::timeout_at(deadline, self.input.next()).await {
                Ok(Event::End) | Err(_) => return,
                Ok(event) => {
                    self.edit(event);
                }
            }
        }
    }

    async fn start_dialogs(&mut self) -> Result<(), End> {
        if self.options.trust {
            let folder = std::env::current_dir().unwrap_or_default();
            let dialog = Dialog::trust(&folder.to_string_lossy());
            if self.ask(dialog, State::Question).await? != Answer::Option(1) {
                return Err(End::Exit(1));
            }
        }
        let login = self.options.login.clone().filter(|_| std::env::var_os("FAKE_AGENT_KEY").is_none());
        while let Some(url) = &login {
            match self.ask(Dialog::login(url), State::Login).await? {
                Answer::Text(code) if code.trim() == LOGIN_CODE => break,
                Answer::Cancelled => return Err(End::Exit(1)),
                _ => self.screen.print("! that code is wrong"),
            }
        }
        Ok(())
    }

    /// One turn, from prompt to answer.
    async fn turn(&mut self, prompt: &str) -> Result<(), End> {
        self.session_file.asked(prompt)?;
        self.opened = 0;
        self.footer = "working · esc to interrupt";
        self.screen.state(State::Working, "");
        self.print(&format!("> {prompt}"));
        let mut answer = Vec::new();
        let stopped = match script::parse(prompt, &self.lines) {
            Ok(acts) => self.play(acts, &mut answer).await.err(),
            Err(what) => Some(Stop::Failed(what)),
        };
        let answer = answer.join("\n");
        if !answer.is_empty() {
            self.print(&format!("* {answer}"));
        }
        match stopped {
            None => match self.late.take() {
                None => {
                    self.session_file.over(Outcome::Completed, &answer, None)?;
                    self.rest(State::Done, "");
                }
                Some(file) => {
                    self.rest(State::Done, "");
                    until("a file to be there", PATIENCE, async || fs::metadata(&file)).await;
                    self.session_file.over(Outcome::Completed, &answer, None)?;
                }
            },
            Some(Stop::Interrupted) => {
                self.session_file.over(Outcome::Interrupted, &answer, None)?;
                self.print("! interrupted");
                self.rest(State::Idle, "");
            }
            Some(Stop::Failed(why)) => {
                self.session_file.over(Outcome::Failed, &answer, Some(&why))?;
                self.print(&format!("! failed: {why}"));
                self.rest(State::Error, &why);
            }
            Some(Stop::End(end)) => return Err(end),
        }
        Ok(())
    }

    /// Puts a question instead of the composer until it is answered.
    async fn ask(&mut self, mut dialog: Dialog, state: State) -> Result<Answer, End> {
        self.screen.state(state, &dialog.summary());
        let answer = loop {
            let (lines, cursor) = dialog.lines(self.screen.size().0);
            self.screen.paint(&lines, cursor);
            let answer = match self.input.next().await {
                Event::Key(Key::Char(character)) => dialog.type_char(character),
                Event::Key(Key::Paste(text)) => {
                    dialog.paste(&text);
                    None
                }
                Event::Key(Key::Enter) => dialog.enter(),
                Event::Key(Key::Esc) => Some(Answer::Cancelled),
                event => match self.edit(event) {
                    Control::Leave => return Err(End::Exit(0)),
                    _ => None,
                },
            };
            if let Some(answer) = answer {
                break answer;
            }
        };
        self.paint();
        Ok(answer)
    }

    /// Everything that can happen to the composer, idle or busy.
    fn edit(&mut self, event: Event) -> Control {
        let leaving = std::mem::take(&mut self.leaving);
        let key = match event {
            Event::Key(key) => key,
            Event::Resized => {
                self.screen.wipe();
                self.paint();
                return Control::None;
            }
            // Without a terminal there is nothing to do but to leave, or, for the stubborn, to stay for ever.
            Event::End if self.options.ignore_term => loop {
                std::thread::park();
            },
            Event::End => return Control::Leave,
        };
        match key {
            Key::Char(character) => self.composer.type_char(character),
            Key::Paste(text) => self.composer.paste(&text),
            Key::Enter => self.enter(),
            Key::Backspace => self.composer.erase(),
            Key::Ctrl('u') => self.composer.clear(),
            Key::Ctrl('g') => return Control::Gate,
            Key::Esc => return Control::Interrupt,
            Key::Ctrl('c') if !self.composer.is_empty() => self.composer.clear(),
            Key::Ctrl('c') if leaving => return Control::Leave,
            Key::Ctrl('c') => {
                self.leaving = true;
                return Control::Interrupt;
            }
            Key::Ctrl('d') if self.composer.is_empty() => return Control::Leave,
            Key::Ctrl(_) => {}
            Key::Reply(reply) => {
                self.replies.push(reply);
                return Control::None;
            }
        }
        self.paint();
        Control::None
    }

    fn enter(&mut self) {
        if self.composer.swallows_enter(self.options.swallow) {
            self.composer.type_char('\n');
        } else if self.queue.len() < QUEUE {
            self.queue.extend(self.composer.submit());
        }
    }
}
