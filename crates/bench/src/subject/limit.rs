//! The bare limit: what a PTY, two threads and a WebSocket cost when nothing else is done.

use std::io::{Read, Write};
use std::process::Stdio;

use anyhow::Context;
use clap::Args;
use futures::{SinkExt, StreamExt};
use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio_tungstenite::accept_async_with_config;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use super::Shell;
use crate::viewer::{Frames, Place};

/// Bytes read at once.
const READ: usize = 64 * 1024;
/// Chunks on their way.
const CHUNKS: usize = 8;

/// The server, as a process of its own so that its CPU can be counted.
pub(crate) struct Server {
    child: Child,
    address: String,
}

impl Server {
    pub(super) async fn start() -> anyhow::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("limit")
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let mut lines = BufReader::new(child.stdout.take().context("piped")?).lines();
        let address = lines.next_line().await?.context("it says where it listens")?;
        Ok(Self { child, address })
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id().unwrap_or_default()
    }

    /// Begins with its viewer.
    pub(super) fn shell(&self) -> Shell {
        let place = Place { address: self.address.clone(), path: "/".into(), frames: Frames::Plain };
        Shell { id: String::new(), place }
    }
}

/// Serves shells until it is ended, each with one viewer
#[derive(Args)]
pub(crate) struct Limit {}

impl Limit {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?);
        loop {
            let (stream, _) = listener.accept().await?;
            // A viewer that leaves is no failure.
            tokio::spawn(async move { drop(serve(stream).await) });
        }
    }
}

async fn serve(stream: TcpStream) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let config = WebSocketConfig::default().read_buffer_size(4096);
    let (mut sink, mut source) = accept_async_with_config(stream, Some(config)).await?.split();
    let size = PtySize { rows: 40, cols: 120, pixel_width: 0, pixel_height: 0 };
    let pair = native_pty_system().openpty(size)?;
    let mut command = CommandBuilder::new("bash");
    command.args(["--norc", "--noprofile", "-i"]);
    command.env("PS1", "$ ");
    command.env("HISTFILE", "/dev/null");
    let mut shell = pair.slave.spawn_command(command)?;
    drop(pair.slave);
    let (mut reader, mut writer) = (pair.master.try_clone_reader()?, pair.master.take_writer()?);
    let (output_tx, mut output_rx) = mpsc::channel::<Vec<u8>>(CHUNKS);
    let (input_tx, mut input_rx) = mpsc::channel::<bytes::Bytes>(CHUNKS);
    std::thread::spawn(move || {
        let mut buffer = vec![0; READ];
        while let Ok(n @ 1..) = reader.read(&mut buffer) {
            if output_tx.blocking_send(buffer[..n].to_vec()).is_err() {
                return;
            }
        }
    });
    std::thread::spawn(move || {
        while let Some(bytes) = input_rx.blocking_recv() {
            if writer.write_all(&bytes).is_err() {
                return;
            }
        }
    });
    let shown = async {
        while let Some(chunk) = output_rx.recv().await {
            if sink.send(Message::binary(chunk)).await.is_err() {
                return;
            }
        }
    };
    let typed = async {
        while let Some(Ok(frame)) = source.next().await {
            if let Message::Binary(bytes) = frame
                && input_tx.send(bytes).await.is_err()
            {
                return;
            }
        }
    };
    tokio::select! { () = shown => {}, () = typed => {} }
    shell.kill()?;
    tokio::task::spawn_blocking(move || shell.wait()).await??;
    Ok(())
}
