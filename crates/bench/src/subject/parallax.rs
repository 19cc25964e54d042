//! `parallax up`: our control plane and a local runtime in one process, with a host beside each agent.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::Context;
use futures::{StreamExt, TryStreamExt, stream};
use parallax_api::agent::StopRequest;
use parallax_api::client::Client;
use parallax_api::{AgentId, SpawnRequest};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::Shell;
use crate::viewer::{Frames, Place};

/// The agents that a runtime takes here.
const MAX_AGENTS: &str = "2000";

/// Agents that are started or ended at once.
const AT_ONCE: usize = 16;

/// How long the servers may take to end their agents.
const ENDING: Duration = Duration::from_secs(30);

/// The running servers.
pub(crate) struct Stack {
    child: Child,
    workdir: String,
    pub(crate) runtime: Client,
    pub(crate) control_plane: Client,
}

impl Stack {
    pub(crate) async fn start(programs: &Path, home: &Path) -> anyhow::Result<Self> {
        Self::launch(Command::new(programs.join("parallax")), home).await
    }

    /// As [`Stack::start`]: the program, or one that runs it.
    pub(crate) async fn launch(mut program: Command, home: &Path) -> anyhow::Result<Self> {
        let (profiles, workdir) = (home.join("profiles"), home.join("work"));
        std::fs::create_dir_all(&profiles)?;
        std::fs::create_dir_all(&workdir)?;
        std::fs::write(
            profiles.join("shell.toml"),
            include_str!("../../../../examples/profiles/shell.toml"),
        )?;
        let mut child = program
            .args(["up", "--listen", "127.0.0.1:0", "--runtime-listen", "127.0.0.1:0", "--json"])
            .args(["--max-agents", MAX_AGENTS])
            .arg("--state-dir")
            .arg(home.join("state"))
            .arg("--profiles")
            .arg(&profiles)
            .arg("--allow-workdir")
            .arg(home)
            .env_clear()
            .env("PATH", std::env::var("PATH")?)
            .env("HOME", home)
            .env("LANG", "C.UTF-8")
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("{}", program.as_std().get_program().display()))?;
        let mut lines = BufReader::new(child.stdout.take().context("piped")?).lines();
        let told: Value = serde_json::from_str(&lines.next_line().await?.context("it says where it is")?)?;
        let url = |name: &str| told[name].as_str().context("an address").map(str::to_owned);
        Ok(Self {
            child,
            workdir: workdir.to_string_lossy().into_owned(),
            runtime: Client::runtime(&url("runtimeUrl")?, None)?,
            control_plane: Client::control_plane(&url("url")?, None)?,
        })
    }

    /// Ends the servers at once; the agents go on.
    pub(crate) async fn kill(mut self) -> anyhow::Result<()> {
        Ok(self.child.kill().await?)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id().unwrap_or_default()
    }

    pub(crate) fn client(&self, control_plane: bool) -> &Client {
        if control_plane { &self.control_plane } else { &self.runtime }
    }

    /// Where one of the two servers is, as `HOST:PORT`.
    pub(crate) fn address(&self, control_plane: bool) -> &str {
        self.client(control_plane).url().trim_start_matches("http://").trim_end_matches('/')
    }

    /// A shell, asked for and watched at one of the two servers.
    pub(crate) async fn shell(&self, control_plane: bool) -> anyhow::Result<Shell> {
        let client = self.client(control_plane);
        let agent = client
            .spawn(&SpawnRequest {
                name: "measured".into(),
                r#type: "shell".into(),
                workdir: Some(self.workdir.clone()),
                ..SpawnRequest::default()
            })
            .await?;
        let id = agent.id.to_string();
        let path = if control_plane {
            format!("/api/managed-agents/{id}/terminal")
        } else {
            format!("/ws/agents/{id}/terminal")
        };
        let address = self.address(control_plane).to_owned();
        Ok(Shell { id, place: Place { address, path, frames: Frames::Plain } })
    }

    /// So many of them, some at once.
    pub(crate) async fn shells(&self, control_plane: bool, count: usize) -> anyhow::Result<Vec<Shell>> {
        let starts = stream::iter(0..count).map(|_| self.shell(control_plane));
        starts.buffer_unordered(AT_ONCE).try_collect().await
    }

    pub(crate) async fn end_all(&self, shells: &[Shell]) -> anyhow::Result<()> {
        let ends = stream::iter(shells).map(|shell| self.end(&shell.id));
        ends.buffer_unordered(AT_ONCE).try_collect().await
    }

    pub(crate) async fn end(&self, id: &str) -> anyhow::Result<()> {
        let (id, stop): (AgentId, _) = (id.parse()?, StopRequest { force: true, ..StopRequest::default() });
        // On a busy machine a connection may be too slow for the server. To be gone already is success.
        if self.runtime.stop(&id, &stop).await.is_err() {
            self.runtime.stop(&id, &stop).await?;
        }
        Ok(())
    }
}

impl Drop for Stack {
    /// Ends agents and servers.
    fn drop(&mut self) {
        let Some(pid) = self.child.id().and_then(|pid| Pid::from_raw(pid.cast_signed())) else { return };
        // It may have ended by itself.
        let _ = kill_process(pid, Signal::INT);
        let until = Instant::now() + ENDING;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
