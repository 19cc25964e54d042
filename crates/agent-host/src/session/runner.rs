//! The session's loop: what happens to the agent, in the order it happens.

mod ending;
mod messages;
mod requests;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parallax_api::{Agent, AgentStatus, Code, Problem, TerminalSize, Time};
use parallax_profile::{Conversation, Fact, Launch, Observation, Profile, Signal};
use parallax_screen::Screen;
use tokio::sync::{mpsc, oneshot, watch};

use super::agent_process::{AgentProcess, ProcessEvent};
use super::publish::{Desired, Publisher, published_status};
use super::{Command, Reply, SessionContext};
use crate::auto_dismiss::AutoDismiss;
use crate::delivery::Delivery;
use crate::dialog_answer::DialogAnswer;
use crate::inbox::Inbox;
use crate::journal::Journal;
use crate::log::{LogReader, OutputLog};
use crate::resume::ResumeState;
use crate::termination::Termination;
use crate::turn::TurnOutput;
use crate::viewers::Viewers;

/// Rows above the screen that are kept for late viewers and for answers read from the screen.
const SCROLLBACK: usize = 2000;
/// The screen is looked at when nothing was printed for so long …
const QUIET: Duration = Duration::from_millis(20);
/// … and at the latest so long after it changed.
const LOOK_AT_LEAST: Duration = Duration::from_millis(60);
/// A synchronised frame that is not ended by then will not be.
const FRAME_LIMIT: Duration = Duration::from_millis(500);
/// How often the CLI's own record is read while it works, and while it does not.
const SESSION_FILE_POLL_BUSY: Duration = Duration::from_millis(50);
const SESSION_FILE_POLL_IDLE: Duration = Duration::from_millis(500);
/// Between two keys that answer a dialog: closer ones can be taken for one key.
const KEY_GAP: Duration = Duration::from_millis(80);
/// After the process ended: output may follow until nothing came for so long, or so long in all.
const DRAIN_QUIET: Duration = Duration::from_millis(100);
const DRAIN_LIMIT: Duration = Duration::from_millis(700);
/// Resets a terminal (RIS).
const RESET: &[u8] = b"\x1bc";
/// How long a person who types in the composer keeps messages waiting.
const TYPING_PAUSE: Duration = Duration::from_secs(5);

/// Owner of the terminal, screen, detector, inbox, log and journal of one agent.
pub struct Runner {
    launch: Launch,
    profile: Arc<Profile>,
    context: SessionContext,
    commands_rx: mpsc::Receiver<Command>,

    size: TerminalSize,
    screen: Screen,
    log: OutputLog,
    journal: Journal,
    inbox: Inbox,
    viewers: Viewers,
    publisher: Publisher,

    process: AgentProcess,
    conversation: String,
    /// A prompt was taken: there is a conversation to go on with.
    has_conversed: bool,
    delivery: Delivery,
    turn: TurnOutput,
    /// The output offset of what is being concluded.
    turn_mark: u64,
    /// Keys to press one after the other.
    keyboard: VecDeque<Vec<u8>>,
    next_key_at: Instant,
    dialog_answer: Option<DialogAnswer>,
    auto_dismiss: AutoDismiss,
    interrupting: Vec<(Reply<()>, Instant)>,
    interrupted_at: Option<Instant>,
    termination: Option<Termination>,
    begun: Option<oneshot::Sender<Result<(), Problem>>>,
    finished: bool,

    /// Since when the screen shows something the detector has not seen.
    dirty_since: Option<Instant>,
    last_output: Instant,
    last_input: Instant,
    last_typed: Option<Instant>,
    active: bool,
    session_file_at: Instant,
    input_bytes: u64,
    usage: Usage,
}

/// What the CLI told of its use.
#[derive(Default)]
struct Usage {
    tokens: Option<parallax_api::observe::Tokens>,
    cost_usd: Option<f64>,
    version: Option<String>,
    cpu: Option<(Instant, f64)>,
}

