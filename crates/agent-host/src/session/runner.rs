//! The session's task: waits for the next event, lets every owner do what is due, and publishes the result.

mod alarm;
mod duties;
mod ending;
mod messages;
mod reports;
mod requests;
mod tidying;

use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parallax_api::message::MessageSource;
use parallax_api::{Agent, AgentStatus, Code, Problem};
use parallax_profile::{
    Conversation, DetectorEvent, DetectorInput, Launch, Observation, Profile, Source, Tokens,
};
use tokio::sync::{mpsc, oneshot, watch};

use alarm::Alarm;
use reports::ReportBudget;
use tidying::Tidying;

use super::agent_process::{AgentProcess, ProcessEvent};
use super::command::Command;
use super::context::SessionContext;
use super::dialogs::Dialogs;
use super::input::Input;
use super::interrupts::Interrupts;
use super::lifecycle::Lifecycle;
use super::messaging::Messaging;
use super::output::Output;
use super::publish::Publisher;
use super::setup;
use super::usage::Usage;
use crate::cpu_watch::CpuWatch;
use crate::images::Images;
use crate::inbox::{Inbox, KeptMessages};
use crate::journal::Journal;
use crate::log::{LogReader, OutputLog};
use crate::message_log::MessageLog;
use crate::resume::ResumeState;

/// Ctrl-C.
const INTERRUPT: u8 = 0x03;

/// Owner of everything that belongs to one agent. Each part is an owner of its own state; what connects them is here.
pub struct Runner {
    launch: Launch,
    profile: Arc<Profile>,
    context: SessionContext,
    images: Images,
    commands_rx: mpsc::Receiver<Command>,
    journal: Journal,
    message_log: MessageLog,
    publisher: Publisher,
    process: AgentProcess,
    /// When the agent was started: a restart of its program does not make it younger.
    started_at: Instant,
    output: Output,
    input: Input,
    messaging: Messaging,
    dialogs: Dialogs,
    interrupts: Interrupts,
    cpu_watch: CpuWatch,
    lifecycle: Lifecycle,
    usage: Usage,
    tidying: Tidying,
    report_budget: ReportBudget,
}

impl Runner {
    /// Starts the program, after what sets up its place, and everything that watches it.
    pub async fn start(
        launch: Launch,
        context: SessionContext,
        images: Images,
        commands_rx: mpsc::Receiver<Command>,
    ) -> Result<Self, Problem> {
        let disk = |error: std::io::Error| {
            Problem::internal(format!("the agent's directory cannot be written: {error}"))
        };
        let log = OutputLog::open(&context.dir.join("log"), launch.log_limit).map_err(disk)?;
        let journal = Journal::open(&context.dir.join("journal.ndjson")).map_err(disk)?;
        let (message_log, written) = MessageLog::open(&context.dir.join("messages.ndjson")).map_err(disk)?;
        let mut resume = ResumeState::read(&context.dir).map_err(disk)?;
        if !written.is_empty() {
            resume.get_or_insert_default().messages.complete(written);
        }
        let profile = Arc::new(launch.profile.clone());
        let has_conversed = resume.as_ref().is_some_and(|resume| resume.has_conversed);
        let last = resume.as_ref().filter(|_| has_conversed);
        let last = last.map(|resume| Conversation::Resume { id: resume.conversation.clone() });
        // A CLI that cannot resume begins anew.
        let start = last.filter(|last| AgentProcess::check(&launch, last, &context).is_ok());
        let start = start.unwrap_or_else(|| Conversation::New { id: uuid::Uuid::new_v4().to_string() });
        let now = Instant::now();
        let settles = Duration::from_millis(profile.submit().settle_ms);
        let mut output = Output::new(log, launch.terminal, settles, now);
        if resume.is_none() {
            setup::run(&launch, &start, &mut output, &context).await?;
        }
        let mut process = AgentProcess::spawn(&launch, &profile, &start, launch.terminal, &context)?;
        let (Conversation::New { id: conversation_id } | Conversation::Resume { id: conversation_id }) =
            start;
        let mut usage = Usage::default();
        if let Some(used) = resume.as_ref().and_then(|resume| resume.tokens) {
            process.detector.carry_tokens(Tokens::used(used.input, used.output).carried_over(has_conversed));
            usage.tokens = Some(used);
        }
        let agent_id = launch.agent.id.clone();
        let inbox = match resume {
            Some(resume) => {
                output.reset(now);
                Inbox::going_on(agent_id, resume.messages)
            }
            None => Inbox::new(agent_id),
        };
        // The prompt of the request is for a new conversation only.
        if let Some(prompt) = launch.prompt.as_ref().filter(|_| !has_conversed) {
            inbox.accept(&uuid::Uuid::now_v7().to_string(), prompt.clone(), Vec::new())?;
        }
        let window = profile.start_window();
        let mut publisher = Publisher::new(launch.agent.clone(), journal.clone());
        publisher.started();
        let mut tidying = Tidying::default();
        tidying.note(now);
        Ok(Self {
            profile,
            context,
            images,
            commands_rx,
            journal,
            message_log,
            publisher,
            process,
            started_at: now,
            output,
            input: Input::new(now),
            messaging: Messaging::new(inbox, conversation_id, has_conversed),
            dialogs: Dialogs::default(),
            interrupts: Interrupts::default(),
            cpu_watch: CpuWatch::default(),
            lifecycle: Lifecycle::new(window),
            usage,
            tidying,
            report_budget: ReportBudget::new(now),
            launch,
        })
    }

