//! Files of the agent's working directory, for people: listed, read, written and removed.
//!
//! The agent may put anything there, links to anywhere included. Every path is resolved by the kernel beneath the directory that
//! was opened when the host started (`openat2`), so that none leads out, whatever is renamed meanwhile.

mod archive;

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use parallax_api::files::{FileEntry, FileKind, FileList, MAX_FILE};
use parallax_api::{Code, Problem, Time};
use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat, fstat, openat, renameat, statat, unlinkat,
};
use rustix::io::Errno;

use crate::os::{self, Links};
pub use archive::Packing;

/// Names of a directory that are listed at most; `truncated` says when there are more.
const MAX_ENTRIES: usize = 1000;
/// Names of a directory that are looked at to find them.
const MAX_NAMES: usize = 100_000;
/// How often a path is looked up while its directories are moved.
const MAX_TRIES: usize = 100;
/// Permissions of a new file, before the umask.
const NEW_FILE: u32 = 0o666;

/// The files below one directory. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Files(Arc<OwnedFd>);

/// What a path is.
#[derive(Debug)]
pub enum Found {
    /// A directory, and what is in it.
    Directory(FileList),
    /// A plain file, open for reading, and how many bytes it has.
    File(File, u64),
}

impl Files {
    /// Those below `directory`.
    ///
    /// # Errors
    /// When there is no such directory.
    pub fn open(directory: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(Arc::new(openat(CWD, directory, flags, Mode::empty())?)))
    }

    /// A file or a directory. Links within the directory are followed.
    pub fn get(&self, path: &str) -> Result<Found, Problem> {
        let path = relative(Path::new(path))?;
        // Without waiting: a pipe that nobody writes to would hold this up for ever.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let opened = self.beneath(&path, flags).map_err(|errno| refusal(&path, errno))?;
        let stat = fstat(&opened).map_err(|errno| refusal(&path, errno))?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => list(&path, opened).map(Found::Directory),
            FileType::RegularFile => Ok(Found::File(File::from(opened), size(&stat))),
            _ => Err(Problem::new(
                Code::Conflict,
                format!("`{}` is neither a file nor a directory", path.display()),
            )),
        }
    }

    /// Makes a file with this content, or replaces one, whole or not at all. A link in its place is replaced, not followed. Says
    /// whether it is new.
    pub fn put(&self, path: &str, content: &[u8]) -> Result<bool, Problem> {
        if content.len() > MAX_FILE {
            return Err(Problem::new(
                Code::PayloadTooLarge,
                format!("a file has at most {MAX_FILE} bytes here"),
            ));
        }
        self.write(&relative(Path::new(path))?, content, None)
    }

    /// The same for a path that was checked; with these permissions, before the umask, or those that it has.
    fn write(&self, path: &Path, content: &[u8], permissions: Option<u32>) -> Result<bool, Problem> {
        let failed = |errno| refusal(path, errno);
        let (directory, name) = self.place(path)?;
        let there = statat(&directory, &name, AtFlags::SYMLINK_NOFOLLOW).ok();
        let mode = match there.map(|stat| (FileType::from_raw_mode(stat.st_mode), stat.st_mode)) {
            Some((FileType::Directory, _)) => {
                return Err(Problem::new(Code::Conflict, format!("`{}` is a directory", path.display())));
            }
            Some((FileType::RegularFile, mode)) if permissions.is_none() => Some(mode & 0o777),
            _ => None,
        };
        // Hosts in containers have the same process number, and may share a volume.
        let fresh = format!(".parallax-{}", uuid::Uuid::new_v4());
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let new = Mode::from_raw_mode(permissions.unwrap_or(NEW_FILE));
        let file = openat(&directory, &fresh, flags, new).map_err(failed)?;
        let write = || {
            let mut file = File::from(file);
            file.write_all(content)?;
            if let Some(mode) = mode {
                rustix::fs::fchmod(&file, Mode::from_raw_mode(mode))?;
            }
            renameat(&directory, &fresh, &directory, &name)?;
            io::Result::Ok(())
        };
        write().map_err(|error| {
            // What is half written is nobody's, and may be gone already.
            let _ = unlinkat(&directory, &fresh, AtFlags::empty());
            refusal(path, Errno::from_io_error(&error).unwrap_or(Errno::IO))
        })?;
        Ok(there.is_none())
    }

    /// Removes a file, a link, or a directory that is empty.
    pub fn delete(&self, path: &str) -> Result<(), Problem> {
        let path = relative(Path::new(path))?;
        let (directory, name) = self.place(&path)?;
        let removed = match unlinkat(&directory, &name, AtFlags::empty()) {
            Err(Errno::ISDIR) => unlinkat(&directory, &name, AtFlags::REMOVEDIR),
            removed => removed,
        };
        removed.map_err(|errno| refusal(&path, errno))
    }

    /// The directory that a path stands in, and its name there.
    fn place(&self, path: &Path) -> Result<(OwnedFd, OsString), Problem> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(Problem::invalid("path", "name a file below the agent's working directory"));
        };
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = self.beneath(parent, flags).map_err(|errno| refusal(path, errno))?;
        Ok((directory, name.to_owned()))
    }

    fn beneath(&self, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        self.opened(path, flags, Links::Followed)
    }

    fn opened(&self, path: &Path, flags: OFlags, links: Links) -> Result<OwnedFd, Errno> {
        for _ in 0..MAX_TRIES {
            match os::open_beneath(self.0.as_fd(), path, flags, links) {
                // Something above it was renamed meanwhile: the kernel could not tell. An agent may do that without end.
                Err(Errno::AGAIN) => {}
                opened => return opened,
            }
        }
        Err(Errno::AGAIN)
    }
}

