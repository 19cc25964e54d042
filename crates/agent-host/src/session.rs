//! The live agent inside a host: one task owns everything that moves together, everyone else holds a [`Session`].
//!
//! Bytes from the terminal go, in this order: screen (which splits off queries and reports) → output log → viewers;
//! the screen and the CLI's own reports go to the detector; what it concludes moves the status, the inbox and the
//! journal. The loop is in `session/runner.rs`.

mod agent_process;
mod command;
mod context;
mod dialogs;
mod exec_limits;
mod input;
mod interrupts;
mod lifecycle;
mod messaging;
mod output;
mod publish;
mod runner;
mod seat;
mod setup;
mod usage;

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use parallax_api::agent::{RestartRequest, StopRequest};
use parallax_api::host::{HookReport, HostSend};
use parallax_api::message::{
    AnswerRequest, DEFAULT_TIMEOUT_MS, ImageInput, MessageImage, MessageProgress, OnQuestion,
};
use parallax_api::observe::{Metrics, StatusReport};
use parallax_api::terminal::{InputRequest, Screen};
use parallax_api::{Agent, AgentStatus, Attention, AttentionKind, Code, Problem, SendResponse};
use parallax_profile::Launch;
use tokio::sync::{mpsc, oneshot, watch};

use crate::disk_watch::DiskWatch;
use crate::files::Files;
use crate::images::Images;
use crate::inbox::{Inbox, MessageOutcome};
use crate::journal::Journal;
use crate::lease::ViewerId;
use crate::log::LogReader;
use crate::viewers::Joining;
pub use command::View;
use command::{Command, Reply};
pub use context::SessionContext;
pub use seat::Seat;

/// Requests that may wait for the session's task.
const MAX_COMMANDS: usize = 256;

/// A handle on the live agent. Cheap to clone; outlives the agent's process.
#[derive(Clone)]
pub struct Session {
    commands_tx: mpsc::Sender<Command>,
    agent_rx: watch::Receiver<Agent>,
    inbox: Inbox,
    journal: Journal,
    log: LogReader,
    files: Files,
    /// None: the CLI takes none.
    images: Option<Images>,
    /// Held from the writing of a message's images until it is accepted.
    handing_in: Arc<tokio::sync::Mutex<()>>,
    epoch: String,
}

impl Session {
    /// Runs the launch's set-up command, then starts the agent. Answers when its process runs. Fails with `SPAWN_FAILED`, with
    /// the CLI's last words when it ended at once.
    pub async fn start(launch: Launch, context: SessionContext) -> Result<Self, Problem> {
        // Before the agent runs: afterwards another directory may stand in its place.
        let files = Files::open(&launch.workdir).map_err(|error| {
            let detail = format!("{} cannot be worked in: {error}", launch.workdir.display());
            Problem::new(Code::WorkdirNotFound, detail).with("field", "workdir")
        })?;
        let (commands_tx, commands_rx) = mpsc::channel(MAX_COMMANDS);
        let disk = disk_watch(&launch, &context)?;
        let takes_images = launch.profile.submit().images.is_some();
        let images = Images::at(agent_process::template_context(&launch, &context).images_dir());
        if takes_images {
            images.make().map_err(|error| {
                Problem::internal(format!("the agent's directory cannot be written: {error}"))
            })?;
        }
        let runner = runner::Runner::start(launch, context, images.clone(), commands_rx).await?;
        let session = Self {
            commands_tx,
            agent_rx: runner.agent_rx(),
            inbox: runner.inbox(),
            journal: runner.journal(),
            log: runner.log(),
            files,
            images: takes_images.then_some(images),
            handing_in: Arc::default(),
            epoch: runner.agent_rx().borrow().id.to_string(),
        };
        let (started_tx, started_rx) = oneshot::channel();
        tokio::spawn(Box::new(runner).run(started_tx));
        started_rx.await.map_err(|_| Problem::internal("the session ended before it began"))??;
        if let Some(disk) = disk {
            session.hold_to(disk);
        }
        Ok(session)
    }

