//! Linux: `/proc`, subreapers, control groups.

mod sockets;

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::LazyLock;

use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;
use rustix::process::{getpid, set_child_subreaper};

pub(crate) use sockets::{ListeningSocket, listening_sockets, sockets_of};

/// Where the kernel counts its out-of-memory kills: control groups version 2 and 1, as a container sees its own.
const MEMORY_EVENTS: [&str; 2] = ["/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control"];

/// More than the line has that the kernel says of a process: fifty numbers.
const MAX_STAT: usize = 2048;

/// Changes with every boot.
pub(crate) fn boot_id() -> Option<Vec<u8>> {
    static ID: LazyLock<Option<Vec<u8>>> = LazyLock::new(|| fs::read("/proc/sys/kernel/random/boot_id").ok());
    ID.clone()
}

/// From now on every orphan below this process becomes its child.
///
/// # Errors
/// When the kernel refuses.
pub(crate) fn adopt_orphans() -> io::Result<()> {
    Ok(set_child_subreaper(Some(getpid()))?)
}

/// What becomes of symbolic links on the way to a file.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Links {
    /// They are followed where they do not lead out.
    Followed,
    /// A path with one cannot be opened.
    Refused,
}

/// Opens what is below a directory, through no link that leads out of it, whatever is renamed meanwhile. `AGAIN`: the kernel could
/// not tell.
pub(crate) fn open_beneath(
    directory: BorrowedFd<'_>,
    path: &Path,
    flags: OFlags,
    links: Links,
) -> Result<OwnedFd, Errno> {
    let links = match links {
        Links::Followed => ResolveFlags::NO_MAGICLINKS,
        Links::Refused => ResolveFlags::NO_SYMLINKS,
    };
    openat2(directory, path, flags, Mode::empty(), ResolveFlags::BENEATH | links)
}

/// The numbers of all processes that can be seen.
pub(crate) fn processes() -> Vec<i32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// The children of a process as the kernel lists them, thread by thread; while others end it may leave some out. `None`: it is
/// gone, or the kernel has no such lists.
pub(crate) fn children(pid: i32) -> Option<Vec<i32>> {
    let mut found = Vec::new();
    let mut is_listed = false;
    for thread in fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten() {
        if let Ok(list) = fs::read_to_string(thread.path().join("children")) {
            is_listed = true;
            found.extend(list.split_ascii_whitespace().filter_map(|pid| pid.parse::<i32>().ok()));
        }
    }
    is_listed.then_some(found)
}

/// What the kernel says of a process.
pub(crate) struct Stat {
    /// Its parent; 0 for the first process, and for those that were put into the namespace from outside.
    pub(crate) parent: i32,
    /// Its name, as the kernel keeps it: at most fifteen bytes.
    pub(crate) name: String,
    /// It has ended and waits for its parent.
    pub(crate) has_ended: bool,
    /// CPU time used, in seconds.
    pub(crate) cpu_seconds: f64,
    /// Resident memory, in bytes.
    pub(crate) memory_bytes: u64,
    /// When it was started, in clock ticks since the boot.
    pub(crate) start: u64,
}

/// What the kernel says of this process; none when it is gone, or hidden. Fields as in proc_pid_stat(5).
pub(crate) fn stat(pid: i32) -> Option<Stat> {
    // One read: the kernel says all of it at once to who has room for it.
    let mut line = [0; MAX_STAT];
    let len = File::open(format!("/proc/{pid}/stat")).and_then(|mut file| file.read(&mut line)).ok()?;
    parse(&String::from_utf8_lossy(&line[..len]))
}

fn parse(stat: &str) -> Option<Stat> {
    // The name stands in parentheses and may hold anything, parentheses too.
    let (head, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let number = |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok());
    let ticks = rustix::param::clock_ticks_per_second() as f64;
    Some(Stat {
        parent: fields.get(1)?.parse().ok()?,
        name: head.split_once('(')?.1.to_owned(),
        has_ended: matches!(*fields.first()?, "Z" | "X"),
        cpu_seconds: (number(11)? + number(12)?) as f64 / ticks,
        memory_bytes: number(21)? * rustix::param::page_size() as u64,
        start: number(19)?,
    })
}

/// Whether the process has this file open for writing.
pub(crate) fn writes(pid: i32, path: &Path) -> bool {
    let Ok(open) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    open.flatten().filter(|entry| fs::read_link(entry.path()).is_ok_and(|target| target == path)).any(
        |entry| {
            let info = format!("/proc/{pid}/fdinfo/{}", entry.file_name().to_string_lossy());
            fs::read_to_string(info).is_ok_and(|info| is_writable(&info))
        },
    )
}

/// Whether the `flags` of `/proc/PID/fdinfo/FD` (octal, as for open(2)) allow writing.
fn is_writable(info: &str) -> bool {
    const O_ACCMODE: u32 = 0o3;
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
    flags
        .and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok())
        .is_some_and(|flags| flags & O_ACCMODE != 0)
}

/// How often the kernel has killed a process of this container for want of memory; `None` when it keeps no count.
pub(crate) fn out_of_memory_kills() -> Option<u64> {
    MEMORY_EVENTS.iter().find_map(|file| kills(&fs::read_to_string(file).ok()?))
}

fn kills(events: &str) -> Option<u64> {
    events.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_kills_in_the_format_of_both_versions() {
        assert_eq!(kills("low 0\nhigh 0\nmax 7\noom 2\noom_kill 1\noom_group_kill 0\n"), Some(1));
        assert_eq!(kills("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"), Some(3));
        assert_eq!(kills("low 0\n"), None);
    }

    #[test]
    fn reads_what_a_hostile_name_tries_to_hide() {
        let line = "42 (a) R 1 (b) ) S 7 42 42 0 -1 4194560 100 0 0 0 11 22 0 0 20 0 1 0 9876 1000 55 18446744073709551615";
        let stat = parse(line).unwrap();
        assert_eq!(
            (stat.parent, stat.name.as_str(), stat.has_ended, stat.start),
            (7, "a) R 1 (b) ", false, 9876)
        );
        assert!(parse("42 (x").is_none());
    }
}