    /// The agent, to watch.
    pub fn agent_rx(&self) -> watch::Receiver<Agent> {
        self.publisher.subscribe()
    }

    /// The conversation.
    pub fn inbox(&self) -> Inbox {
        self.messaging.inbox().clone()
    }

    /// The events.
    pub fn journal(&self) -> Journal {
        self.journal.clone()
    }

    /// The output.
    pub fn log(&self) -> LogReader {
        self.output.log()
    }

    /// Runs until every handle is dropped; the agent may end before. `started_tx` hears whether the program started.
    ///
    /// Boxed: the task would have room for it twice.
    pub async fn run(mut self: Box<Self>, started_tx: oneshot::Sender<Result<(), Problem>>) {
        self.lifecycle.notify_started(started_tx);
        let mut alarm = Alarm::new();
        loop {
            let now = Instant::now();
            let held = self.held_until(now);
            let wake = self.deadline(now).into_iter().chain(held).min();
            let caught_up = self.output.caught_up();
            tokio::select! {
                command = self.commands_rx.recv() => match command {
                    Some(command) => self.on_command(command),
                    None => return,
                },
                event = self.process.next(held.is_none()), if !self.lifecycle.is_finished() => {
                    let more = match &event {
                        ProcessEvent::Output(printed) => Some(printed.more),
                        _ => None,
                    };
                    self.on_process_event(event);
                    if let Some(more) = more {
                        others_first(more).await;
                        self.take_command();
                    }
                }
                // A viewer has caught up, or left.
                () = caught_up => self.tidying.note(Instant::now()),
                () = alarm.until(wake) => {}
            }
            self.step(Instant::now());
        }
    }

    /// What was asked for meanwhile, a person's Ctrl-C above all, does not wait for the next piece of output.
    fn take_command(&mut self) {
        if let Ok(command) = self.commands_rx.try_recv() {
            self.step(Instant::now());
            self.on_command(command);
        }
    }

    /// Until when the program's output is not read, because a viewer is to read first. A program that is to end, or has
    /// ended, waits for nobody.
    fn held_until(&self, now: Instant) -> Option<Instant> {
        let ends = self.process.ended.is_some() || self.lifecycle.is_terminating();
        self.output.held_until(now).filter(|_| !ends)
    }

    fn on_process_event(&mut self, event: ProcessEvent) {
        match event {
            ProcessEvent::Output(printed) => self.on_output(&printed.bytes),
            ProcessEvent::OutputEnded | ProcessEvent::Recorded => {}
            ProcessEvent::Exited(exit) => {
                tracing::info!(code = exit.code, signal = exit.signal, "the program ended");
            }
        }
    }

    fn on_output(&mut self, bytes: &[u8]) {
        let fed = self.output.feed(bytes, Instant::now());
        if !fed.replies.is_empty() {
            // A program that does not read its input does not miss the reply either.
            drop(self.process.terminal.write(fed.replies));
        }
        if !fed.reports.is_empty() {
            self.on_reports(&fed.reports);
        }
        self.messaging.set_offset(self.output.end());
        self.tidying.printed(self.output.end(), Instant::now());
        self.publisher.mark_active();
    }

