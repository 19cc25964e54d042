//! CLI Agent Orchestrator (PyPI's `cli-agent-orchestrator`): a server with a tmux session for each agent. It has no terminal over a
//! socket, so only starts of it are measured.
//!
//! Its agent is the one that it has for tests (`mock_cli`): a program that is expected on the PATH, which its login shells
//! take from their profile.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::Value;
use tokio::process::{Child, Command};

use super::peer;
use crate::http;

/// What it expects of its agent: a prompt, and an answer to each line.
const AGENT: &str = "#!/bin/bash\nwhile printf '❯ '; read -r line; do echo \"> MOCK: $line\"; done\n";
/// Sessions that are started at once.
const AT_ONCE: usize = 5;

/// The running server.
pub(crate) struct Cao {
    child: Child,
    address: String,
}

/// The tmux server in this directory, which outlives CAO's.
struct Tmux(PathBuf);

impl Drop for Tmux {
    fn drop(&mut self) {
        // There may be none.
        let _ = std::process::Command::new("tmux").arg("kill-server").env("TMUX_TMPDIR", &self.0).output();
    }
}

impl Cao {
    /// The head of its column.
    pub(crate) const NAME: &'static str = "CAO";

    /// Starts it.
    pub(crate) async fn start(program: &Path, home: &Path) -> anyhow::Result<Self> {
        let (child, address) =
            peer::start(program, home, |command, port| prepare(command, home, port)).await?;
        Ok(Self { child, address })
    }

    /// Python's process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id().unwrap_or_default()
    }

    /// From the start of the program to all its sessions after `kill -9`, as it lists them.
    pub(crate) async fn back(program: &Path, home: &Path, agents: usize) -> anyhow::Result<Duration> {
        let (bin, work) = (home.join("bin"), home.join("work"));
        std::fs::create_dir_all(&bin)?;
        std::fs::create_dir_all(&work)?;
        std::fs::write(home.join(".profile"), format!("PATH={}:$PATH\n", bin.display()))?;
        std::fs::write(bin.join("mock_cli"), AGENT)?;
        std::fs::set_permissions(bin.join("mock_cli"), PermissionsExt::from_mode(0o755))?;
        let tmux = Tmux(home.to_owned());
        let mut cao = Self::start(program, home).await?;
        let path = format!(
            "/sessions?provider=mock_cli&agent_profile=developer&working_directory={}",
            work.display()
        );
        let starts = (0..agents).map(|_| http::call(&cao.address, "POST", &path, None));
        stream::iter(starts)
            .buffer_unordered(AT_ONCE)
            .try_collect::<Vec<Value>>()
            .await
            .context("sessions")?;
        cao.child.kill().await?;
        let began = Instant::now();
        let cao = Self::start(program, home).await?;
        while cao.sessions().await? < agents {
            tokio::task::yield_now().await;
        }
        let took = began.elapsed();
        drop((cao, tmux));
        Ok(took)
    }

    async fn sessions(&self) -> anyhow::Result<usize> {
        let sessions = http::call(&self.address, "GET", "/sessions", None).await?;
        Ok(sessions.as_array().context("a list")?.len())
    }
}

fn prepare(command: &mut Command, home: &Path, port: u16) {
    command
        .args(["--host", "127.0.0.1", "--port", &port.to_string()])
        .env("TMUX_TMPDIR", home)
        .env("LANG", "C.UTF-8")
        // Not a client of a tmux in which this is run.
        .env_remove("TMUX");
}
