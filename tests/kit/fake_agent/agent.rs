//! The fake agent's life: start, turns, end.

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
use super::process;
use super::screen::{Screen, State};
use super::script::{self, Act};
use super::session_file::{Outcome, SessionFile};
use crate::wait::{PATIENCE, until};

/// What the login screen takes.
const LOGIN_CODE: &str = "let-me-in";
/// How long the terminal has to answer queries.
const QUERY_WAIT: Duration = Duration::from_secs(1);
/// A turn takes at least so long, as with any model. What is reported over the terminal and what stands in the session
/// file come by different ways: without this they would overtake one another.
const LEAST_WORK: Duration = Duration::from_millis(60);
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
    tokio::time::sleep(options.start_delay).await;
    let session_file = SessionFile::open(&options)?;
    let input = Input::open()?;
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

    async fn play(&mut self, acts: Vec<Act>, answer: &mut Vec<String>) -> Result<(), Stop> {
        self.pause(Some(LEAST_WORK)).await?;
        for act in acts {
            answer.extend(self.act(act).await?);
        }
        Ok(())
    }

    async fn act(&mut self, act: Act) -> Result<Option<String>, Stop> {
        let line = match act {
            Act::Say(text) => text,
            Act::Print(text) => {
                self.print(&text);
                return Ok(None);
            }
            Act::Late(file) => {
                self.late = Some(file);
                return Ok(None);
            }
            Act::Wait(time) => {
                self.pause(Some(time)).await?;
                return Ok(None);
            }
            Act::Gate => {
                self.pause(None).await?;
                return Ok(None);
            }
            Act::Ask(what) => self.permission(&what).await?,
            Act::Choose(options) => self.choice(&options).await?,
            Act::Lines(count) => {
                let lines: Vec<String> = (1..=count).map(|number| format!("line {number}")).collect();
                lines.join("\n")
            }
            Act::Flood(bytes) => {
                self.flood(bytes);
                format!("flooded {bytes}")
            }
            Act::Fail(why) => return Err(Stop::Failed(why)),
            Act::Crash(code) => std::process::exit(code),
            Act::Die => {
                process::die();
                return Ok(None);
            }
            Act::Child => format!("child {}", process::child()?),
            Act::Daemon => format!("daemon {}", process::daemon()?),
            Act::Pid => process::pid().as_raw_nonzero().to_string(),
            Act::Cwd => std::env::current_dir().unwrap_or_default().to_string_lossy().into_owned(),
            Act::Size => {
                let (cols, rows) = self.screen.size();
                format!("{cols}x{rows}")
            }
            Act::Env(name) => std::env::var(&name).unwrap_or_else(|_| "unset".to_owned()),
            Act::Fds => self.options.inherited.clone(),
            Act::Queries => self.queries().await,
            Act::Recall => self.session_file.recall(),
        };
        Ok(Some(line))
    }

    /// Waits so long, or for the gate; typing goes on meanwhile.
    async fn pause(&mut self, time: Option<Duration>) -> Result<(), Stop> {
        if time.is_none() && self.opened > 0 {
            self.opened -= 1;
            return Ok(());
        }
        let deadline = time.map(|time| Instant::now() + time);
        loop {
            let next = self.input.next();
            let event = match deadline {
                Some(deadline) => match tokio::time::timeout_at(deadline, next).await {
                    Ok(event) => event,
                    Err(_) => return Ok(()),
                },
                None => next.await,
            };
            match self.edit(event) {
                Control::Gate if deadline.is_none() => return Ok(()),
                Control::Interrupt => return Err(Stop::Interrupted),
                Control::Leave => return Err(Stop::End(End::Exit(0))),
                Control::Gate => self.opened += 1,
                Control::None => {}
            }
        }
    }

    async fn permission(&mut self, what: &str) -> Result<String, Stop> {
        if self.options.unasked {
            return Ok("permitted unasked".into());
        }
        let answer = self.ask(Dialog::permission(what), State::Permission).await.map_err(Stop::End)?;
        self.screen.state(State::Working, "");
        match answer {
            Answer::Option(0) => Ok("permitted".into()),
            Answer::Option(1) => Ok("permitted for good".into()),
            _ => Ok("refused".into()),
        }
    }

    async fn choice(&mut self, options: &[String]) -> Result<String, Stop> {
        let answer = self.ask(Dialog::choice(options), State::Question).await.map_err(Stop::End)?;
        self.screen.state(State::Working, "");
        match answer {
            Answer::Option(index) => Ok(format!("chose {}", options[index])),
            Answer::Text(text) => Ok(format!("chose {text}")),
            Answer::Cancelled => Err(Stop::Interrupted),
        }
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

    fn flood(&mut self, bytes: usize) {
        let mut left = bytes;
        let mut number = 0_u64;
        while left > 0 {
            number += 1;
            let line = format!("flood {number:08} {}", "=".repeat(64));
            let line: String = line.chars().take(left.saturating_sub(2)).collect();
            left = left.saturating_sub(line.len() + 2);
            self.screen.print(&line);
        }
        self.paint();
    }

    async fn queries(&mut self) -> String {
        self.screen.write("\x1b[6n\x1b]11;?\x1b\\\x1b[c");
        self.hear_terminal(1).await;
        // A second answer comes too late.
        let deadline = Instant::now() + Duration::from_millis(300);
        while let Ok(event) = tokio::time::timeout_at(deadline, self.input.next()).await {
            if let Event::End = event {
                break;
            }
            self.edit(event);
        }
        let count = |kind| self.replies.iter().filter(|reply| **reply == kind).count();
        let (device, cursor, colour) = (count(Reply::Device), count(Reply::Cursor), count(Reply::Colour));
        format!("device {device}, cursor {cursor}, colour {colour}")
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

    fn print(&mut self, text: &str) {
        self.screen.print(text);
        self.paint();
    }

    /// The composer in its frame, and the footer.
    fn paint(&mut self) {
        let (cols, _) = self.screen.size();
        let rule = "─".repeat(cols);
        // Half of the columns: no character is wider than two.
        let width = (cols.saturating_sub(2) / 2).max(1);
        let mut lines = vec![rule.clone()];
        for line in self.composer.lines() {
            let chars: Vec<char> = line.chars().collect();
            let rows = chars.chunks(width).map(|row| row.iter().collect::<String>());
            let rows: Vec<String> = if chars.is_empty() { vec![String::new()] } else { rows.collect() };
            for row in rows {
                let mark = if lines.len() == 1 { "❯ " } else { "  " };
                lines.push(format!("{mark}{row}"));
            }
        }
        let cursor = lines.len() - 1;
        lines.push(rule);
        let model = self.options.model.as_deref().unwrap_or("no model");
        lines.push(format!("  {} · {model}", self.footer));
        self.screen.paint(&lines, cursor);
    }
}