impl Runner {
    /// Starts the program and everything that watches it.
    pub fn start(
        launch: Launch,
        context: SessionContext,
        commands_rx: mpsc::Receiver<Command>,
    ) -> Result<Self, Problem> {
        let disk = |error: std::io::Error| {
            Problem::internal(format!("the agent's directory cannot be written: {error}"))
        };
        let mut log = OutputLog::open(&context.dir.join("log"), launch.log_limit).map_err(disk)?;
        let journal = Journal::open(&context.dir.join("journal.ndjson")).map_err(disk)?;
        let resume = ResumeState::read(&context.dir).map_err(disk)?;
        let profile = Arc::new(launch.profile.clone());
        let size = launch.terminal;
        let has_conversed = resume.as_ref().is_some_and(|resume| resume.has_conversed);
        let begins = match &resume {
            Some(resume) if has_conversed => Conversation::Resume { id: resume.conversation.clone() },
            _ => Conversation::New { id: uuid::Uuid::new_v4().to_string() },
        };
        let process = AgentProcess::spawn(&launch, &profile, &begins, size, &context)?;
        let (Conversation::New { id: conversation } | Conversation::Resume { id: conversation }) = begins;
        let agent_id = launch.agent.id.clone();
        let inbox = match resume {
            Some(resume) => {
                // As after a restart: readers of the log start with a clean screen (RIS).
                log.append(RESET, Time::now(), size).map_err(disk)?;
                Inbox::going_on(agent_id, resume.messages)
            }
            None => Inbox::new(agent_id),
        };
        // A first prompt is no first one when the agent comes back.
        if let Some(prompt) = launch.prompt.as_ref().filter(|_| !has_conversed) {
            inbox.accept(&uuid::Uuid::now_v7().to_string(), prompt.clone())?;
        }
        let mut publisher = Publisher::new(launch.agent.clone(), journal.clone());
        publisher.started();
        let now = Instant::now();
        Ok(Self {
            profile,
            context,
            commands_rx,
            size,
            screen: Screen::new(size, SCROLLBACK),
            log,
            journal,
            inbox,
            viewers: Viewers::default(),
            publisher,
            process,
            conversation,
            has_conversed,
            delivery: Delivery::default(),
            turn: TurnOutput::default(),
            turn_mark: 0,
            keyboard: VecDeque::new(),
            next_key_at: now,
            dialog_answer: None,
            auto_dismiss: AutoDismiss::default(),
            interrupting: Vec::new(),
            interrupted_at: None,
            termination: None,
            begun: None,
            finished: false,
            dirty_since: None,
            last_output: now,
            last_input: now,
            last_typed: None,
            active: false,
            session_file_at: now,
            input_bytes: 0,
            usage: Usage::default(),
            launch,
        })
    }

    /// The agent, to watch.
    pub fn agent_rx(&self) -> watch::Receiver<Agent> {
        self.publisher.subscribe()
    }

    /// The conversation.
    pub fn inbox(&self) -> Inbox {
        self.inbox.clone()
    }

    /// The events.
    pub fn journal(&self) -> Journal {
        self.journal.clone()
    }

    /// The output.
    pub fn log(&self) -> LogReader {
        self.log.reader()
    }

    /// Runs until every handle is gone; the agent's end is on the way. `begun` hears whether the program started well.
    pub async fn run(mut self, begun: oneshot::Sender<Result<(), Problem>>) {
        self.begun = Some(begun);
        loop {
            let wake = self.wake_at();
            tokio::select! {
                command = self.commands_rx.recv() => match command {
                    Some(command) => self.on_command(command),
                    None => return,
                },
                event = self.process.next(), if !self.finished => self.on_process_event(event),
                () = tokio::time::sleep_until(wake.into()) => {}
            }
            if !self.finished {
                self.advance(Instant::now()).await;
            }
        }
    }

    fn on_process_event(&mut self, event: ProcessEvent) {
        match event {
            ProcessEvent::Output(bytes) => self.on_output(&bytes),
            ProcessEvent::OutputEnded => {}
            ProcessEvent::Exited(ended) => {
                tracing::info!(code = ended.code, signal = ended.signal, "the program ended");
            }
        }
    }

    fn on_output(&mut self, bytes: &[u8]) {
        let now = Instant::now();
        let fed = self.screen.feed(bytes);
        if !fed.replies.is_empty() {
            // A program that does not read its input does not miss the answer either.
            drop(self.process.terminal.write(fed.replies));
        }
        let printed = self.log.end();
        self.emit(fed.output);
        for (report, start) in fed.reports.iter().zip(fed.report_starts) {
            // A turn's output begins and ends where it was reported, also in the middle of a chunk.
            self.turn_mark = printed + start as u64;
            self.observe(Signal::Terminal(report));
        }
        self.turn_mark = self.log.end();
        self.dirty_since.get_or_insert(now);
        self.last_output = now;
        self.active = true;
    }

