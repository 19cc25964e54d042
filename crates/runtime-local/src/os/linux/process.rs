//! Processes as `/proc` shows them, and signals that reach the right one.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// More than the line has that the kernel says of a process: fifty numbers.
const MAX_STAT: usize = 2048;
/// More than most processes have of arguments, or the kernel says of their state, in bytes.
const MOST: usize = 4096;

/// A process that cannot be taken for another: its number and when it started, in clock ticks since the boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    pub(crate) start: u64,
}

/// What `/proc/PID/stat` says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Stat {
    pub(crate) process: Process,
    pub(crate) parent: u32,
    /// It has ended and waits for its parent.
    pub(crate) zombie: bool,
    pub(crate) cpu_ticks: u64,
    pub(crate) resident_pages: u64,
    pub(crate) image: Image,
}

/// Where the arguments and the environment of a process lie: all zero of one that may not be looked into. A program that it executes has
/// them elsewhere, because the system puts the stack at a random place; without that, where they are of another length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Image {
    arguments: u64,
    environment: u64,
    environment_end: u64,
}

impl Process {
    /// The process with this number now.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        stat(pid).map(|stat| stat.process)
    }

    /// Whether it still runs. One that waits to be reaped does not.
    pub(crate) fn lives(self) -> bool {
        stat(self.pid).is_some_and(|stat| stat.process == self && !stat.zombie)
    }

    /// Kills it. Already gone is success.
    pub(crate) fn kill(self) -> io::Result<()> {
        let Some(handle) = self.open()? else { return Ok(()) };
        match pidfd_send_signal(&handle, Signal::KILL) {
            Err(error) if error != Errno::SRCH => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Waits until it has ended, at most `limit`; says whether it has.
    pub(crate) async fn ended(self, limit: Duration) -> bool {
        tokio::task::spawn_blocking(move || self.wait(limit)).await.unwrap_or(false)
    }

    fn wait(self, limit: Duration) -> bool {
        let Ok(Some(handle)) = self.open() else { return !self.lives() };
        let Ok(limit) = Timespec::try_from(limit) else { return false };
        // A handle becomes readable when its process has ended.
        poll(&mut [PollFd::new(&handle, PollFlags::IN)], Some(&limit)).is_ok_and(|ready| ready > 0)
    }

    /// A handle that stays this process's, whoever gets its number later. None: it is gone.
    fn open(self) -> io::Result<Option<OwnedFd>> {
        let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) else { return Ok(None) };
        let handle = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(handle) => handle,
            Err(Errno::SRCH) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        // Looked at after the handle is there: it is the same process, or the number had changed hands before.
        Ok((Self::of(self.pid) == Some(self)).then_some(handle))
    }
}

/// Every process of this machine that can be seen.
pub(crate) fn all() -> Vec<Stat> {
    let Ok(entries) = fs::read_dir("/proc") else { return vec![] };
    entries.flatten().filter_map(|entry| stat(entry.file_name().to_str()?.parse().ok()?)).collect()
}

/// The arguments that the process was started with, the program's name first. None: it is gone, or may not be looked into.
pub(crate) fn arguments(process: Process) -> Option<Vec<OsString>> {
    let line = read(process, "cmdline")?;
    Some(line.split(|byte| *byte == 0).map(|argument| OsStr::from_bytes(argument).to_owned()).collect())
}

/// A file of the process in `/proc`, most often in one read: what follows a short one is the end.
fn read(process: Process, file: &str) -> Option<Vec<u8>> {
    let mut open = File::open(format!("/proc/{}/{file}", process.pid)).ok()?;
    let mut content = vec![0; MOST];
    let len = open.read(&mut content).ok()?;
    content.truncate(len);
    if len == MOST {
        open.read_to_end(&mut content).ok()?;
    }
    Some(content)
}

/// The user that the process runs as. The owner of its directory in `/proc` may be another: root, for a process that others may
/// not look into.
pub(crate) fn owner(process: Process) -> Option<u32> {
    let status = read(process, "status")?;
    let line = status.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"Uid:"))?;
    str::from_utf8(line).ok()?.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// The values that an environment variable of the process began with: more than one where it stands there more than once.
/// Processes of other users cannot be looked into.
pub(crate) fn variable(process: Process, name: &str) -> Vec<String> {
    let Ok(environ) = fs::read(format!("/proc/{}/environ", process.pid)) else { return vec![] };
    let value = |variable: &[u8]| {
        let value = variable.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
        String::from_utf8(value.to_vec()).ok()
    };
    environ.split(|byte| *byte == 0).filter_map(value).collect()
}

/// What is known of the process with this number now.
pub(crate) fn stat(pid: u32) -> Option<Stat> {
    // One read: the kernel says all of it at once to who has room for it.
    let mut line = [0; MAX_STAT];
    let len = File::open(format!("/proc/{pid}/stat")).and_then(|mut file| file.read(&mut line)).ok()?;
    parse(pid, &String::from_utf8_lossy(&line[..len]))
}

/// Fields 3 and up stand after the program's name, which is in parentheses and may hold anything.
fn parse(pid: u32, text: &str) -> Option<Stat> {
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    let number = |index: usize| fields.get(index - 3)?.parse::<u64>().ok();
    Some(Stat {
        process: Process { pid, start: number(22)? },
        parent: u32::try_from(number(4)?).ok()?,
        zombie: matches!(*fields.first()?, "Z" | "X" | "x"),
        cpu_ticks: number(14)? + number(15)?,
        resident_pages: number(24)?,
        image: Image {
            arguments: number(48).unwrap_or_default(),
            environment: number(50).unwrap_or_default(),
            environment_end: number(51).unwrap_or_default(),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_a_hostile_name_tries_to_hide() {
        let line = "42 (a) R 1 (b) ) S 7 42 42 0 -1 4194560 100 0 0 0 11 22 0 0 20 0 1 0 9876 1000 55 18446744073709551615";
        let stat = parse(42, line).unwrap();
        assert_eq!(stat.process, Process { pid: 42, start: 9876 });
        assert_eq!((stat.parent, stat.zombie, stat.cpu_ticks, stat.resident_pages), (7, false, 33, 55));
        assert_eq!(stat.image, Image::default());
        assert_eq!(parse(42, "42 (x"), None);
    }
}
