//! The clone that an agent works in, where the agent has a file system of its own: made before the agent starts, asked about
//! later.
//!
//! Git runs in a [`program`] of its own, as the agent's user: its children are not the host's, whose one thread waits for all of
//! them. What it says is as trustworthy as the agent: whoever asks checks it.

pub mod intake;
pub mod program;

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use parallax_api::host::WorkspaceCall;
use parallax_api::{Code, Problem};
use parallax_profile::Checkout;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::sync::Semaphore;

use crate::reaper::{ProcessExit, Reaper};

/// Calls at the same time; the others wait.
const AT_ONCE: usize = 4;
/// What a call may take beyond the time that the program gives itself.
const MARGIN: Duration = Duration::from_secs(10);
/// The longest refusal that is read, in bytes.
const MAX_REFUSAL: u64 = 4 * 1024 * 1024;

/// The clone of one agent. Cheap to clone.
#[derive(Clone)]
pub struct Workspace(Arc<Inner>);

struct Inner {
    checkout: Checkout,
    /// This program.
    binary: PathBuf,
    /// The host's directory, for what is handed over.
    dir: PathBuf,
    home: Option<String>,
    reaper: Reaper,
    turns: Semaphore,
}

impl Workspace {
    /// The clone at `checkout`, of an agent with this home. Does nothing yet.
    pub fn new(checkout: Checkout, binary: &Path, dir: &Path, home: Option<&str>, reaper: &Reaper) -> Self {
        Self(Arc::new(Inner {
            checkout,
            binary: binary.to_owned(),
            dir: dir.to_owned(),
            home: home.map(str::to_owned),
            reaper: reaper.clone(),
            turns: Semaphore::new(AT_ONCE),
        }))
    }

    /// Whether it is there: the agent ran here before.
    pub fn is_made(&self) -> bool {
        let Checkout { root, id } = &self.0.checkout;
        root.join(id.as_str()).is_dir()
    }

    /// A file without a name, for what is handed to the program or comes from it.
    pub(crate) fn file(&self) -> std::io::Result<File> {
        let path = self.0.dir.join(format!("workspace-{}", uuid::Uuid::new_v4()));
        let file = File::options().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
        std::fs::remove_file(path)?;
        Ok(file)
    }

    /// Makes it of the archive of a repository. Fails with `SPAWN_FAILED`.
    pub async fn make(&self, archive: File) -> Result<(), Problem> {
        self.run(true, archive).await.map(drop).map_err(|problem| {
            let why = format!("the workspace could not be made: {}", problem.detail);
            let field = problem.more.get("field").cloned().unwrap_or_else(|| "workspace".into());
            Problem::new(Code::SpawnFailed, why).with("field", field)
        })
    }

    /// Does something in it. The file is what the program said, from its beginning.
    pub async fn call(&self, call: &WorkspaceCall) -> Result<File, Problem> {
        let text = serde_json::to_vec(call).map_err(Problem::internal)?;
        let mut asked = self.file().map_err(Problem::internal)?;
        asked.write_all(&text).and_then(|()| asked.rewind()).map_err(Problem::internal)?;
        self.run(false, asked).await
    }

    async fn run(&self, makes: bool, input: File) -> Result<File, Problem> {
        let Inner { checkout, binary, home, reaper, turns, .. } = &*self.0;
        let _turn = turns.acquire().await.map_err(Problem::internal)?;
        let mut said = self.file().map_err(Problem::internal)?;
        let mut command = Command::new(binary);
        command.arg("workspace").arg("--root").arg(&checkout.root).arg("--id").arg(checkout.id.as_str());
        command.args(makes.then_some("--make")).current_dir("/").process_group(0);
        command.envs(home.as_ref().map(|home| ("HOME", home)));
        command.stdin(input).stdout(said.try_clone().map_err(Problem::internal)?).stderr(Stdio::null());
        // Its end comes by the reaper, which waits for every child.
        let pid = command.spawn().map_err(Problem::internal)?.id();
        let mut ended_rx = reaper.ended(pid);
        let mut running = Running(Some(pid));
        let limit = program::time_limit(makes) + MARGIN;
        let exit = tokio::time::timeout(limit, &mut ended_rx).await.map_err(|_| {
            Problem::new(Code::Timeout, format!("git took longer than {} seconds", limit.as_secs()))
        })?;
        running.0 = None;
        said.rewind().map_err(Problem::internal)?;
        match exit.map_err(Problem::internal)? {
            ProcessExit { code: Some(0), .. } => Ok(said),
            ProcessExit { code: Some(code), .. } if code == i32::from(program::REFUSED) => {
                let mut text = Vec::new();
                said.take(MAX_REFUSAL).read_to_end(&mut text).map_err(Problem::internal)?;
                Err(serde_json::from_slice(&text).unwrap_or_else(Problem::internal))
            }
            exit => Err(Problem::internal(format!("the program that runs git ended: {exit:?}"))),
        }
    }
}

/// Ends the program when nobody waits for it any longer.
struct Running(Option<u32>);

impl Drop for Running {
    fn drop(&mut self) {
        let pid = self.0.and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // It may have ended by itself.
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}
