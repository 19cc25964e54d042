//! The agent's terminal: a PTY and the process on it.
//!
//! The session's task reads and writes it itself, when the kernel says that it can, and never waits for the one to do the
//! other: what the program does not read yet waits in a bounded queue. Exits are reported by [`crate::reaper`].

mod rhythm;

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::{Buf as _, Bytes};
use parallax_api::{Code, Problem, TerminalSize};
use parallax_profile::Command;
use rustix::buffer::spare_capacity;
use rustix::io::Errno;
use rustix::termios::{tcgetpgrp, tcsetwinsize};
use tokio::io::Interest;
use tokio::io::unix::{AsyncFd, AsyncFdReadyGuard};
use tokio::sync::oneshot;

use crate::pty::{Pty, window};
use rhythm::Rhythm;

/// Bytes read from the PTY at once: what the kernel gives at most.
const READ: usize = 4096;
/// Much output is handed on in pieces of so many bytes, so that there is less to do for each; with one read more they still fit
/// into what the sockets of viewers hold at once.
const CHUNK: usize = 28 * 1024;
/// A piece that has taken so long is handed on as it is. A read waits for the kernel to pass on what the program wrote, which on a busy machine
/// takes milliseconds, and meanwhile nobody looks at what viewers type.
const PIECE_TIME: Duration = Duration::from_millis(1);
/// A read of fewer bytes ends a piece. It has emptied the PTY: whatever comes later, the reactor hears of, or the next look by the clock finds.
const FEW: usize = READ / 4;
/// Writes that may wait for the program to read. When it is full input is refused.
const INPUT_WRITES: usize = 1024;
/// Bytes that may wait for the program to read (a message has at most 1 MiB). Beyond it input is refused.
const INPUT_BYTES: u64 = 8 * 1024 * 1024;

/// A program on a PTY. Dropping it closes the terminal; the process is ended by [`crate::process_tree`], not here.
pub struct Terminal {
    /// Watched for output. `None` while it is looked at by the clock: the kernel would tell of each piece.
    pty: Option<AsyncFd<OwnedFd>>,
    /// The same, watched for room to write. It is watched apart: an event of both kinds would tell after every read that there is room still.
    room: AsyncFd<OwnedFd>,
    /// What the program has not read yet.
    input: VecDeque<Input>,
    queued: u64,
    written: u64,
    pid: u32,
    /// The last process that held the terminal has closed it: there is nothing to read any more.
    is_silent: bool,
    /// Nothing that is written is read any more.
    is_deaf: bool,
    rhythm: Rhythm,
}

/// What the program printed.
#[derive(Default)]
pub struct Printed {
    /// A piece of it.
    pub bytes: Bytes,
    /// Whether the next piece is there already, most probably.
    pub more: bool,
}

/// Bytes for the program, and who wants to know that its terminal has taken them.
struct Input {
    bytes: Bytes,
    taken: Option<oneshot::Sender<Result<(), Problem>>>,
}

impl Terminal {
    /// Starts `program` as `command` says on a new PTY. Fails with `SPAWN_FAILED`.
    pub fn spawn(
        program: &Path,
        command: &Command,
        workdir: &Path,
        size: TerminalSize,
    ) -> Result<Self, Problem> {
        let failed = |what: &str, error: io::Error| {
            Problem::new(Code::SpawnFailed, format!("{what} could not be started: {error}"))
        };
        let pty = Pty::open(size).map_err(|error| failed("a terminal", error))?;
        let pid = pty.start(program, command, workdir);
        let pid = pid.map_err(|error| failed(&program.display().to_string(), error))?;
        let watched = watch(pty.master, Interest::WRITABLE).and_then(|room| Ok((listen(&room)?, room)));
        let (pty, room) = watched.map_err(|error| failed("a terminal", error))?;
        Ok(Self {
            pty: Some(pty),
            room,
            input: VecDeque::new(),
            queued: 0,
            written: 0,
            pid,
            is_silent: false,
            is_deaf: false,
            rhythm: Rhythm::default(),
        })
    }

