//! Starting the server of a peer, which cannot be told to choose its port and to say which.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

/// How often it is asked whether it listens, and how far apart: close, its start is measured.
const TRIES: usize = 20_000;
const PAUSE: Duration = Duration::from_millis(1);

/// Starts `program` in `home`, as `prepared` for a port that is free, and returns it with its address once it listens there.
pub(super) async fn start(
    program: &Path,
    home: &Path,
    prepared: impl FnOnce(&mut Command, u16),
) -> anyhow::Result<(Child, String)> {
    // Free now, and most likely still in a moment.
    let port = TcpListener::bind("127.0.0.1:0").await?.local_addr()?.port();
    let mut command = Command::new(program);
    command
        .env("HOME", home)
        .current_dir(home)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    prepared(&mut command, port);
    let child = command.spawn().with_context(|| program.display().to_string())?;
    let address = format!("127.0.0.1:{port}");
    for _ in 0..TRIES {
        if TcpStream::connect(&address).await.is_ok() {
            return Ok((child, address));
        }
        tokio::time::sleep(PAUSE).await;
    }
    bail!("`{}` does not listen", program.display());
}
