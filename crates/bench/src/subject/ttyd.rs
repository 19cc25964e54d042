//! ttyd, which shares a command over the web: each viewer has a process of its own.

use std::path::Path;

use tokio::process::Child;

use super::{Shell, peer};
use crate::viewer::{Frames, Place};

/// The running server.
pub(crate) struct Ttyd {
    child: Child,
    address: String,
}

impl Ttyd {
    pub(super) async fn start(program: &Path, home: &Path) -> anyhow::Result<Self> {
        let (child, address) = peer::start(program, home, |command, port| {
            command
                .args(["--interface", "127.0.0.1", "--port", &port.to_string(), "--writable"])
                .args(["bash", "--norc", "--noprofile", "-i"])
                .env("PS1", "$ ")
                .env("HISTFILE", "/dev/null");
        })
        .await?;
        Ok(Self { child, address })
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