    /// The process id of the program, which leads its own session and process group.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// What the program prints next, if it is to be read; what waits for the program is written meanwhile. `None` once, at
    /// the end of output. Cancel-safe.
    pub async fn next(&mut self, reads: bool) -> Option<Printed> {
        loop {
            let (is_read, is_written) = (reads && !self.is_silent, !self.input.is_empty());
            if !is_read && !is_written {
                return std::future::pending().await;
            }
            let (mut reading, mut bytes) = (Reading::Emptied, Vec::new());
            let look_at = self.watch();
            tokio::select! {
                biased;
                Ok(mut guard) = self.room.writable(), if is_written => {
                    let room = guard.get_inner();
                    if write_input(room, &mut self.input, &mut self.written, &mut self.is_deaf) {
                        guard.clear_ready();
                    }
                }
                Ok(mut guard) = readable(self.pty.as_ref()), if is_read => {
                    reading = read_in(&mut self.rhythm, guard.get_inner(), &mut bytes);
                    if matches!(reading, Reading::Emptied) {
                        guard.clear_ready();
                    }
                }
                () = clock(look_at), if is_read && look_at.is_some() => {
                    reading = read_in(&mut self.rhythm, self.room.get_ref(), &mut bytes);
                }
                // The reactor is gone, and this process with it.
                else => return std::future::pending().await,
            }
            self.is_silent |= matches!(reading, Reading::Ended);
            if !bytes.is_empty() {
                return Some(Printed { bytes: bytes.into(), more: matches!(reading, Reading::More) });
            }
            if self.is_silent && reads {
                return None;
            }
        }
    }

    /// Has the reactor watch the PTY, or not, as the rhythm of the output wants it. Answers when it is to be looked at, where the clock says so.
    fn watch(&mut self) -> Option<Instant> {
        if self.rhythm.next_look().is_some() {
            self.pty = None;
        } else if self.pty.is_none() {
            self.pty = listen(&self.room).ok();
            if self.pty.is_none() {
                // Without a free descriptor the clock goes on.
                self.rhythm.without_reactor(Instant::now());
            }
        }
        self.rhythm.next_look()
    }

    /// Whether the end of output was reached.
    pub fn is_silent(&self) -> bool {
        self.is_silent
    }

    /// Writes `bytes` as far as the program's terminal takes them, and the rest later; never waits. Answers the input offset
    /// that is reached when it has taken them all. Fails with `RESOURCE_LIMIT` when the program has not read for too long.
    pub fn write(&mut self, bytes: impl Into<Bytes>) -> Result<u64, Problem> {
        self.queue(Input { bytes: bytes.into(), taken: None }).map_err(|_| unread())
    }

    /// The same, and `taken` hears of it: when the program's terminal has taken them, or that it does not.
    pub fn type_through(&mut self, bytes: Bytes, taken: oneshot::Sender<Result<(), Problem>>) {
        if let Err(Input { taken: Some(taken), .. }) = self.queue(Input { bytes, taken: Some(taken) })
            && !self.is_deaf
        {
            // Who left does not want to know.
            drop(taken.send(Err(unread())));
        }
    }

    fn queue(&mut self, input: Input) -> Result<u64, Input> {
        let len = input.bytes.len() as u64;
        let waiting = self.queued - self.written;
        if self.is_deaf || self.input.len() >= INPUT_WRITES || waiting + len > INPUT_BYTES {
            return Err(input);
        }
        self.queued += len;
        self.rhythm.written();
        let is_first = self.input.is_empty();
        self.input.push_back(input);
        if is_first {
            write_input(self.room.get_ref(), &mut self.input, &mut self.written, &mut self.is_deaf);
        }
        Ok(self.queued)
    }

    /// Bytes that the terminal has taken so far.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Tells the program its terminal's new size.
    pub fn resize(&self, size: TerminalSize) -> Result<(), Problem> {
        tcsetwinsize(self.room.get_ref(), window(size)).map_err(Problem::internal)
    }

    /// The process group in the foreground of the terminal, which a key like Ctrl-C would reach.
    pub fn foreground(&self) -> Option<u32> {
        let group = tcgetpgrp(self.room.get_ref()).ok()?;
        u32::try_from(group.as_raw_nonzero().get()).ok()
    }
}

/// Has the reactor watch the PTY.
fn watch(pty: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    rustix::io::ioctl_fionbio(&pty, true)?;
    // SAFETY: an owned descriptor stays the same one until it is dropped, and it is dropped with what is made here.
    #[expect(unsafe_code, reason = "no safe interface exists")]
    let watched = unsafe { AsyncFd::register_with_interest(pty, interest) };
    Ok(watched?)
}

/// Has the reactor watch the PTY for output, too.
fn listen(pty: &AsyncFd<OwnedFd>) -> io::Result<AsyncFd<OwnedFd>> {
    watch(pty.get_ref().try_clone()?, Interest::READABLE)
}

async fn readable(pty: Option<&AsyncFd<OwnedFd>>) -> io::Result<AsyncFdReadyGuard<'_, OwnedFd>> {
    match pty {
        Some(pty) => pty.readable().await,
        None => std::future::pending().await,
    }
}

async fn clock(at: Option<Instant>) {
    if let Some(at) = at {
        tokio::time::sleep_until(at.into()).await;
    }
}

/// Reads what there is now.
fn read_in(rhythm: &mut Rhythm, pty: &OwnedFd, bytes: &mut Vec<u8>) -> Reading {
    let now = Instant::now();
    let reading = read_some(pty, bytes, now + PIECE_TIME);
    rhythm.read(bytes.len(), now);
    reading
}

