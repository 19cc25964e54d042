//! Wakes whoever follows session files when one may have grown, so that nobody has to look again and again.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Directories watched at most. With more of them files are looked for on time as well.
const MAX_DIRECTORIES: usize = 64;
/// How often it is looked whether directories came while others were being watched.
const MAX_LOOKS: usize = 8;
/// Bytes of the kernel's events read at once.
const READ: usize = 4096;

/// Where something is waited for, and what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// The next part of a path.
    Missing,
    /// Files that grow.
    Files,
}

/// Directories of the kernel's watch (inotify).
pub(super) struct Watch {
    inotify: AsyncFd<OwnedFd>,
    directories: BTreeMap<PathBuf, (Place, i32)>,
    /// The files that count; `None`: all of them.
    names: Option<Vec<OsString>>,
    /// Directories came or went since they were last looked for.
    is_stale: bool,
    /// Every directory that matters is watched.
    is_whole: bool,
}

impl Watch {
    /// `None`: the system has no more of them for this user.
    pub(super) fn new() -> Option<Self> {
        let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)
            .inspect_err(|error| tracing::debug!(%error, "session files are looked at on time"))
            .ok()?;
        // SAFETY: the descriptor is owned by what is made here, which neither closes nor replaces it before it is dropped.
        #[expect(unsafe_code, reason = "the library asks for it")]
        let inotify = unsafe { AsyncFd::register_with_interest(inotify, Interest::READABLE) }.ok()?;
        Some(Self { inotify, directories: BTreeMap::new(), names: None, is_stale: true, is_whole: false })
    }

    /// Whether nothing grows unnoticed.
    pub(super) fn is_whole(&self) -> bool {
        self.is_whole && !self.is_stale
    }

    /// Other files are followed.
    pub(super) fn renew(&mut self) {
        self.is_stale = true;
    }

    /// Watches where the `globs` may match; once the agent's `own` files are known, those alone. To be called before the files
    /// are read: what is written later wakes.
    pub(super) fn follow(&mut self, globs: &[String], own: &[PathBuf]) {
        let names: Vec<_> = own.iter().filter_map(|path| Some(path.file_name()?.to_owned())).collect();
        let names = (!names.is_empty()).then_some(names);
        if !self.is_stale && self.names == names {
            return;
        }
        self.is_stale = false;
        self.names = names;
        for _ in 0..MAX_LOOKS {
            let mut wanted = BTreeMap::new();
            if own.is_empty() {
                for glob in globs {
                    add_places(glob, &mut wanted);
                }
            } else {
                let parents = own.iter().filter_map(|path| path.parent());
                wanted.extend(parents.map(|parent| (parent.to_owned(), Place::Files)));
            }
            self.is_whole = !wanted.is_empty() && wanted.len() <= MAX_DIRECTORIES;
            if !self.watch(wanted) {
                return;
            }
        }
        self.is_whole = false;
    }

    /// Watches these and no others. Says whether one of them is new: meanwhile something may have come in it.
    fn watch(&mut self, wanted: BTreeMap<PathBuf, Place>) -> bool {
        let inotify = self.inotify.get_ref();
        self.directories.retain(|path, (place, id)| {
            let stays = wanted.get(path) == Some(place);
            if !stays {
                // It may be gone, and its watch with it.
                let _ = inotify::remove_watch(inotify, *id);
            }
            stays
        });
        let mut is_new = false;
        for (path, place) in wanted.into_iter().take(MAX_DIRECTORIES) {
            if self.directories.contains_key(&path) {
                continue;
            }
            match inotify::add_watch(inotify, &path, flags(place)) {
                Ok(id) => {
                    self.directories.insert(path, (place, id));
                    is_new = true;
                }
                Err(error) => {
                    tracing::debug!(%error, path = %path.display(), "not watched");
                    self.is_whole = false;
                }
            }
        }
        is_new
    }

    /// Resolves when a file may have grown, or come. Cancel-safe.
    pub(super) async fn changed(&mut self) {
        loop {
            let Ok(mut guard) = self.inotify.readable().await else {
                // The reactor is gone, and this process with it.
                return std::future::pending().await;
            };
            let mut counts = false;
            let mut buffer = [MaybeUninit::uninit(); READ];
            let mut events = Reader::new(guard.get_inner(), &mut buffer);
            while let Ok(event) = events.next() {
                let flags = event.events();
                let moved = ReadFlags::ISDIR
                    | ReadFlags::DELETE_SELF
                    | ReadFlags::MOVE_SELF
                    | ReadFlags::QUEUE_OVERFLOW;
                if flags.contains(ReadFlags::IGNORED) {
                    // Gone with its directory, which was told before; or not followed any more.
                    self.directories.retain(|_, (_, id)| *id != event.wd());
                    continue;
                }
                self.is_stale |= flags.intersects(moved);
                let name = event.file_name().map(std::ffi::CStr::to_bytes);
                let is_followed = match (&self.names, name) {
                    (Some(names), Some(name)) => names.iter().any(|own| own.as_bytes() == name),
                    _ => true,
                };
                counts |= is_followed || flags.intersects(moved);
            }
            guard.clear_ready();
            if counts {
                return;
            }
        }
    }
}

