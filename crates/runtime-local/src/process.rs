//! Which processes are hosts, and which are below which.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::os::{self, Process, Stat, stat};

/// Processes by their parents.
#[derive(Debug)]
pub(crate) struct Children(BTreeMap<u32, Vec<Stat>>);

impl Children {
    /// These, by their parents.
    pub(crate) fn among(all: &[Stat]) -> Self {
        let mut children: BTreeMap<u32, Vec<Stat>> = BTreeMap::new();
        for stat in all {
            children.entry(stat.parent).or_default().push(*stat);
        }
        Self(children)
    }

    /// The processes below `root`, without it.
    pub(crate) fn below(&self, root: Process) -> Vec<Stat> {
        let mut found = vec![];
        let mut seen = BTreeSet::from([root.pid]);
        let mut next = vec![root.pid];
        while let Some(pid) = next.pop() {
            for child in self.0.get(&pid).into_iter().flatten() {
                if seen.insert(child.process.pid) {
                    next.push(child.process.pid);
                    found.push(*child);
                }
            }
        }
        found
    }
}

/// This process and those that it was started by, by their numbers.
pub(crate) fn lineage() -> BTreeSet<u32> {
    let mut lineage = BTreeSet::from([1]);
    let mut next = Some(std::process::id());
    while let Some(pid) = next.filter(|pid| lineage.insert(*pid)) {
        next = stat(pid).map(|stat| stat.parent);
    }
    lineage
}

/// The hosts among all processes, by the directories they serve. Nothing else is read of a process: a server that starts has
/// thousands of them to look at.
pub(crate) fn hosts() -> BTreeMap<PathBuf, Process> {
    let all = os::all();
    let spared = lineage();
    all.iter()
        .filter(|stat| !stat.zombie && !spared.contains(&stat.process.pid))
        .filter_map(|stat| Some((served_dir(stat.process)?, stat.process)))
        .collect()
}

/// Whether the process is the living host that serves this directory: its command line says so, it is this user's, and it is
/// not among the `spared`, which are this server and what it was started by. What a file says of it does not count.
pub(crate) fn is_host(process: Process, dir: &Path, spared: &BTreeSet<u32>) -> bool {
    !spared.contains(&process.pid)
        && served_dir(process).is_some_and(|served| served == dir)
        // Looked at last: it is still the same process.
        && process.lives()
}

/// The directory that a host of this user serves, as its command line says: `PROGRAM serve --dir DIR`. `None`: it is no host.
pub(crate) fn served_dir(process: Process) -> Option<PathBuf> {
    let arguments = os::arguments(process)?;
    let mut arguments = arguments.iter().skip(1);
    if arguments.next()? != "serve" || arguments.next()? != "--dir" {
        return None;
    }
    let dir = PathBuf::from(arguments.next()?);
    (os::owner(process)? == rustix::process::geteuid().as_raw()).then_some(dir)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_number_that_changed_hands_is_not_the_process() {
        let mut child = tokio::process::Command::new("sleep").arg("1000").spawn().unwrap();
        let process = Process::of(child.id().unwrap()).unwrap();
        let stranger = Process { start: process.start + 1, ..process };
        stranger.kill().unwrap();
        assert!(!stranger.lives() && process.lives());
        assert!(!process.ended(Duration::from_millis(1)).await);
        assert!(
            Children::among(&os::all())
                .below(Process::of(std::process::id()).unwrap())
                .iter()
                .any(|stat| stat.process == process)
        );
        process.kill().unwrap();
        assert!(process.ended(Duration::from_secs(5)).await);
        assert!(!process.lives());
        child.wait().await.unwrap();
        process.kill().unwrap();
    }
}