/// How a read of the PTY ended.
enum Reading {
    /// There may be more.
    More,
    /// There is nothing more at the moment.
    Emptied,
    /// There will be nothing more.
    Ended,
}

/// Reads what there is, up to [`CHUNK`] bytes, and no longer than `until`.
fn read_some(pty: &OwnedFd, printed: &mut Vec<u8>, until: Instant) -> Reading {
    loop {
        let before = printed.len();
        // A key's echo needs little; whoever prints much goes on.
        printed.reserve_exact(if before == 0 { READ } else { CHUNK + READ - before });
        match rustix::io::read(pty, spare_capacity(printed)) {
            Ok(0) => return Reading::Ended,
            Ok(count) if count < FEW => return Reading::Emptied,
            Ok(_) if printed.len() >= CHUNK || Instant::now() >= until => return Reading::More,
            Ok(_) | Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return Reading::Emptied,
            // The last holder has closed it.
            Err(_) => return Reading::Ended,
        }
    }
}

/// Writes what waits. Answers whether the terminal takes no more at the moment.
fn write_input(pty: &OwnedFd, input: &mut VecDeque<Input>, written: &mut u64, is_deaf: &mut bool) -> bool {
    while let Some(first) = input.front_mut() {
        while !first.bytes.is_empty() {
            match rustix::io::write(pty, &first.bytes) {
                Ok(count) => {
                    first.bytes.advance(count);
                    *written += count as u64;
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return true,
                // The terminal is gone: nothing reads the rest.
                Err(_) => {
                    *written += input.drain(..).map(|input| input.bytes.len() as u64).sum::<u64>();
                    *is_deaf = true;
                    return false;
                }
            }
        }
        if let Some(Input { taken: Some(taken), .. }) = input.pop_front() {
            // Who left does not want to know.
            drop(taken.send(Ok(())));
        }
    }
    false
}

fn unread() -> Problem {
    let detail = "the program does not read its input; interrupt or stop it, or try again later";
    Problem::new(Code::ResourceLimit, detail)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::Write as _;

    use super::*;

    /// A shell that prints a little all the time.
    fn ticking() -> Terminal {
        // What is open for reading and writing never ends, so that a read of it takes its time. An echo might come within a line.
        let script = "stty -echo; exec 3<> <(:); while :; do echo tick; read -t 0.002 <&3; done & read key; echo \"key $key\"; wait";
        let args = ["--norc", "--noprofile", "-c", script].map(Into::into).into();
        let (env, files) = (BTreeMap::new(), Vec::new());
        let command = Command { program: "bash".into(), args, env, files, record: None };
        Terminal::spawn(Path::new("/bin/bash"), &command, Path::new("/"), TerminalSize::default()).unwrap()
    }

    #[tokio::test]
    async fn who_prints_a_little_all_the_time_is_read_by_the_clock_until_somebody_types() {
        let mut terminal = ticking();
        let mut printed = next(&mut terminal).await;
        // On a busy machine it may pause for longer than who goes on does.
        while terminal.pty.is_some() {
            let (now, ms) = (Instant::now(), Duration::from_millis);
            (0..200).for_each(|before| terminal.rhythm.read(1, now - ms(200 - before)));
            printed += &next(&mut terminal).await;
        }
        terminal.write(b"typed\n".as_slice()).unwrap();
        printed += &next(&mut terminal).await;
        assert!(terminal.pty.is_some(), "what comes of a key is seen at once");
        while !printed.contains("key typed") {
            printed += &next(&mut terminal).await;
        }
        let is_other = |word: &&str| !["tick", "key", "typed"].contains(word);
        assert_eq!(printed.split_whitespace().find(is_other), None, "nothing is lost or torn: {printed}");
    }

    async fn next(terminal: &mut Terminal) -> String {
        let piece = tokio::time::timeout(Duration::from_secs(60), terminal.next(true)).await;
        String::from_utf8(piece.expect("in time").expect("the shell runs").bytes.into()).unwrap()
    }

    #[test]
    fn a_piece_that_takes_long_is_handed_on() {
        let (from, mut to) = io::pipe().unwrap();
        let from = OwnedFd::from(from);
        rustix::io::ioctl_fionbio(&from, true).unwrap();
        let mut read = |until| {
            to.write_all(&[b'x'; 2 * READ]).unwrap();
            let mut printed = Vec::new();
            let reading = read_some(&from, &mut printed, until);
            (matches!(reading, Reading::More), printed.len())
        };
        let now = Instant::now();
        assert_eq!(read(now + Duration::from_secs(60)), (false, 2 * READ), "all that there is");
        assert_eq!(read(now), (true, READ), "the rest comes as the next piece");
    }
}
