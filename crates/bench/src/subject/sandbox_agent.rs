//! sandbox-agent, a server that runs processes of a sandbox: npm's `@sandbox-agent/cli`.

use std::path::Path;

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::process::Child;

use super::{Shell, peer};
use crate::http;
use crate::process;
use crate::viewer::{Frames, Place};

/// The running server.
pub(crate) struct SandboxAgent {
    child: Child,
    address: String,
}

impl Drop for SandboxAgent {
    /// The server goes first: it would outlive the program of Node, which ends with it.
    fn drop(&mut self) {
        if let Some(pid) = Pid::from_raw(self.pid().cast_signed()) {
            // It may have ended by itself.
            let _ = kill_process(pid, Signal::TERM);
        }
    }
}

impl SandboxAgent {
    pub(super) async fn start(program: &Path, home: &Path) -> anyhow::Result<Self> {
        let (child, address) = peer::start(program, home, |command, port| {
            command.args(["server", "--no-token", "--no-telemetry", "--port", &port.to_string()]);
        })
        .await?;
        Ok(Self { child, address })
    }

    /// The server itself: npm's program is one of Node, which starts it and waits.
    pub(super) fn pid(&self) -> u32 {
        let started = self.child.id().unwrap_or_default();
        process::child_of(started).unwrap_or(started)
    }

    pub(super) async fn shell(&self) -> anyhow::Result<Shell> {
        let body = json!({"command": "bash", "args": ["--norc", "--noprofile", "-i"], "tty": true, "interactive": true,
            "env": {"PS1": "$ ", "HISTFILE": "/dev/null"}});
        let started = self.call("POST", "/v1/processes", Some(&body)).await?;
        let id = started["id"].as_str().with_context(|| started.to_string())?.to_owned();
        let path = format!("/v1/processes/{id}/terminal/ws");
        Ok(Shell { id, place: Place { address: self.address.clone(), path, frames: Frames::Json } })
    }

    pub(super) async fn end(&self, id: &str) -> anyhow::Result<()> {
        // It may have ended by itself.
        drop(self.call("POST", &format!("/v1/processes/{id}/kill"), Some(&json!({}))).await);
        Ok(())
    }

    async fn call(&self, method: &str, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        http::call(&self.address, method, path, body).await
    }
}