    /// Output goes to the log, then to the viewers.
    fn emit(&mut self, output: Vec<u8>) {
        if output.is_empty() {
            return;
        }
        if let Err(error) = self.log.append(&output, Time::now(), self.size) {
            tracing::error!(%error, "the output log cannot be written");
        }
        self.viewers.output(&Bytes::from(output));
    }

    fn observe(&mut self, signal: Signal<'_>) {
        let now = self.process.age();
        let facts = self.process.detector.observe(now, &self.screen, signal);
        for fact in facts {
            self.on_fact(fact);
        }
    }

    fn on_fact(&mut self, fact: Fact) {
        match fact {
            Fact::Session { id } => self.conversation = id,
            Fact::PromptTaken { .. } => {
                self.has_conversed = true;
                self.process.begins_turn();
                let act = self.delivery.prompt_taken();
                self.act(act);
                self.turn.begin(self.turn_mark);
            }
            Fact::Answer { text, id } => self.turn.answer(text, id),
            Fact::TurnOver { outcome } => {
                self.turn.over(self.turn_mark);
                match self.delivery.turn_over() {
                    Some(id) => self.close(&id, outcome),
                    None => self.close_foreign_turn(outcome),
                }
            }
            Fact::Tokens { input, output } => {
                self.usage.tokens = Some(parallax_api::observe::Tokens { input, output });
            }
            Fact::Cost { usd } => self.usage.cost_usd = Some(usd),
            Fact::Version(version) => self.usage.version = Some(version),
        }
    }

    fn observation(&self) -> &Observation {
        self.process.detector.observation()
    }

    /// When something is due though nothing happens.
    fn wake_at(&self) -> Instant {
        let now = Instant::now();
        if self.finished {
            return now + Duration::from_secs(3600);
        }
        let key = (!self.keyboard.is_empty()).then_some(self.next_key_at);
        let record = self.process.session_file.is_some().then_some(self.session_file_at);
        let drain = self.process.ended.map(|(at, _)| self.drained_at(at));
        [
            self.look_at(),
            self.process.detector.deadline().map(|after| self.process.spawned + after),
            self.delivery.deadline(self.profile.submit(), now),
            self.publisher.deadline().filter(|_| self.termination.is_none()),
            key,
            record,
            drain,
            self.dialog_answer.as_ref().map(DialogAnswer::deadline),
            self.auto_dismiss.deadline(),
            self.interrupting.iter().map(|(_, until)| *until).min(),
            self.termination.as_ref().filter(|_| drain.is_none()).and_then(Termination::deadline),
            self.started_at(),
            self.typing_until(),
            self.too_long().map(|(at, _)| at),
        ]
        .into_iter()
        .flatten()
        .min()
        .unwrap_or(now + Duration::from_secs(60))
    }

    fn look_at(&self) -> Option<Instant> {
        let since = self.dirty_since?;
        Some(if self.screen.modes().in_frame {
            since + FRAME_LIMIT
        } else {
            (self.last_output + QUIET).min(since + LOOK_AT_LEAST)
        })
    }

    fn drained_at(&self, ended: Instant) -> Instant {
        if self.process.is_silent() {
            ended
        } else {
            (self.last_output.max(ended) + DRAIN_QUIET).min(ended + DRAIN_LIMIT)
        }
    }

    /// A person who types in the composer is let finish.
    fn typing_until(&self) -> Option<Instant> {
        (self.inbox.queued() > 0)
            .then_some(self.last_typed? + TYPING_PAUSE)
            .filter(|until| *until > Instant::now())
    }

    /// When the agent has idled or lived too long, and which.
    fn too_long(&self) -> Option<(Instant, &'static str)> {
        if self.termination.is_some() {
            return None;
        }
        let after = |seconds: u64, from: Instant| from.checked_add(Duration::from_secs(seconds));
        // A turn may be silent for long, and what waits will be typed: neither is idle.
        let works = self.observation().status == AgentStatus::Busy
            || self.delivery.is_busy()
            || self.inbox.queued() > 0;
        let idle = self
            .launch
            .idle_timeout_seconds
            .filter(|_| !works)
            .and_then(|seconds| after(seconds, self.last_output.max(self.last_input)));
        let life = self.launch.max_lifetime_seconds.and_then(|seconds| after(seconds, self.process.spawned));
        let idle = idle.map(|at| (at, "idle_timeout"));
        life.map(|at| (at, "lifetime")).into_iter().chain(idle).min()
    }

