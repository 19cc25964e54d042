//! One run of the agent's program: its terminal, its detector and its session file.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parallax_api::agent::EnvValue;
use parallax_api::{Code, Problem, TerminalSize};
use parallax_profile::program::on_path;
use parallax_profile::{Command, Conversation, Detector, Launch, PreparedFile, Profile, TemplateContext};
use tokio::sync::oneshot;

use super::context::SessionContext;
use super::exec_limits;
use crate::hook::{AGENT_ID, HOST_SOCKET};
use crate::os::out_of_memory_kills;
use crate::reaper::ProcessExit;
use crate::regular_file;
use crate::session_file::{SessionFile, SessionFileRead};
use crate::terminal::{Printed, Terminal};

/// The agent's program on its terminal.
pub struct AgentProcess {
    /// Its terminal.
    pub terminal: Terminal,
    /// Concludes the program's state from its output and reports.
    pub detector: Detector,
    session_file: Option<SessionFile>,
    /// When the program was started: the detector's zero.
    pub spawned: Instant,
    /// When and how the program ended; its terminal may still hold output.
    pub ended: Option<(Instant, ProcessExit)>,
    /// The container's count of out-of-memory kills at the start of the last turn.
    oom_kills: Option<u64>,
    ended_rx: oneshot::Receiver<ProcessExit>,
}

/// An event of the program.
pub enum ProcessEvent {
    /// The program printed.
    Output(Printed),
    /// The last process that held the terminal has closed it.
    OutputEnded,
    /// The program ended.
    Exited(ProcessExit),
    /// Its session file may have grown.
    Recorded,
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
        let (program, command) = resolve(launch, conversation, context)?;
        for file in &command.files {
            prepare(file).map_err(|error| {
                Problem::new(
                    Code::SpawnFailed,
                    format!("{} could not be written: {error}", file.path.display()),
                )
            })?;
        }
        let (Conversation::New { id } | Conversation::Resume { id }) = conversation;
        let session_file = command.record.clone().map(|source| SessionFile::follow(source, id));
        let oom_kills = context.in_container.then(out_of_memory_kills).flatten();
        let terminal = Terminal::spawn(&program, &command, &launch.workdir, size)?;
        let mut detector = Detector::new(profile.clone());
        if session_file.is_some() {
            detector.follow_record();
        }
        if let Some(seconds) = launch.stall_seconds {
            detector.set_stall_after(Duration::from_secs(seconds));
        }
        Ok(Self {
            ended_rx: context.reaper.ended(terminal.pid()),
            terminal,
            detector,
            session_file,
            spawned: Instant::now(),
            ended: None,
            oom_kills,
        })
    }

    /// Whether the program could be started like this. Fails as [`Self::spawn`] would.
    pub fn check(
        launch: &Launch,
        conversation: &Conversation,
        context: &SessionContext,
    ) -> Result<(), Problem> {
        let (_, command) = resolve(launch, conversation, context)?;
        let bytes: usize = command.files.iter().map(|file| file.contents.expose().len()).sum();
        has_room(&context.dir, bytes).map_err(|error| {
            Problem::new(Code::SpawnFailed, format!("the agent's files could not be written: {error}"))
        })
    }

    /// The next event, of output only while `reads`. Cancel-safe. Pending for ever once the program has ended and its
    /// output is complete.
    pub async fn next(&mut self, reads: bool) -> ProcessEvent {
        let ended = self.ended.is_some();
        tokio::select! {
            chunk = self.terminal.next(reads) => {
                chunk.map_or(ProcessEvent::OutputEnded, ProcessEvent::Output)
            }
            end = &mut self.ended_rx, if !ended => {
                // The reaper outlives every process.
                let end = end.unwrap_or(ProcessExit { code: None, signal: None });
                self.ended = Some((Instant::now(), end));
                ProcessEvent::Exited(end)
            }
            () = grown(self.session_file.as_mut()) => ProcessEvent::Recorded,
        }
    }

    /// Whether the end of output was reached.
    pub fn is_silent(&self) -> bool {
        self.terminal.is_silent()
    }

    /// A turn begins: earlier kills by the kernel have not ended the program.
    pub fn begins_turn(&mut self) {
        self.oom_kills = self.oom_kills.and_then(|_| out_of_memory_kills());
    }

    /// Whether the kernel killed a process for want of memory since the last turn began.
    pub fn ran_out_of_memory(&self) -> bool {
        self.oom_kills.is_some_and(|before| out_of_memory_kills().is_some_and(|now| now > before))
    }

    /// The CLI reports that its conversation has this id.
    pub fn follow_conversation(&mut self, id: &str) {
        if let Some(file) = &mut self.session_file {
            file.follow_conversation(id);
        }
    }

    /// Since the start: the detector's time.
    pub fn age(&self) -> Duration {
        self.spawned.elapsed()
    }

    /// As if it had been started earlier.
    #[cfg(test)]
    pub fn is_older_by(&mut self, time: Duration) {
        self.spawned -= time;
    }

    /// When the session file is polled next, while the agent is `busy` or not.
    pub fn session_file_deadline(&self, busy: bool) -> Option<Instant> {
        self.session_file.as_ref().and_then(|file| file.deadline(busy))
    }

    /// What is new in the session file, when a poll is due. While the agent is `busy` polls are frequent.
    pub fn read_session_file(&mut self, busy: bool, now: Instant) -> Option<SessionFileRead> {
        self.session_file.as_mut().and_then(|file| file.step(busy, now))
    }

    /// The session file is about to grow.
    pub fn poll_session_file_soon(&mut self, now: Instant) {
        if let Some(file) = &mut self.session_file {
            file.poll_soon(now);
        }
    }
}

