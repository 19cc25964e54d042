//! A control group for each agent, where this server may make them: the one mark of a process that it cannot take off.
//!
//! No limits are set. Where no group can be made (a container, a user without a delegated one), agents are known by their
//! host's descendants and by their environment.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::LazyLock;

use parallax_api::AgentId;
use rustix::fs::{Mode, OFlags};

use crate::os::Process;

/// Hierarchies of version 1 in which a group of its own changes nothing for its members.
const HARMLESS: [&str; 3] = ["name=systemd", "pids", "freezer"];

/// What the name of an agent's group begins with.
const PREFIX: &str = "parallax-agent-";

/// A group of an agent's own.
pub(crate) struct Group {
    dir: PathBuf,
    unified: bool,
}

/// The group that this server is in.
#[derive(Debug, PartialEq)]
struct Own {
    dir: PathBuf,
    /// It is one of version 2.
    unified: bool,
}

impl Group {
    /// Makes it, below this server's.
    pub(crate) fn make(id: &AgentId) -> io::Result<Self> {
        let Some(Own { dir, unified }) = own_group() else { return Err(io::ErrorKind::Unsupported.into()) };
        let dir = dir.join(name(id));
        match fs::create_dir(&dir) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => Ok(Self { dir, unified }),
        }
    }

    /// What a process can be started in. None: it has to [`enter`](Self::enter).
    pub(crate) fn open(&self) -> Option<OwnedFd> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        self.unified.then(|| rustix::fs::open(&self.dir, flags, Mode::empty()).ok()).flatten()
    }

    /// Moves the process into the group. What it starts from now on is in it, too.
    pub(crate) fn enter(&self, process: Process) -> io::Result<()> {
        fs::write(self.dir.join("cgroup.procs"), process.pid.to_string())
    }
}

/// The agents in whose group, or in one below it, the process is.
pub(crate) fn members_of(process: Process) -> Vec<String> {
    let groups = fs::read_to_string(format!("/proc/{}/cgroup", process.pid)).unwrap_or_default();
    let paths = groups.lines().filter_map(|line| line.splitn(3, ':').nth(2));
    paths
        .flat_map(|path| path.split('/'))
        .filter_map(|part| Some(part.strip_prefix(PREFIX)?.to_owned()))
        .collect()
}

/// Removes the group, which must be empty. One that was made by a server in another group stays, empty.
pub(crate) fn remove(id: &AgentId) {
    if let Some(own) = own_group() {
        // Most often there is none.
        drop(fs::remove_dir(own.dir.join(name(id))));
    }
}

fn name(id: &AgentId) -> String {
    format!("{PREFIX}{id}")
}

/// Where groups are to be found does not change while a server runs; in which it is may.
static MOUNTS: LazyLock<String> =
    LazyLock::new(|| fs::read_to_string("/proc/self/mountinfo").unwrap_or_default());

fn own_group() -> Option<Own> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    own_group_in(&groups, &MOUNTS)
}

fn own_group_in(groups: &str, mounts: &str) -> Option<Own> {
    let group_of = |controllers: &str| {
        groups.lines().find_map(|line| {
            let mut fields = line.splitn(3, ':').skip(1);
            (fields.next()?.split(',').any(|name| name == controllers)).then(|| fields.next()).flatten()
        })
    };
    let mount_of = |is_it: &dyn Fn(&str, &str) -> bool| {
        mounts.lines().find_map(|line| {
            let (before, after) = line.split_once(" - ")?;
            let mut after = after.split(' ');
            let (kind, options) = (after.next()?, after.nth(1)?);
            let mut before = before.split(' ').skip(3);
            let (root, point) = (before.next()?, before.next()?);
            is_it(kind, options).then_some((root, point))
        })
    };
    let dir = |group: &str, (root, point): (&str, &str)| {
        // A mount may show only a part of the hierarchy.
        let group = if root == "/" { group } else { group.strip_prefix(root)? };
        Some(PathBuf::from(point).join(group.trim_start_matches('/')))
    };
    let unified = || dir(group_of("")?, mount_of(&|kind, _| kind == "cgroup2")?);
    let version_1 = || {
        HARMLESS.iter().find_map(|name| {
            let has = |kind: &str, options: &str| {
                kind == "cgroup" && options.split(',').any(|option| option == *name)
            };
            dir(group_of(name)?, mount_of(&has)?)
        })
    };
    let own = |dir, unified| Own { dir, unified };
    unified().map(|dir| own(dir, true)).or_else(|| version_1().map(|dir| own(dir, false)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_group_of_this_server() {
        let unified = "25 30 0:22 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
        let own = |groups: &str, mounts: &str| {
            own_group_in(groups, mounts).map(|own| own.dir.display().to_string())
        };
        assert_eq!(
            own("0::/user.slice/a.scope\n", unified).as_deref(),
            Some("/sys/fs/cgroup/user.slice/a.scope")
        );
        let inside = "25 30 0:22 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup rw\n";
        assert_eq!(own("0::/docker/abc/x\n", inside).as_deref(), Some("/sys/fs/cgroup/x"));
        let version_1 = "33 32 0:30 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
            34 32 0:31 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n";
        let groups = "8:pids:/\n4:memory:/box\n0::/\n";
        assert_eq!(own(groups, version_1).as_deref(), Some("/sys/fs/cgroup/pids/"));
        assert_eq!(own("", ""), None);
    }
}