    /// Does what is due, then publishes what came of it.
    async fn advance(&mut self, now: Instant) {
        if self.look_at().is_some_and(|at| at <= now) {
            self.dirty_since = None;
            self.observe(Signal::Screen);
        }
        if self.process.detector.deadline().is_some_and(|after| after <= self.process.age()) {
            self.observe(Signal::Tick);
        }
        self.read_session_file(now);
        self.press_keys(now);
        self.deliver(now);
        self.pass(now);
        self.answer(now);
        self.end_interrupts(now);
        self.begin(now);
        if let Some((_, reason)) = self.too_long().filter(|(at, _)| *at <= now) {
            self.termination = Some(Termination::new(reason, grace(5000), now));
        }
        if self.process.ended.is_none() {
            self.leave(now);
        }
        self.publish(now);
        if let Some((at, ended)) = self.process.ended
            && self.drained_at(at) <= now
        {
            self.on_end(ended).await;
        }
    }

    fn read_session_file(&mut self, now: Instant) {
        if now < self.session_file_at {
            return;
        }
        let busy = self.delivery.is_busy() || self.observation().status == AgentStatus::Busy;
        self.session_file_at = now + if busy { SESSION_FILE_POLL_BUSY } else { SESSION_FILE_POLL_IDLE };
        let lines = self
            .process
            .session_file
            .as_mut()
            .map(crate::session_file::SessionFile::poll)
            .unwrap_or_default();
        for line in &lines {
            self.observe(Signal::Record { line });
        }
    }

    fn press_keys(&mut self, now: Instant) {
        if now < self.next_key_at {
            return;
        }
        if let Some(key) = self.keyboard.pop_front() {
            // Whoever asked for the key sees on the screen that it was not taken.
            drop(self.write(key));
            self.next_key_at = now + KEY_GAP;
        }
    }

    fn publish(&mut self, now: Instant) {
        let observation = self.process.detector.observation();
        // Until its answer is there a turn is not over for anyone.
        let answering = self.delivery.is_taken() && observation.status == AgentStatus::Ready;
        let status = if answering {
            AgentStatus::Busy
        } else {
            published_status(observation, self.publisher.agent().status, self.auto_dismiss.is_under_way())
        };
        let awaits = match () {
            () if answering => Some("the answer is awaited"),
            () if status != observation.status => Some("a message could not be typed yet"),
            () => None,
        };
        let desired = Desired {
            status,
            needed: observation.attention.as_ref().filter(|needed| !self.auto_dismiss.is_dismissing(needed)),
            error: observation.error.as_ref().filter(|_| status == AgentStatus::Error),
            source: if awaits.is_some() { "process" } else { observation.source.as_str() },
            rule: awaits.unwrap_or(&observation.rule),
        };
        // A program that is being terminated may show a composer behind a dialog: do not publish that it is ready.
        if self.termination.is_none() {
            self.publisher.apply(&desired, now);
        }
        self.publisher.touch(self.inbox.queued(), std::mem::take(&mut self.active), now);
    }

    fn write(&mut self, bytes: impl Into<Bytes>) -> Result<u64, Problem> {
        let bytes = bytes.into();
        let len = bytes.len() as u64;
        let target = self.process.terminal.write(bytes)?;
        self.input_bytes += len;
        self.last_input = Instant::now();
        self.active = true;
        Ok(target)
    }
}

/// The longest grace is ten minutes.
fn grace(millis: u64) -> Duration {
    Duration::from_millis(millis.min(600_000))
}

fn agent_stopped() -> Problem {
    Problem::new(
        Code::AgentStopped,
        "the agent has ended; its log and messages can still be read; spawn another",
    )
}

fn auth_required(login_url: Option<&str>, text: &str) -> Problem {
    let problem = Problem::new(
        Code::AuthRequired,
        format!("a person must log in first ({text}); attach to the terminal to do it"),
    );
    match login_url {
        Some(url) => problem.with("loginUrl", url),
        None => problem,
    }
}
