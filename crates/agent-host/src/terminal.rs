//! The agent's terminal: a PTY, the process on it, and two threads that read and write it.
//!
//! Reading and writing never wait for each other: the reader hands on chunks over a bounded channel, the writer takes
//! from a bounded one, and the session's loop waits for neither. Exits are reported by [`crate::reaper`].

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use parallax_api::{Code, Problem, TerminalSize};
use parallax_profile::Command;
use portable_pty::{CommandBuilder, MasterPty, PtySize, native_pty_system};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

/// Bytes read from the PTY at once.
const CHUNK: usize = 64 * 1024;
/// Chunks that may wait for the session. When it is full the program waits, as it would for any slow terminal.
const OUTPUT_CHUNKS: usize = 8;
/// Writes that may wait for the program to read. When it is full input is refused.
const INPUT_WRITES: usize = 1024;
/// Bytes that may wait for the program to read (a message has at most 1 MiB). Beyond it input is refused.
const INPUT_BYTES: u64 = 8 * 1024 * 1024;

/// A program on a PTY. Dropping it closes the terminal; the process is ended by [`crate::process_tree`], not here.
pub struct Terminal {
    master: Box<dyn MasterPty + Send>,
    input_tx: mpsc::Sender<Input>,
    counters: Arc<Counters>,
    pid: u32,
}

/// Bytes for the program, and who wants to know that its terminal has taken them.
struct Input {
    bytes: Bytes,
    taken: Option<oneshot::Sender<Result<(), Problem>>>,
}

#[derive(Default)]
struct Counters {
    queued: AtomicU64,
    written: AtomicU64,
}

impl Terminal {
    /// Starts `command` on a new PTY. Answers the terminal and what the program prints; the channel closes at the end
    /// of output. Fails with `SPAWN_FAILED` or `CLI_NOT_FOUND`.
    pub fn spawn(
        command: &Command,
        workdir: &std::path::Path,
        size: TerminalSize,
    ) -> Result<(Self, mpsc::Receiver<Bytes>), Problem> {
        let failed = |error: anyhow::Error| Problem::new(Code::SpawnFailed, format!("{error:#}"));
        let pair = native_pty_system().openpty(pty_size(size)).map_err(failed)?;
        let mut builder = CommandBuilder::new(&command.program);
        builder.args(&command.args);
        builder.cwd(workdir);
        builder.env_clear();
        for (key, value) in &command.env {
            builder.env(key, value.expose());
        }
        let child = pair.slave.spawn_command(builder).map_err(failed)?;
        let pid = child.process_id().expect("a Unix child has a process id");
        // Only the child may hold the slave: the end of output is seen when the last holder is gone.
        drop(pair.slave);

        let reader = pair.master.try_clone_reader().map_err(failed)?;
        let writer = pair.master.take_writer().map_err(failed)?;
        let (output_tx, output_rx) = mpsc::channel(OUTPUT_CHUNKS);
        let (input_tx, input_rx) = mpsc::channel(INPUT_WRITES);
        let counters = Arc::new(Counters::default());
        thread("terminal-read", move || read_all(reader, &output_tx)).map_err(failed)?;
        let written = counters.clone();
        thread("terminal-write", move || write_all(writer, input_rx, &written)).map_err(failed)?;
        Ok((Self { master: pair.master, input_tx, counters, pid }, output_rx))
    }

    /// The process id of the program, which leads its own session and process group.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Hands `bytes` to the writer; never waits. Answers the input offset that is reached when the program's terminal
    /// has taken them all. Fails with `RESOURCE_LIMIT` when the program has not read for too long.
    pub fn write(&self, bytes: impl Into<Bytes>) -> Result<u64, Problem> {
        self.queue(Input { bytes: bytes.into(), taken: None }).map_err(|_| unread())
    }

    /// The same, and `taken` hears of it: when the program's terminal has taken them, or that it does not.
    pub fn type_through(&self, bytes: Bytes, taken: oneshot::Sender<Result<(), Problem>>) {
        if let Err(Input { taken: Some(taken), .. }) = self.queue(Input { bytes, taken: Some(taken) })
            && !self.input_tx.is_closed()
        {
            // Who left does not want to know.
            drop(taken.send(Err(unread())));
        }
    }

    fn queue(&self, input: Input) -> Result<u64, Input> {
        let len = input.bytes.len() as u64;
        let waiting = self.counters.queued.load(Ordering::Acquire) - self.written();
        if waiting + len > INPUT_BYTES {
            return Err(input);
        }
        self.input_tx.try_send(input).map_err(TrySendError::into_inner)?;
        Ok(self.counters.queued.fetch_add(len, Ordering::AcqRel) + len)
    }

    /// Bytes that the terminal has taken so far.
    pub fn written(&self) -> u64 {
        self.counters.written.load(Ordering::Acquire)
    }

    /// Tells the program its terminal's new size.
    pub fn resize(&self, size: TerminalSize) -> Result<(), Problem> {
        self.master.resize(pty_size(size)).map_err(Problem::internal)
    }

    /// The process group in the foreground of the terminal, which a key like Ctrl-C would reach.
    pub fn foreground(&self) -> Option<u32> {
        self.master.process_group_leader().and_then(|pid| u32::try_from(pid).ok())
    }
}

fn pty_size(size: TerminalSize) -> PtySize {
    PtySize { rows: size.rows, cols: size.cols, pixel_width: 0, pixel_height: 0 }
}

fn thread(name: &str, body: impl FnOnce() + Send + 'static) -> anyhow::Result<()> {
    std::thread::Builder::new().name(name.into()).spawn(body)?;
    Ok(())
}

fn read_all(mut reader: Box<dyn Read + Send>, output_tx: &mpsc::Sender<Bytes>) {
    let mut buffer = vec![0; CHUNK];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return,
            Ok(n) => {
                if output_tx.blocking_send(Bytes::copy_from_slice(&buffer[..n])).is_err() {
                    return;
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

fn write_all(mut writer: Box<dyn Write + Send>, mut input_rx: mpsc::Receiver<Input>, counters: &Counters) {
    while let Some(Input { bytes, taken }) = input_rx.blocking_recv() {
        // A write fails only when the terminal is gone: nothing reads the rest.
        let gone = writer.write_all(&bytes).and_then(|()| writer.flush()).is_err();
        counters.written.fetch_add(bytes.len() as u64, Ordering::AcqRel);
        if gone {
            return;
        }
        if let Some(taken) = taken {
            // Who left does not want to know.
            drop(taken.send(Ok(())));
        }
    }
}

fn unread() -> Problem {
    let detail = "the program does not read its input; interrupt or stop it, or try again later";
    Problem::new(Code::ResourceLimit, detail)
}
