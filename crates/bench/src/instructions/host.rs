//! One agent's host, without a server: started and asked as a runtime server does it.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, bail};
use parallax_api::host::{HostSend, HostStarted};
use parallax_api::{SendRequest, Time};
use parallax_profile::{Launch, Profiles};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};

use crate::http;
use crate::viewer::{Frames, Place};

/// A host with a shell. Both end with it: the terminal of the shell goes.
pub(super) struct Host {
    child: Child,
    socket: String,
    messages: usize,
}

impl Host {
    /// Starts the program, or one that runs it, with an agent of the type `shell` in `home`.
    pub(super) async fn start(mut program: Command, home: &Path) -> anyhow::Result<Self> {
        let (dir, profiles, workdir) = (home.join("agent"), home.join("profiles"), home.join("work"));
        for made in [&dir, &profiles, &workdir] {
            std::fs::create_dir_all(made)?;
        }
        let shell = include_str!("../../../../examples/profiles/shell.toml");
        std::fs::write(profiles.join("shell.toml"), shell)?;
        let profile = Profiles::with_more(Some(&profiles))?.get("shell").context("it is there")?;
        let agent = json!({
            "id": "counted", "name": "counted", "type": "shell", "status": "starting", "runtime": "none",
            "createdAt": Time::from_millis(0), "updatedAt": Time::from_millis(0), "workdir": workdir,
        });
        let mut launch = Launch::new(serde_json::from_value(agent)?, (*profile).clone(), workdir);
        for (name, value) in [("PATH", std::env::var("PATH")?), ("HOME", home.display().to_string())] {
            launch.env.insert(name.into(), value.into());
        }
        let mut child = program
            .args(["serve", "--dir"])
            .arg(&dir)
            .env_clear()
            .env("PATH", std::env::var("PATH")?)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("parallax-agent-host")?;
        let mut stdin = child.stdin.take().context("piped")?;
        stdin.write_all(format!("{}\n", serde_json::to_string(&launch)?).as_bytes()).await?;
        drop(stdin);
        let mut lines = BufReader::new(child.stdout.take().context("piped")?).lines();
        let line = lines.next_line().await?.context("the host ended before it said how its start went")?;
        if let HostStarted::Failed(problem) = serde_json::from_str(&line)? {
            bail!("{problem}");
        }
        let socket = dir.join("host.sock").display().to_string();
        Ok(Self { child, socket, messages: 0 })
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id().unwrap_or_default()
    }

    /// Its terminal.
    pub(super) fn place(&self) -> Place {
        Place { address: self.socket.clone(), path: "/terminal".into(), frames: Frames::Plain }
    }

    /// A message, and its answer.
    pub(super) async fn send(&mut self, request: SendRequest) -> anyhow::Result<Value> {
        self.messages += 1;
        let send = HostSend { message_id: format!("message-{}", self.messages), request };
        http::call(&self.socket, "POST", "/send", Some(&serde_json::to_value(&send)?)).await
    }
}
