//! Processes as `/proc` lists them, to see what the servers left behind.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};

/// The process of an agent's host, as the local runtime wrote it down in the agent's directory.
pub fn host_of(agent_dir: &Path) -> Option<u32> {
    fs::read_to_string(agent_dir.join("process")).ok()?.split(' ').next()?.parse().ok()
}

/// One process.
#[derive(Clone, Debug)]
pub struct Process {
    /// Its id.
    pub pid: u32,
    /// Its command line.
    pub command: String,
    /// Whether it has ended and waits to be collected.
    pub zombie: bool,
}

/// Every process whose environment, command line or working directory names something within `dir`. Agents inherit
/// an environment that does, so this finds what they left behind as well.
pub fn within_directory(dir: &Path) -> Vec<Process> {
    all().into_iter().filter(|process| process.names(dir.as_os_str())).collect()
}

/// Whether this process lives (and is no zombie).
pub fn lives(pid: u32) -> bool {
    Process::read(pid).is_some_and(|process| !process.zombie)
}

/// Sends SIGKILL. Already gone is as good.
pub fn kill(pid: u32) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        kill_process(pid, Signal::KILL).ok();
    }
}

/// How many file descriptors a process has open.
pub fn open_descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}

/// How many connections over TCP (IPv4) a process has open.
pub fn tcp_connections(pid: u32) -> usize {
    const ESTABLISHED: &str = "01";
    let table = fs::read_to_string(format!("/proc/{pid}/net/tcp")).unwrap_or_default();
    let connection = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        (fields.get(3) == Some(&ESTABLISHED)).then(|| Some(format!("socket:[{}]", fields.get(9)?)))?
    };
    let connections: HashSet<String> = table.lines().filter_map(connection).collect();
    let open = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let files = open.filter_map(|entry| fs::read_link(entry.path()).ok());
    files.filter(|file| file.to_str().is_some_and(|file| connections.contains(file))).count()
}

/// The process namespace that a process is in, as the kernel names it.
pub fn pid_namespace(pid: u32) -> Option<String> {
    Some(fs::read_link(format!("/proc/{pid}/ns/pid")).ok()?.to_string_lossy().into_owned())
}

/// The process of this machine that is `pid` within `namespace`.
pub fn in_namespace(namespace: &str, pid: u32) -> Option<u32> {
    all().into_iter().map(|process| process.pid).find(|candidate| {
        let status = fs::read_to_string(format!("/proc/{candidate}/status")).unwrap_or_default();
        let inner =
            status.lines().find_map(|line| line.strip_prefix("NSpid:")?.split_whitespace().next_back());
        inner.and_then(|inner| inner.parse().ok()) == Some(pid)
            && pid_namespace(*candidate).as_deref() == Some(namespace)
    })
}

fn all() -> Vec<Process> {
    let entries = fs::read_dir("/proc").expect("/proc is mounted");
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(Process::read).collect()
}

impl Process {
    fn read(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The state follows the name, which is in parentheses and may hold some.
        let zombie = stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with(['Z', 'X']));
        let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).replace('\0', " ").trim().to_owned();
        Some(Self { pid, command, zombie })
    }

    fn names(&self, dir: &OsStr) -> bool {
        let contains = |bytes: &[u8]| bytes.windows(dir.len()).any(|window| window == dir.as_bytes());
        let read = |what| fs::read(format!("/proc/{}/{what}", self.pid)).is_ok_and(|bytes| contains(&bytes));
        let cwd = fs::read_link(format!("/proc/{}/cwd", self.pid));
        self.pid != std::process::id()
            && (read("cmdline")
                || read("environ")
                || cwd.is_ok_and(|cwd| contains(cwd.as_os_str().as_bytes())))
    }
}