async fn grown(file: Option<&mut SessionFile>) {
    match file {
        Some(file) => file.grown().await,
        None => std::future::pending().await,
    }
}

/// The command to run, its whole environment included, and where its program is.
pub(super) fn resolve(
    launch: &Launch,
    conversation: &Conversation,
    context: &SessionContext,
) -> Result<(PathBuf, Command), Problem> {
    if !launch.workdir.is_dir() {
        let detail = format!("{} is not a directory; create it or name another", launch.workdir.display());
        return Err(Problem::new(Code::WorkdirNotFound, detail).with("field", "workdir"));
    }
    let mut command = launch.command(&template_context(launch, context), conversation)?;
    let program = find_program(launch, &command)?;
    command.env.entry("TERM".into()).or_insert_with(|| EnvValue::from("xterm-256color"));
    command.env.entry("COLORTERM".into()).or_insert_with(|| EnvValue::from("truecolor"));
    command.env.insert(AGENT_ID.into(), EnvValue::from(launch.agent.id.as_str()));
    command.env.insert(HOST_SOCKET.into(), EnvValue::from(context.socket.to_string_lossy().into_owned()));
    exec_limits::check(&command)?;
    Ok((program, command))
}

/// Whether a file of so many bytes can be written in `dir`.
fn has_room(dir: &Path, bytes: usize) -> std::io::Result<()> {
    let probe = dir.join("room");
    let written = regular_file::write(&probe, &vec![b' '; bytes + 1]);
    std::fs::remove_file(&probe).and(written)
}

/// The values that a profile's templates may name.
pub(super) fn template_context(launch: &Launch, context: &SessionContext) -> TemplateContext {
    let home = launch.env.get("HOME").map_or_else(|| Path::new("/").into(), |home| home.expose().into());
    TemplateContext {
        home,
        agent_dir: context.dir.join("own"),
        host_binary: context.binary.clone(),
        is_root: rustix::process::geteuid().is_root(),
    }
}

/// The CLI's program, where the agent would find it. Fails with `CLI_NOT_FOUND`.
fn find_program(launch: &Launch, command: &Command) -> Result<PathBuf, Problem> {
    let path = command.env.get("PATH").map_or("", |path| path.expose());
    if let Some(program) = on_path(&command.program, path) {
        return Ok(program);
    }
    let install = launch.profile.install();
    let (program, title) = (&command.program, &launch.profile.title);
    let image = launch.image.as_ref().map_or_else(String::new, |image| format!(" in the image `{image}`"));
    let detail = format!("`{program}` ({title}) is not on the PATH of the agent{image}; {install}");
    Err(Problem::new(Code::CliNotFound, detail.trim_end_matches(['\n', ' ', ';']))
        .with("program", program.as_str())
        .with("install", install))
}

/// Writes a file of the agent's own, readable by its user only.
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
    regular_file::open(&mut options, &file.path)?.write_all(file.contents.expose().as_bytes())
}
