//! One run of the agent's program: its terminal, what watches it, and how it is asked to leave.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parallax_api::agent::EnvValue;
use parallax_api::{Code, Problem, TerminalSize};
use parallax_profile::program::on_path;
use parallax_profile::{Command, Conversation, Detector, Launch, Place, PreparedFile, Profile};
use tokio::sync::{mpsc, oneshot};

use super::SessionContext;
use crate::container::out_of_memory_kills;
use crate::hook::{AGENT_ID, HOST_SOCKET};
use crate::reaper::ProcessExit;
use crate::session_file::SessionFile;
use crate::terminal::Terminal;

/// A program on its terminal.
pub struct AgentProcess {
    /// Its terminal.
    pub terminal: Terminal,
    /// What is concluded about it.
    pub detector: Detector,
    /// What it writes about itself.
    pub session_file: Option<SessionFile>,
    /// When it was started: the detector's zero.
    pub spawned: Instant,
    /// When it ended, and how; its terminal may still hold output.
    pub ended: Option<(Instant, ProcessExit)>,
    /// Processes that had been killed for want of memory when it was last at work, where the memory is the agent's own.
    oom_kills: Option<u64>,
    output_rx: Option<mpsc::Receiver<Bytes>>,
    ended_rx: oneshot::Receiver<ProcessExit>,
}

/// What happens to a process.
pub enum ProcessEvent {
    /// It printed.
    Output(Bytes),
    /// Nobody holds its terminal any more.
    OutputEnded,
    /// It ended.
    Exited(ProcessExit),
}

impl AgentProcess {
    /// Prepares the files, then starts the program. Fails with `CLI_NOT_FOUND`, `WORKDIR_NOT_FOUND` or `SPAWN_FAILED`.
    pub fn spawn(
        launch: &Launch,
        profile: &Arc<Profile>,
        conversation: &Conversation,
        size: TerminalSize,
        context: &SessionContext,
    ) -> Result<Self, Problem> {
        if !launch.workdir.is_dir() {
            let detail =
                format!("{} is not a directory; create it or name another", launch.workdir.display());
            return Err(Problem::new(Code::WorkdirNotFound, detail).with("field", "workdir"));
        }
        let mut command = launch.command(&place(launch, context), conversation)?;
        find_program(launch, &command)?;
        for file in &command.files {
            prepare(file).map_err(|error| {
                Problem::new(
                    Code::SpawnFailed,
                    format!("{} could not be written: {error}", file.path.display()),
                )
            })?;
        }
        command.env.entry("TERM".into()).or_insert_with(|| EnvValue::from("xterm-256color"));
        command.env.entry("COLORTERM".into()).or_insert_with(|| EnvValue::from("truecolor"));
        command.env.insert(AGENT_ID.into(), EnvValue::from(launch.agent.id.as_str()));
        command.env.insert(HOST_SOCKET.into(), EnvValue::from(context.socket.to_string_lossy().into_owned()));
        let (Conversation::New { id } | Conversation::Resume { id }) = conversation;
        let session_file = command.record.clone().map(|source| SessionFile::follow(source, id));
        let oom_kills = context.in_container.then(out_of_memory_kills).flatten();
        let (terminal, output_rx) = Terminal::spawn(&command, &launch.workdir, size)?;
        Ok(Self {
            ended_rx: context.reaper.ended(terminal.pid()),
            terminal,
            detector: Detector::new(profile.clone()),
            session_file,
            spawned: Instant::now(),
            ended: None,
            oom_kills,
            output_rx: Some(output_rx),
        })
    }

    /// Whether the program could be started like this. Fails as [`Launch::command`] does.
    pub fn check(
        launch: &Launch,
        conversation: &Conversation,
        context: &SessionContext,
    ) -> Result<(), Problem> {
        launch.command(&place(launch, context), conversation).map(drop)
    }

    /// The next thing that happens to it. Cancel-safe. Pending for ever once it has ended and is silent.
    pub async fn next(&mut self) -> ProcessEvent {
        let ended = self.ended.is_some();
        tokio::select! {
            chunk = next_chunk(&mut self.output_rx) => match chunk {
                Some(bytes) => ProcessEvent::Output(bytes),
                None => {
                    self.output_rx = None;
                    ProcessEvent::OutputEnded
                }
            },
            end = &mut self.ended_rx, if !ended => {
                // The reaper outlives every process.
                let end = end.unwrap_or(ProcessExit { code: None, signal: None });
                self.ended = Some((Instant::now(), end));
                ProcessEvent::Exited(end)
            }
        }
    }

    /// Whether the end of output was reached.
    pub fn is_silent(&self) -> bool {
        self.output_rx.is_none()
    }

    /// It begins a turn: what the kernel killed before has not ended it.
    pub fn begins_turn(&mut self) {
        self.oom_kills = self.oom_kills.and_then(|_| out_of_memory_kills());
    }

    /// Whether the kernel killed something of it for want of memory, since its last turn began.
    pub fn ran_out_of_memory(&self) -> bool {
        self.oom_kills.is_some_and(|before| out_of_memory_kills().is_some_and(|now| now > before))
    }

    /// Since the start: the detector's time.
    pub fn age(&self) -> Duration {
        self.spawned.elapsed()
    }
}

async fn next_chunk(output_rx: &mut Option<mpsc::Receiver<Bytes>>) -> Option<Bytes> {
    match output_rx {
        Some(output_rx) => output_rx.recv().await,
        None => std::future::pending().await,
    }
}

/// The places that a profile's templates may name.
fn place(launch: &Launch, context: &SessionContext) -> Place {
    let home = launch.env.get("HOME").map_or_else(|| Path::new("/").into(), |home| home.expose().into());
    Place {
        home,
        agent_dir: context.dir.join("own"),
        host_binary: context.binary.clone(),
        is_root: rustix::process::geteuid().is_root(),
    }
}

/// Whether the CLI is installed where the agent would find it.
fn find_program(launch: &Launch, command: &Command) -> Result<(), Problem> {
    let path = command.env.get("PATH").map_or("", |path| path.expose());
    if on_path(&command.program, path).is_some() {
        return Ok(());
    }
    let install = launch.profile.install();
    let (program, title) = (&command.program, &launch.profile.title);
    let place = launch.image.as_ref().map_or_else(String::new, |image| format!(" in the image `{image}`"));
    let detail = format!("`{program}` ({title}) is not on the PATH of the agent{place}; {install}");
    Err(Problem::new(Code::CliNotFound, detail.trim_end_matches(['\n', ' ', ';']))
        .with("program", program.as_str())
        .with("install", install))
}

/// Writes a file of the agent's own, for its user's eyes only.
fn prepare(file: &PreparedFile) -> std::io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
    if file.keep && file.path.exists() {
        return Ok(());
    }
    if let Some(parent) = file.path.parent() {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
    }
    let mut options = std::fs::File::options();
    options.write(true).create(true).truncate(true).mode(file.mode);
    options.open(&file.path)?.write_all(file.contents.expose().as_bytes())
}