    /// Ends the agent when it uses more of the disk than it may.
    fn hold_to(&self, disk: DiskWatch) {
        let (commands_tx, mut agent_rx) = (self.commands_tx.clone(), self.agent_rx.clone());
        tokio::spawn(async move {
            let ended = async {
                drop(agent_rx.wait_for(|agent| agent.status == AgentStatus::Stopped).await);
            };
            tokio::select! {
                used = disk.exceeded() => {
                    tracing::warn!(used, "the agent uses more of the disk than it may");
                    // An agent that has ended uses nothing more.
                    drop(commands_tx.send(Command::Exceeded { reason: "disk_limit" }).await);
                }
                () = ended => {}
            }
        });
    }

    /// The agent as it is now.
    pub fn agent(&self) -> Agent {
        self.agent_rx.borrow().clone()
    }

    /// What changes when the agent does.
    pub fn agent_changes(&self) -> watch::Receiver<Agent> {
        self.agent_rx.clone()
    }

    /// The conversation.
    pub fn inbox(&self) -> &Inbox {
        &self.inbox
    }

    /// The events.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// The output.
    pub fn log(&self) -> &LogReader {
        &self.log
    }

    /// The files of its working directory.
    pub fn files(&self) -> &Files {
        &self.files
    }

    /// Names the output log.
    pub fn epoch(&self) -> &str {
        &self.epoch
    }

    /// Accepts a message, and waits for its answer when the request says so. Fails with `AGENT_BUSY`, `AGENT_STOPPED`,
    /// `AUTH_REQUIRED`, `QUESTION_PENDING`, `RESOURCE_LIMIT`, `UNSUPPORTED` (images), `AGENT_FAILED`, or `TIMEOUT` with the message's id: then it
    /// is not lost.
    pub async fn send(&self, mut message: HostSend) -> Result<SendResponse, Problem> {
        let id = message.message_id.clone();
        let expect = message.request.expect_response;
        let on_question = message.request.on_question;
        let timeout_ms = message.request.timeout_ms.unwrap_or(DEFAULT_TIMEOUT_MS);
        let given = std::mem::take(&mut message.request.images);
        self.hand_in(message, given).await?;
        if !expect {
            return Ok(SendResponse { sent: true, message_id: id, response: None });
        }
        let patience = std::time::Duration::from_millis(timeout_ms);
        let outcome = async {
            tokio::select! {
                biased;
                outcome = self.inbox.outcome(&id) => outcome,
                attention = self.person_needed(), if on_question == OnQuestion::Return => {
                    MessageOutcome::Failed(waits_for_person(&attention))
                }
            }
        };
        match tokio::time::timeout(patience, outcome).await {
            Ok(MessageOutcome::Answered(answer)) => {
                Ok(SendResponse { sent: true, message_id: id, response: Some(answer) })
            }
            Ok(MessageOutcome::Failed(problem)) => Err(problem.with("messageId", id)),
            Err(_) => Err(self.no_answer_yet(&id, timeout_ms)),
        }
    }

    /// Has the message accepted, after its images are written.
    async fn hand_in(&self, message: HostSend, given: Vec<ImageInput>) -> Result<(), Problem> {
        // Until it is accepted, its images look like those of a message that has ended, and another's might take their room.
        let one = if given.is_empty() { None } else { Some(self.handing_in.lock().await) };
        let id = message.message_id.clone();
        let images = self.keep_images(&id, given).await?;
        let has_images = !images.is_empty();
        let accepted = self.ask(|reply| Command::Send { message, images, reply }).await;
        if accepted.is_err()
            && let Some(images) = self.images.as_ref().filter(|_| has_images)
        {
            images.remove(&id);
        }
        drop(one);
        accepted
    }

