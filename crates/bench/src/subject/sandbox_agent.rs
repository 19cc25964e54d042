//! sandbox-agent, a server that runs processes of a sandbox: npm's `@sandbox-agent/cli`.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

use super::Shell;
use crate::process;
use crate::viewer::{Frames, Place};

/// How often it is asked whether it listens, 20 ms apart.
const TRIES: usize = 500;

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
        // Free now, and most likely still in a moment: it cannot be told to choose one.
        let port = TcpListener::bind("127.0.0.1:0").await?.local_addr()?.port();
        let child = Command::new(program)
            .args(["server", "--no-token", "--no-telemetry", "--port", &port.to_string()])
            .env("HOME", home)
            .current_dir(home)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| program.display().to_string())?;
        let address = format!("127.0.0.1:{port}");
        for _ in 0..TRIES {
            if TcpStream::connect(&address).await.is_ok() {
                return Ok(Self { child, address });
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        bail!("sandbox-agent does not listen");
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
        self.call("POST", &format!("/v1/processes/{id}/kill"), Some(&json!({}))).await.map(drop)
    }

    async fn call(&self, method: &str, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let mut stream = TcpStream::connect(&self.address).await?;
        let request = format!(
            "{method} {path} HTTP/1.0\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let (_, body) = answer.split_once("\r\n\r\n").context("an answer of HTTP")?;
        serde_json::from_str(body).with_context(|| answer.clone())
    }
}