fn list(path: &Path, directory: OwnedFd) -> Result<FileList, Problem> {
    let failed = |errno| refusal(path, errno);
    let mut names: Vec<Vec<u8>> = Vec::new();
    for entry in Dir::read_from(&directory).map_err(failed)?.take(MAX_NAMES) {
        let name = entry.map_err(failed)?.file_name().to_bytes().to_vec();
        if name != b"." && name != b".." {
            names.push(name);
        }
    }
    names.sort_unstable();
    let truncated = names.len() > MAX_ENTRIES;
    names.truncate(MAX_ENTRIES);
    // One that is gone by now is left out.
    let entries = names.into_iter().filter_map(|name| {
        let name = OsString::from_vec(name);
        let stat = statat(&directory, &name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        Some(FileEntry {
            name: name.to_string_lossy().into_owned(),
            kind: match FileType::from_raw_mode(stat.st_mode) {
                FileType::RegularFile => FileKind::File,
                FileType::Directory => FileKind::Directory,
                FileType::Symlink => FileKind::Link,
                _ => FileKind::Other,
            },
            size: size(&stat),
            modified_at: Time::from_millis(stat.st_mtime.saturating_mul(1000)),
        })
    });
    let entries = entries.collect();
    let path = if path == Path::new(".") { String::new() } else { path.to_string_lossy().into_owned() };
    Ok(FileList { path, entries, truncated })
}

fn size(stat: &Stat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or_default()
}

/// A path below the directory: no `..`, and nothing that begins above it.
fn relative(path: &Path) -> Result<PathBuf, Problem> {
    let is_below = path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    let bytes = path.as_os_str().as_bytes();
    if !is_below || bytes.contains(&0) || bytes.len() > 4095 {
        return Err(Problem::invalid(
            "path",
            "a path leads to something below the agent's working directory",
        ));
    }
    let path: PathBuf = path.components().filter(|part| *part != Component::CurDir).collect();
    Ok(if path.as_os_str().as_bytes().is_empty() { ".".into() } else { path })
}

fn refusal(path: &Path, errno: Errno) -> Problem {
    let path = path.display();
    match errno {
        Errno::NOENT | Errno::NOTDIR => Problem::new(Code::NotFound, format!("there is no `{path}`")),
        Errno::XDEV | Errno::LOOP => {
            Problem::invalid("path", format!("`{path}` leads out of the agent's working directory"))
        }
        Errno::ACCESS | Errno::PERM | Errno::ROFS => {
            Problem::new(Code::Conflict, format!("the agent's user may not do this with `{path}`"))
        }
        Errno::NOTEMPTY | Errno::EXIST => Problem::new(Code::Conflict, format!("`{path}` is not empty")),
        Errno::NOSPC | Errno::DQUOT => Problem::new(Code::StorageFull, "the disk is full"),
        Errno::AGAIN => {
            Problem::new(Code::Conflict, format!("the directories of `{path}` are being moved; try again"))
        }
        Errno::NAMETOOLONG => Problem::invalid("path", "a name in it is too long"),
        Errno::NOSYS => Problem::new(Code::Unsupported, "the kernel is too old for this: Linux 5.6 has it"),
        errno => Problem::internal(format!("`{path}`: {errno}")),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Read;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn content(found: Found) -> String {
        let Found::File(mut file, size) = found else { panic!("{found:?}") };
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text.len() as u64, size);
        text
    }

    #[test]
    fn nothing_leads_out() {
        let place = tempfile::tempdir().unwrap();
        let (root, outside) = (place.path().join("root"), place.path().join("outside"));
        fs::create_dir_all(root.join("inner")).unwrap();
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("secret"), "s").unwrap();
        fs::write(root.join("inner/plain"), "p").unwrap();
        symlink("inner/plain", root.join("within")).unwrap();
        symlink("../outside/secret", root.join("up")).unwrap();
        symlink(&outside, root.join("out")).unwrap();
        symlink("/proc/self/root", root.join("magic")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        let files = Files::open(&root).unwrap();
        assert_eq!(content(files.get("within").unwrap()), "p", "a link within is followed");
        assert_eq!(content(files.get("./inner//plain").unwrap()), "p");
        for path in ["up", "out", "out/secret", "magic", "magic/etc/passwd", "loop", "loop/x"] {
            assert_eq!(files.get(path).unwrap_err().code, Code::Validation, "{path}");
        }
        for path in ["out/new", "magic/tmp/new", "loop/new"] {
            assert_eq!(files.put(path, b"x").unwrap_err().code, Code::Validation, "{path}");
            assert_eq!(files.delete(path).unwrap_err().code, Code::Validation, "{path}");
        }
        for path in [
            "..",
            "../outside/secret",
            "/etc/passwd",
            "inner/../../outside/secret",
            "a\0b",
            &"x/".repeat(2500),
        ] {
            assert_eq!(files.get(path).unwrap_err().code, Code::Validation, "{path}");
            assert_eq!(files.put(path, b"x").unwrap_err().code, Code::Validation, "{path}");
            assert_eq!(files.delete(path).unwrap_err().code, Code::Validation, "{path}");
        }
        // A link in the place of a file goes; what it led to stays.
        assert!(!files.put("up", b"mine").unwrap());
        files.delete("out").unwrap();
        assert_eq!(fs::read_to_string(outside.join("secret")).unwrap(), "s");
        assert_eq!(fs::read_to_string(root.join("up")).unwrap(), "mine");
        // The directory is the one that was opened, whatever stands in its place.
        fs::rename(&root, place.path().join("moved")).unwrap();
        symlink(&outside, &root).unwrap();
        assert_eq!(files.get("secret").unwrap_err().code, Code::NotFound);
        assert_eq!(content(files.get("within").unwrap()), "p");
    }

    #[test]
    fn files_are_listed_written_and_removed() {
        let root = tempfile::tempdir().unwrap();
        let files = Files::open(root.path()).unwrap();
        assert!(files.put("new", b"one").unwrap());
        fs::set_permissions(root.path().join("new"), fs::Permissions::from_mode(0o755)).unwrap();
        assert!(!files.put("new", b"three").unwrap());
        assert_eq!(fs::metadata(root.path().join("new")).unwrap().permissions().mode() & 0o777, 0o755);
        fs::create_dir(root.path().join("dir")).unwrap();
        symlink("/etc", root.path().join("link")).unwrap();
        assert!(
            std::process::Command::new("mkfifo").arg(root.path().join("pipe")).status().unwrap().success()
        );
        assert_eq!(files.get("pipe").unwrap_err().code, Code::Conflict);
        let Found::Directory(list) = files.get("").unwrap() else { panic!("it is one") };
        let shown: Vec<_> = list.entries.iter().map(|entry| (entry.name.as_str(), entry.kind)).collect();
        assert_eq!(
            shown,
            [
                ("dir", FileKind::Directory),
                ("link", FileKind::Link),
                ("new", FileKind::File),
                ("pipe", FileKind::Other)
            ]
        );
        assert_eq!((list.entries[2].size, list.truncated), (5, false));
        assert_eq!(files.put("dir", b"x").unwrap_err().code, Code::Conflict);
        assert_eq!(files.put("none/new", b"x").unwrap_err().code, Code::NotFound);
        assert_eq!(files.put("", b"x").unwrap_err().code, Code::Validation);
        files.put("dir/inner", b"x").unwrap();
        assert_eq!(files.delete("dir").unwrap_err().code, Code::Conflict);
        for path in ["dir/inner", "dir", "new", "link"] {
            files.delete(path).unwrap();
        }
        assert_eq!(files.delete("new").unwrap_err().code, Code::NotFound);
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1, "the pipe");
    }
}
