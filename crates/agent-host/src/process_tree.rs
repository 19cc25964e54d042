//! The process tree of an agent: found, signalled, measured.
//!
//! Because the host is a subreaper, every descendant of the agent, daemonised ones included, has the host among its
//! ancestors: the tree below the host is exactly what the agent started.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, getpid, kill_process, test_kill_process, waitid};

use crate::os::{self, Stat};

/// How often the tree is read while it is being killed.
const KILL_INTERVAL: Duration = Duration::from_millis(20);
/// How long killing may take: a process in uninterruptible sleep is left to the kernel.
const KILL_TIMEOUT: Duration = Duration::from_secs(5);

/// Attempts to see all ancestors of a process at once.
const MAX_WALKS: u32 = 8;
/// Ancestors that are looked at: deeper trees do not occur in good faith.
const MAX_ANCESTORS: usize = 4096;

/// One process below the host.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ProcInfo {
    /// Its process id.
    pub pid: i32,
    /// CPU time used, in seconds.
    pub cpu_seconds: f64,
    /// Resident memory, in bytes.
    pub memory_bytes: u64,
}

/// Every living process below this one; zombies do not count.
pub fn descendants() -> Vec<ProcInfo> {
    if !has_children() {
        return Vec::new();
    }
    let own = getpid().as_raw_nonzero().get();
    let mut found = Vec::new();
    let mut pending = vec![own];
    while let Some(parent) = pending.pop() {
        let Some(children) = os::children(parent) else {
            if parent == own {
                return descendants_among_all();
            }
            // It has ended meanwhile, and what it had is this process's now.
            continue;
        };
        for (_, process) in children.into_iter().filter_map(read_stat) {
            pending.push(process.pid);
            found.push(process);
        }
    }
    found
}

/// Whether this process has any child, dead or alive. Without one there is nothing below it: orphans become its children.
fn has_children() -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    !matches!(waitid(WaitId::All, options), Err(Errno::CHILD))
}

/// The same from every process of the machine: slower by as many as there are.
fn descendants_among_all() -> Vec<ProcInfo> {
    let mut children: HashMap<i32, Vec<ProcInfo>> = HashMap::new();
    for pid in os::processes() {
        if let Some((parent, process)) = read_stat(pid) {
            children.entry(parent).or_default().push(process);
        }
    }
    let mut found = Vec::new();
    let mut pending = vec![getpid().as_raw_nonzero().get()];
    while let Some(parent) = pending.pop() {
        for process in children.remove(&parent).unwrap_or_default() {
            pending.push(process.pid);
            found.push(process);
        }
    }
    found
}

/// Sends `signal` to every process below this one. Already gone is fine.
pub fn signal_all(signal: Signal) {
    for process in descendants() {
        send(process.pid, signal);
    }
}

/// Kills every process below this one, step by step, until none is left.
#[derive(Debug)]
pub struct KillAll {
    next_at: Instant,
    until: Instant,
}

impl KillAll {
    /// Starts to kill at `now`; gives up after five seconds.
    pub fn new(now: Instant) -> Self {
        Self { next_at: now, until: now + KILL_TIMEOUT }
    }

    /// When the next step is due.
    pub fn deadline(&self) -> Instant {
        self.next_at
    }

    /// Kills what is there when a step is due. Returns whether nothing is left to do.
    pub fn step(&mut self, now: Instant) -> bool {
        if now < self.next_at {
            return false;
        }
        let mut left = descendants();
        // The quick look may leave out who came or went in that moment: what counts is that nobody is there.
        if left.is_empty() && has_children() {
            left = descendants_among_all();
        }
        if left.is_empty() {
            return true;
        }
        if now >= self.until {
            tracing::warn!(count = left.len(), "some processes of the agent could not be killed");
            return true;
        }
        for process in left {
            send(process.pid, Signal::KILL);
        }
        self.next_at = now + KILL_INTERVAL;
        false
    }
}

fn send(pid: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid) {
        // Already gone is what was wanted.
        let _ = kill_process(pid, signal);
    }
}

/// Parent and figures of a process; none when it is gone or a zombie.
fn read_stat(pid: i32) -> Option<(i32, ProcInfo)> {
    let Stat { parent, has_ended, cpu_seconds, memory_bytes, .. } = os::stat(pid)?;
    (!has_ended).then_some((parent, ProcInfo { pid, cpu_seconds, memory_bytes }))
}

/// A process that cannot be taken for another one that gets its number later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessId {
    pid: i32,
    start: u64,
}

impl ProcessId {
    /// The process with this number now.
    pub fn of(pid: i32) -> Option<Self> {
        let (_, process) = read_ancestor(pid)?;
        Some(Self { pid, start: process.start })
    }
}

/// An ancestor of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ancestor {
    /// Its process id.
    pub pid: i32,
    /// Its name, as the kernel keeps it: at most fifteen bytes.
    pub name: String,
    /// When it was started, in clock ticks since the boot.
    pub start: u64,
}

/// The ancestors of a process, nearest first, up to the first process of its PID namespace. `None` when they cannot be
/// determined: the process is gone, or its ancestors change all the time.
pub fn ancestors(pid: i32) -> Option<Vec<Ancestor>> {
    // A parent that ends between two reads leaves a number that is no parent any more, or another process's by now. Two
    // walks that agree saw the same living processes.
    let mut last = walk_up(pid);
    for _ in 0..MAX_WALKS {
        let again = walk_up(pid);
        if again.is_some() && again == last {
            return again;
        }
        last = again;
    }
    None
}

fn walk_up(pid: i32) -> Option<Vec<Ancestor>> {
    let (mut parent, child) = read_ancestor(pid)?;
    let mut start = child.start;
    let mut found = Vec::new();
    // 0 is the parent of the first process, and of those that were put into the namespace from outside.
    while parent != 0 {
        let Some((next, ancestor)) = read_ancestor(parent) else {
            // A process of another user may be hidden. It is no host of ours, nor is what is above it.
            return is_hidden(parent).then_some(found);
        };
        // A parent is older than its child: this number belongs to another process by now.
        if ancestor.start > start || found.len() == MAX_ANCESTORS {
            return None;
        }
        (parent, start) = (next, ancestor.start);
        found.push(ancestor);
    }
    Some(found)
}

/// Whether the process exists and is none of ours.
fn is_hidden(pid: i32) -> bool {
    Pid::from_raw(pid).is_some_and(|pid| test_kill_process(pid) == Err(Errno::PERM))
}

/// A process and its parent's number.
fn read_ancestor(pid: i32) -> Option<(i32, Ancestor)> {
    let Stat { parent, name, start, .. } = os::stat(pid)?;
    Some((parent, Ancestor { pid, name, start }))
}
