//! The process tree of an agent: found in `/proc`, signalled, measured.
//!
//! Because the host is a subreaper, every descendant of the agent, daemonised ones included, has the host among its
//! ancestors: the tree below the host is exactly what the agent started.

use std::collections::HashMap;
use std::fs;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, getpid, kill_process};

/// How often the tree is read while it is being killed.
const KILL_INTERVAL: Duration = Duration::from_millis(20);
/// How long killing may take: a process in uninterruptible sleep is left to the kernel.
const KILL_TIMEOUT: Duration = Duration::from_secs(5);

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
    let mut children: HashMap<i32, Vec<ProcInfo>> = HashMap::new();
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    for entry in entries.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
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

/// Kills every process below this one and waits until they are gone (at most five seconds).
pub async fn kill_all() {
    let begun = Instant::now();
    while begun.elapsed() < KILL_TIMEOUT {
        let left = descendants();
        if left.is_empty() {
            return;
        }
        for process in left {
            send(process.pid, Signal::KILL);
        }
        tokio::time::sleep(KILL_INTERVAL).await;
    }
    tracing::warn!("some processes of the agent could not be killed");
}

fn send(pid: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid) {
        // Already gone is what was wanted.
        let _ = kill_process(pid, signal);
    }
}

/// Parent and figures of a process; none when it is gone or a zombie. Fields as in proc_pid_stat(5).
fn read_stat(pid: i32) -> Option<(i32, ProcInfo)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in parentheses and may hold anything, parentheses too.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    let number = |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok());
    if matches!(*fields.first()?, "Z" | "X") {
        return None;
    }
    let ticks = rustix::param::clock_ticks_per_second() as f64;
    let process = ProcInfo {
        pid,
        cpu_seconds: (number(11)? + number(12)?) as f64 / ticks,
        memory_bytes: number(21)? * rustix::param::page_size() as u64,
    };
    Some((fields.get(1)?.parse().ok()?, process))
}
