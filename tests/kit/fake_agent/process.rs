//! What the fake agent does to processes: children that stay behind, signals, descriptors.

use std::process::{Command, Stdio};

use anyhow::Context;
use rustix::process::{Pid, Signal};

/// Starts a child that lives for minutes and holds the terminal open.
pub(super) fn child() -> anyhow::Result<u32> {
    Ok(linger().spawn()?.id())
}

/// Starts a grandchild in a session of its own, with no terminal, whose parent is gone.
pub(super) fn daemon() -> anyhow::Result<u32> {
    let between = Command::new(std::env::current_exe()?).arg("--daemonise").stderr(Stdio::null()).output()?;
    let pid = String::from_utf8(between.stdout)?;
    pid.trim().parse().with_context(|| format!("`{pid}` is no process id"))
}

/// `--daemonise`: a new session, the grandchild, its id on standard output, and gone.
pub fn daemonise() -> anyhow::Result<()> {
    rustix::process::setsid()?;
    let grandchild =
        linger().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).current_dir("/").spawn()?;
    println!("{}", grandchild.id());
    Ok(())
}

fn linger() -> Command {
    let mut command = Command::new("sleep");
    command.arg("600");
    command
}

/// Kills this process.
pub(super) fn die() {
    rustix::process::kill_process(rustix::process::getpid(), Signal::KILL)
        .expect("a process may kill itself");
}

/// This process.
pub(super) fn pid() -> Pid {
    rustix::process::getpid()
}

/// What each open file descriptor is. To be asked before anything is opened.
pub fn descriptors() -> anyhow::Result<String> {
    let mut open = Vec::new();
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let entry = entry?;
        let Ok(target) = std::fs::read_link(entry.path()) else { continue };
        let target = target.to_string_lossy().into_owned();
        // The directory that is being read.
        if !target.ends_with("/fd") {
            open.push(format!("{}={target}", entry.file_name().to_string_lossy()));
        }
    }
    open.sort();
    Ok(open.join(" "))
}