    fn observe(&mut self, input: DetectorInput<'_>) {
        let now = self.process.age();
        // It looks at a screen that changed and at no other.
        let is_looked_at = matches!(input, DetectorInput::Screen | DetectorInput::Settled)
            || !self.process.detector.has_seen_screen();
        let screen = if is_looked_at { self.output.screen() } else { self.output.last_screen() };
        let facts = self.process.detector.observe(now, screen, input);
        for fact in facts {
            self.on_fact(fact);
        }
    }

    fn on_fact(&mut self, fact: DetectorEvent) {
        match fact {
            DetectorEvent::Session { id } => {
                self.process.follow_conversation(&id);
                self.messaging.conversation_id = id;
                self.conversation_changed();
            }
            DetectorEvent::PromptTaken { text } => {
                self.process.begins_turn();
                // An exit command is no conversation.
                if !self.messaging.has_conversed && !self.lifecycle.has_asked() {
                    self.messaging.has_conversed = true;
                    self.conversation_changed();
                }
                let reports_prompts = self.profile.reports_prompts();
                let submit = self.profile.submit();
                let act = self.messaging.prompt_taken(submit, text.as_deref(), reports_prompts);
                self.act(act);
            }
            DetectorEvent::Answer { text, id, source } => {
                let source = match source {
                    Source::Hook => MessageSource::Hook,
                    _ => MessageSource::Record,
                };
                self.messaging.answered(text, id, source);
            }
            DetectorEvent::Said { text, .. } => self.said_meanwhile(text),
            DetectorEvent::TurnOver { outcome } => {
                self.interrupts.turn_over();
                match self.messaging.turn_over() {
                    Some(id) => self.close(&id, outcome),
                    None => self.close_foreign_turn(outcome),
                }
            }
            DetectorEvent::Tokens { input, output } => {
                self.usage.tokens = Some(parallax_api::observe::Tokens { input, output });
                // Servers ask for what was used of agents that did something.
                self.publisher.mark_active();
            }
            DetectorEvent::Cost { usd } => {
                self.usage.cost_usd = Some(usd);
                self.publisher.mark_active();
            }
            DetectorEvent::Version(version) => self.usage.cli_version = Some(version),
        }
    }

    /// Should the host die, the next one resumes this conversation; its messages are in the message log.
    fn conversation_changed(&self) {
        if self.messaging.has_conversed {
            self.write_resume_state(KeptMessages::default());
        }
    }

    fn observation(&self) -> &Observation {
        self.process.detector.observation()
    }

    /// Whether a turn runs, or is about to.
    fn is_working(&self) -> bool {
        self.observation().status == AgentStatus::Busy || self.messaging.is_entered()
    }

    /// What was typed may interrupt the program: then its viewers are to see the prompt at once.
    fn note_interrupt(&mut self, typed: &Bytes) {
        if typed.contains(&INTERRUPT) {
            self.output.interrupted();
        }
    }

    fn write(&mut self, bytes: impl Into<Bytes>) -> Result<u64, Problem> {
        let bytes = bytes.into();
        let target = self.input.write(&mut self.process.terminal, bytes.clone(), Instant::now())?;
        self.note_interrupt(&bytes);
        self.publisher.mark_active();
        Ok(target)
    }
}

/// Lets the tasks run that have something to do: viewers have what was printed before this task draws conclusions from it. `more`: the next
/// piece is there already.
async fn others_first(more: bool) {
    if more {
        // A program that prints without end keeps this task busy. So there is a look at what else has come, a viewer's Ctrl-C
        // above all, which the runtime by itself does once in some sixty turns of its tasks.
        return tokio::task::yield_now().await;
    }
    let mut has_waited = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut has_waited, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

fn agent_stopped() -> Problem {
    Problem::new(
        Code::AgentStopped,
        "the agent has ended; its log and messages can still be read; spawn another",
    )
}

pub(super) fn auth_required(login_url: Option<&str>, text: &str) -> Problem {
    let problem = Problem::new(
        Code::AuthRequired,
        format!("a person must log in first ({text}); attach to the terminal to do it"),
    );
    match login_url {
        Some(url) => problem.with("loginUrl", url),
        None => problem,
    }
}

#[cfg(test)]
mod tests;
