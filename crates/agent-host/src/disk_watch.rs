//! The disk space that an agent uses in its container, where no engine limits it: what lies in the places that it can write
//! to is added up from time to time, as a kubelet does.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Between two measurements, at least.
const INTERVAL: Duration = Duration::from_secs(10);
/// A measurement may take a part of this of the time: a large directory is measured more seldom.
const SHARE: u32 = 50;
/// Where every user may write.
const SHARED: [&str; 2] = ["/tmp", "/var/tmp"];
/// Directories within one another that are looked into: more are made by a program that wants to be missed.
const MAX_DEPTH: usize = 128;

/// What is added up, and how much it may be.
#[derive(Clone, Debug)]
pub struct DiskWatch {
    roots: Vec<PathBuf>,
    /// In bytes.
    limit: u64,
}

impl DiskWatch {
    /// For an agent whose own volume is `own`, with that home, and at most `limit` bytes.
    pub fn new(own: &Path, home: Option<&Path>, limit: u64) -> Self {
        let mut roots: Vec<PathBuf> = vec![own.to_owned()];
        for root in SHARED.map(Path::new).into_iter().chain(home) {
            // The root directory is the home of users without one: the whole image is not the agent's.
            let is_covered = root.parent().is_none() || roots.iter().any(|known| root.starts_with(known));
            roots.extend((!is_covered).then(|| root.to_owned()));
        }
        Self { roots, limit }
    }

    /// The same with the files of a volume that was made for this agent alone.
    #[must_use]
    pub fn with(mut self, volume: Option<&Path>) -> Self {
        self.roots.extend(volume.map(Path::to_owned));
        self
    }

    /// Resolves with the bytes that are used when they are more than the limit.
    pub async fn exceeded(self) -> u64 {
        loop {
            let began = Instant::now();
            let watch = self.clone();
            let used = tokio::task::spawn_blocking(move || watch.used()).await.unwrap_or_default();
            if used > self.limit {
                return used;
            }
            tokio::time::sleep(INTERVAL.max(began.elapsed() * SHARE)).await;
        }
    }

    /// The bytes of the blocks of all files. What is mounted below a root is somebody else's; a file with several names counts
    /// once; a file that is open and has no name is not seen.
    fn used(&self) -> u64 {
        let mounts = mount_points(&fs::read_to_string("/proc/self/mountinfo").unwrap_or_default());
        let mut seen = HashSet::new();
        self.roots.iter().map(|root| size(root, &mounts, &mut seen, self.limit)).fold(0, u64::saturating_add)
    }
}

/// Adds up until it is more than `enough`.
fn size(root: &Path, mounts: &HashSet<PathBuf>, seen: &mut HashSet<(u64, u64)>, enough: u64) -> u64 {
    let (mut sum, mut waiting) = (0_u64, vec![(root.to_owned(), 0)]);
    while let Some((dir, depth)) = waiting.pop() {
        // What goes away meanwhile uses nothing; what cannot be read is not the agent's.
        let Ok(entries) = fs::read_dir(&dir) else { continue };
        for entry in entries.flatten() {
            let Ok(found) = entry.metadata() else { continue };
            if found.is_dir() {
                let path = entry.path();
                if depth < MAX_DEPTH && !mounts.contains(&path) {
                    waiting.push((path, depth + 1));
                }
            } else if found.nlink() > 1 && !seen.insert((found.dev(), found.ino())) {
                continue;
            }
            sum = sum.saturating_add(found.blocks().saturating_mul(512));
        }
        if sum > enough {
            break;
        }
    }
    sum
}

/// The mount points of a `mountinfo`.
fn mount_points(mountinfo: &str) -> HashSet<PathBuf> {
    let points = mountinfo.lines().filter_map(|line| line.split(' ').nth(4));
    points.map(|point| PathBuf::from(point.replace("\\040", " "))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adds_up_what_an_agent_wrote_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, kilobytes: usize| {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, vec![1; kilobytes << 10]).unwrap();
            path
        };
        let first = file("a/b/one", 64);
        file("mounted/other", 512);
        fs::hard_link(&first, dir.path().join("again")).unwrap();
        std::os::unix::fs::symlink("/", dir.path().join("link")).unwrap();
        // Sparse: its length is not what it takes.
        fs::File::create(dir.path().join("sparse")).unwrap().set_len(1 << 40).unwrap();
        let mounts = HashSet::from([dir.path().join("mounted")]);
        let used = size(dir.path(), &mounts, &mut HashSet::new(), u64::MAX);
        assert!((64 << 10..128 << 10).contains(&used), "{used}");
    }

    #[tokio::test]
    async fn tells_when_it_is_too_much() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("large"), vec![1; 256 << 10]).unwrap();
        let watch = DiskWatch { roots: vec![dir.path().to_owned()], limit: 100 << 10 };
        let used = tokio::time::timeout(Duration::from_secs(10), watch.exceeded()).await.unwrap();
        assert!(used >= 256 << 10, "{used}");
    }

    #[test]
    fn roots_do_not_count_twice() {
        let roots = |home: Option<&str>| DiskWatch::new(Path::new("/agent"), home.map(Path::new), 1).roots;
        let plain: Vec<PathBuf> = ["/agent", "/tmp", "/var/tmp"].map(PathBuf::from).into();
        assert_eq!(roots(Some("/agent/home")), plain);
        assert_eq!(roots(Some("/")), plain);
        assert_eq!(roots(Some("/home/node")).len(), 4);
    }

    #[test]
    fn mount_points_are_read() {
        let text =
            "22 1 0:20 / /proc rw - proc proc rw\n23 1 0:21 /a /agent/work\\040space rw - ext4 /dev/x rw\n";
        assert!(mount_points(text).contains(Path::new("/agent/work space")));
    }
}