    /// Writes the images of a message that is not known yet, for its CLI to read.
    async fn keep_images(&self, id: &str, given: Vec<ImageInput>) -> Result<Vec<MessageImage>, Problem> {
        // A message that is known is sent again: the sender did not hear that it was accepted.
        if given.is_empty() || self.inbox.get(id).is_some() {
            return Ok(Vec::new());
        }
        let Some(images) = self.images.clone() else {
            let detail =
                format!("an agent of type `{}` takes no images; leave the field out", self.agent().r#type);
            return Err(Problem::new(Code::Unsupported, detail).with("field", "images"));
        };
        let (id, inbox) = (id.to_owned(), self.inbox.clone());
        let kept = tokio::task::spawn_blocking(move || images.keep(&id, &given, |id| inbox.is_open(id)));
        kept.await.map_err(|_| Problem::internal("the images could not be written"))?
    }

    /// How far a message has come. Waits until it has ended, or a person is needed. Fails with `NOT_FOUND`.
    pub async fn message(&self, id: &str, wait: std::time::Duration) -> Result<MessageProgress, Problem> {
        if self.inbox.get(id).is_none() {
            return Err(Problem::new(Code::NotFound, "no message of this agent has that id"));
        }
        let change = async {
            tokio::select! {
                _ = self.inbox.outcome(id) => {}
                _ = self.person_needed() => {}
            }
        };
        // However it ends, what is so then is told.
        drop(tokio::time::timeout(wait, change).await);
        let attention = self.agent().attention;
        self.inbox.progress(id).map(|progress| MessageProgress { attention, ..progress })
    }

    /// Resolves when a person is needed.
    async fn person_needed(&self) -> Attention {
        let needs = |agent: &Agent| {
            let asks = |attention: &&Attention| {
                attention.kind.is_question() || attention.kind == AttentionKind::Login
            };
            agent.attention.as_ref().filter(asks).cloned()
        };
        let mut agent_rx = self.agent_rx.clone();
        loop {
            if let Some(attention) = needs(&agent_rx.borrow_and_update()) {
                return attention;
            }
            if agent_rx.changed().await.is_err() {
                // The agent has ended; so do its messages.
                std::future::pending::<()>().await;
            }
        }
    }

    fn no_answer_yet(&self, id: &str, timeout_ms: u64) -> Problem {
        let detail = format!(
            "no answer within {timeout_ms} ms; the message is not lost: its answer comes as a `message` event and in `/messages`"
        );
        let problem = Problem::new(Code::Timeout, detail).with("messageId", id);
        match self.agent().attention.and_then(|attention| serde_json::to_value(attention).ok()) {
            Some(attention) => problem.with("attention", attention),
            None => problem,
        }
    }

    /// Presses keys.
    pub async fn input(&self, request: InputRequest) -> Result<(), Problem> {
        self.ask(|reply| Command::Input { request, reply }).await
    }

    /// Types what a viewer typed. Waits when the session has much to do: only that viewer's socket. The answer comes when
    /// the program's terminal has taken the bytes, or is `RESOURCE_LIMIT`; there is none after the session's end.
    /// Dropping the future before it resolves types nothing.
    pub async fn type_bytes(&self, viewer: ViewerId, bytes: Bytes) -> oneshot::Receiver<Result<(), Problem>> {
        let (taken, answer) = oneshot::channel();
        // After the session's end there is no terminal.
        drop(self.commands_tx.send(Command::Type { viewer, bytes, taken }).await);
        answer
    }

    /// A place for one viewer more, which may hold the size.
    pub fn seat(&self) -> Seat {
        Seat::new(self.commands_tx.clone())
    }

    /// Withdraws a message that waits. Fails with `NOT_FOUND`, or with `CONFLICT` when it does not wait any more.
    pub async fn withdraw(&self, message: String) -> Result<Agent, Problem> {
        self.ask(|reply| Command::Withdraw { message, reply }).await?;
        Ok(self.agent())
    }

    /// Answers the pending question. Fails with `CONFLICT` when there is none, `VALIDATION_ERROR` for an unknown option.
    pub async fn answer(&self, request: AnswerRequest) -> Result<Agent, Problem> {
        self.ask(|reply| Command::Answer { request, reply }).await?;
        Ok(self.agent())
    }

    /// Stops the current turn and keeps the agent; with none it does nothing.
    pub async fn interrupt(&self) -> Result<Agent, Problem> {
        self.ask(|reply| Command::Interrupt { reply }).await?;
        Ok(self.agent())
    }

    /// A new process with the same id, workdir and, with `resume`, conversation.
    pub async fn restart(&self, request: RestartRequest) -> Result<Agent, Problem> {
        self.ask(|reply| Command::Restart { request, reply }).await?;
        Ok(self.agent())
    }

    /// Ends the agent and everything it started; answers when all is gone. Already ended is fine.
    pub async fn stop(&self, request: StopRequest) -> Result<Agent, Problem> {
        self.ask(|reply| Command::Stop { request, reply }).await?;
        Ok(self.agent())
    }

    /// Ends the agent, which another host of this directory is to go on with. Fails with `UNSUPPORTED` when none could.
    pub async fn suspend(&self) -> Result<Agent, Problem> {
        self.ask(|reply| Command::Suspend { reply }).await?;
        Ok(self.agent())
    }

    /// What that host is to be given. It holds the agent's secrets.
    pub async fn launch(&self) -> Result<Launch, Problem> {
        self.ask(|reply| Command::Launch { reply }).await
    }

    /// Takes the report of a CLI's hook.
    pub async fn report(&self, report: HookReport) {
        // A hook that comes after the end has nothing to tell.
        drop(self.commands_tx.send(Command::Report(report)).await);
    }

    /// Lets one viewer more in.
    pub async fn view(&self, joining: Joining) -> Result<View, Problem> {
        self.ask(|reply| Command::View { joining, reply }).await
    }

    /// What a person would see now.
    pub async fn screen(&self) -> Result<Screen, Problem> {
        self.ask(|reply| Command::Screen { reply }).await
    }

    /// Why the status is what it is.
    pub async fn status(&self) -> Result<StatusReport, Problem> {
        self.ask(|reply| Command::Status { reply }).await
    }

    /// What the agent uses and has done.
    pub async fn metrics(&self) -> Result<Metrics, Problem> {
        self.ask(|reply| Command::Metrics { reply }).await
    }

    async fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, Problem> {
        let (reply, answer) = oneshot::channel();
        let gone = || Problem::internal("the session's task has ended");
        self.commands_tx.send(command(reply)).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

/// The refusal for a caller who waits for an answer while a person is needed.
fn waits_for_person(attention: &Attention) -> Problem {
    if attention.kind == AttentionKind::Login {
        return runner::auth_required(attention.login_url.as_deref(), &attention.text);
    }
    let detail = format!(
        "the agent asks: {}; answer it with `/answer`, then wait for the message with `/messages/ID?wait=SECONDS`",
        attention.text
    );
    let problem = Problem::new(Code::QuestionPending, detail);
    problem.with("attention", serde_json::to_value(attention).unwrap_or_default())
}

/// What an agent in a container is held to, where its launch limits its disk space.
fn disk_watch(launch: &Launch, context: &SessionContext) -> Result<Option<DiskWatch>, Problem> {
    let Some(limit) = launch.resources.disk_bytes()?.filter(|_| context.in_container) else {
        return Ok(None);
    };
    let own = context.dir.parent().unwrap_or(&context.dir);
    let home = launch.env.get("HOME").map(|home| Path::new(home.expose()));
    let work = launch.checkout.as_ref().map(|checkout| checkout.root.as_path());
    Ok(Some(DiskWatch::new(own, home, limit).with(work)))
}
