//! ttyd, which shares a command over the web: each viewer has a process of its own.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

use super::Shell;
use crate::viewer::{Frames, Place};

/// How often it is asked whether it listens, 20 ms apart.
const TRIES: usize = 500;

/// The running server.
pub(crate) struct Ttyd {
    child: Child,
    address: String,
}

impl Ttyd {
    pub(super) async fn start(program: &Path, home: &Path) -> anyhow::Result<Self> {
        // Free now, and most likely still in a moment: what it chooses itself it only logs.
        let port = TcpListener::bind("127.0.0.1:0").await?.local_addr()?.port();
        let child = Command::new(program)
            .args(["--interface", "127.0.0.1", "--port", &port.to_string(), "--writable"])
            .args(["bash", "--norc", "--noprofile", "-i"])
            .env("HOME", home)
            .env("PS1", "$ ")
            .env("HISTFILE", "/dev/null")
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
        bail!("ttyd does not listen");
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id().unwrap_or_default()
    }

    /// Begins with its viewer.
    pub(super) fn shell(&self) -> Shell {
        let place = Place { address: self.address.clone(), path: "/ws".into(), frames: Frames::Ttyd };
        Shell { id: String::new(), place }
    }
}
