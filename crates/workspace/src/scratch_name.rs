//! Whose a directory of ours is, by its name: containers that share a volume do not see each other's processes, and a number says
//! nothing there of those of the others.

use std::os::linux::fs::MetadataExt;
use std::sync::LazyLock;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, getpid, test_kill_process};

/// What the names of all of them begin with.
const PREFIX: &str = ".scratch-";
/// How old one is whose process cannot be asked for, before it passes for left: no call works with one for as long.
const LONG_AGO: Duration = Duration::from_secs(24 * 60 * 60);
/// In place of a namespace that is not known.
const UNKNOWN: &str = "any";

static OWN: LazyLock<ScratchName> =
    LazyLock::new(|| ScratchName { namespace: namespace(), pid: Some(getpid()) });

/// What the name of a directory says of the process that made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ScratchName {
    /// Where its number counts; none: that is not known.
    namespace: Option<String>,
    pid: Option<Pid>,
}

impl ScratchName {
    /// That of this process.
    pub(crate) fn own() -> &'static Self {
        &OWN
    }

    /// The name of the directory of this number.
    pub(crate) fn numbered(&self, number: u64) -> String {
        let namespace = self.namespace.as_deref().unwrap_or(UNKNOWN);
        let pid = self.pid.map_or(0, Pid::as_raw_pid);
        format!("{PREFIX}{namespace}-{pid}-{number}")
    }

    /// Reads the name of a directory; none for one that is none of these.
    pub(crate) fn read(name: &str) -> Option<Self> {
        let parts: Vec<&str> = name.strip_prefix(PREFIX)?.split('-').collect();
        let (namespace, pid) = match parts[..] {
            [namespace, pid, _] => (Some(namespace).filter(|it| *it != UNKNOWN), pid),
            // Of a version that did not tell.
            _ => (None, parts[0]),
        };
        let pid = pid.parse().ok().and_then(Pid::from_raw);
        Some(Self { namespace: namespace.map(str::to_owned), pid })
    }

    /// Whether the process is gone, for one that is about to make its own first directory. `age`: since something was last put into this.
    pub(crate) fn is_abandoned(&self, own: &Self, age: Duration) -> bool {
        let is_neighbour = self.namespace.is_some() && self.namespace == own.namespace;
        match self.pid.filter(|_| is_neighbour) {
            // One with our own number had it before us.
            Some(pid) => Some(pid) == own.pid || test_kill_process(pid) == Err(Errno::SRCH),
            None => age > LONG_AGO,
        }
    }
}

/// This process's namespace of processes, and since when it can be: the number of one is used again after a start of the machine, and other
/// machines have it as well.
fn namespace() -> Option<String> {
    let number = std::fs::metadata("/proc/self/ns/pid").ok()?.st_ino();
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let boot: String = boot.chars().filter(char::is_ascii_hexdigit).collect();
    (!boot.is_empty()).then(|| format!("{boot}.{number}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_known_to_be_left_goes_soon() {
        let own = ScratchName::own();
        assert!(own.namespace.is_some(), "this machine tells");
        let named =
            |namespace: &str, pid: i32| ScratchName::read(&format!("{PREFIX}{namespace}-{pid}-3")).unwrap();
        let here = own.namespace.clone().unwrap();
        let mut ended = std::process::Command::new("true").spawn().unwrap();
        ended.wait().unwrap();
        let ended = i32::try_from(ended.id()).unwrap();
        let living = i32::try_from(std::os::unix::process::parent_id()).unwrap();
        let (now, long_ago) = (Duration::ZERO, LONG_AGO * 2);
        for (name, age, is_abandoned) in [
            (named(&here, ended), now, true),
            (named(&here, own.pid.unwrap().as_raw_pid()), now, true),
            (named(&here, living), long_ago, false),
            // Of a neighbour that cannot be seen, of one that did not know where it is, and of an earlier version.
            (named("0123.4", ended), now, false),
            (named("0123.4", own.pid.unwrap().as_raw_pid()), now, false),
            (named("0123.4", ended), long_ago, true),
            (named(UNKNOWN, ended), now, false),
            (named(UNKNOWN, ended), long_ago, true),
            (ScratchName::read(&format!("{PREFIX}{ended}-3")).unwrap(), now, false),
            (ScratchName::read(&format!("{PREFIX}{ended}-3")).unwrap(), long_ago, true),
            (ScratchName::read(PREFIX).unwrap(), now, false),
        ] {
            assert_eq!(name.is_abandoned(own, age), is_abandoned, "{name:?} {age:?}");
        }
        assert_eq!(ScratchName::read(&own.numbered(7)).as_ref(), Some(own));
        assert_eq!(ScratchName::read("one.json"), None);
        let blind = ScratchName { namespace: None, pid: own.pid };
        assert!(
            !ScratchName::read(&blind.numbered(0)).unwrap().is_abandoned(&blind, now),
            "who sees nothing takes nothing"
        );
    }
}