fn flags(place: Place) -> WatchFlags {
    let gone = WatchFlags::DELETE_SELF | WatchFlags::MOVE_SELF | WatchFlags::ONLYDIR;
    let come = WatchFlags::CREATE | WatchFlags::MOVED_TO | gone;
    match place {
        Place::Missing => come,
        Place::Files => come | WatchFlags::MODIFY,
    }
}

/// The directories in which files of this glob may grow, and those in which the next part of a path may come.
fn add_places(glob: &str, places: &mut BTreeMap<PathBuf, Place>) {
    let parts: Vec<&str> = glob.split('/').collect();
    for length in (1..parts.len()).rev() {
        let prefix = if length == 1 { "/".to_owned() } else { parts[..length].join("/") };
        let next = parts[length];
        let has_files = match parts[length..] {
            // Any directories may also be none.
            [_] | ["**", _] => true,
            _ => false,
        };
        let place = if has_files { Place::Files } else { Place::Missing };
        let is_open = next.contains(['*', '?', '[']);
        for path in directories(&prefix) {
            if !has_files && !is_open && path.join(next).exists() {
                continue;
            }
            let known = places.entry(path).or_insert(place);
            *known = place.max(*known);
            if places.len() > MAX_DIRECTORIES {
                return;
            }
        }
    }
}

fn directories(prefix: &str) -> impl Iterator<Item = PathBuf> {
    glob::glob(prefix).into_iter().flatten().flatten().filter(|path: &PathBuf| Path::is_dir(path))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use super::*;

    async fn wakes(watch: &mut Watch) -> bool {
        tokio::time::timeout(Duration::from_secs(5), watch.changed()).await.is_ok()
    }

    async fn sleeps(watch: &mut Watch) -> bool {
        tokio::time::timeout(Duration::from_millis(100), watch.changed()).await.is_err()
    }

    #[tokio::test]
    async fn wakes_for_what_comes_and_for_what_grows() {
        let dir = tempfile::tempdir().unwrap();
        let glob = [dir.path().join("a/*/b/one-*.jsonl").display().to_string()];
        let mut watch = Watch::new().unwrap();
        watch.follow(&glob, &[]);
        assert!(watch.is_whole() && sleeps(&mut watch).await);
        for made in ["a", "a/x", "a/x/b", "a/y", "a/y/b"] {
            fs::create_dir(dir.path().join(made)).unwrap();
            assert!(wakes(&mut watch).await, "{made}");
            watch.follow(&glob, &[]);
            assert!(watch.is_whole(), "{made}");
        }
        let (own, other) = (dir.path().join("a/x/b/one-1.jsonl"), dir.path().join("a/x/b/one-2.jsonl"));
        fs::write(&own, "1").unwrap();
        assert!(wakes(&mut watch).await);
        watch.follow(&glob, std::slice::from_ref(&own));
        // A write is told in several steps.
        while !sleeps(&mut watch).await {}
        fs::write(&other, "2").unwrap();
        assert!(sleeps(&mut watch).await, "another agent's file is nothing to wake for");
        fs::write(&own, "12").unwrap();
        assert!(wakes(&mut watch).await);
        fs::remove_dir_all(dir.path().join("a/x")).unwrap();
        assert!(wakes(&mut watch).await && !watch.is_whole(), "what was watched is gone");
    }

    #[tokio::test]
    async fn too_many_directories_are_not_all_watched() {
        let dir = tempfile::tempdir().unwrap();
        for index in 0..=MAX_DIRECTORIES {
            fs::create_dir(dir.path().join(index.to_string())).unwrap();
        }
        let glob = [dir.path().join("*/one.jsonl").display().to_string()];
        let mut watch = Watch::new().unwrap();
        watch.follow(&glob, &[]);
        assert!(!watch.is_whole());
    }
}
