//! Directories as tar archives: what is in one, packed, and an archive unpacked into one.
//!
//! Both know plain files and directories, and nothing else: a link in an archive is the usual way out of a directory, and a
//! device or a set-user-id bit the usual way to more rights.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use parallax_api::files::{ARCHIVE_BYTES, ARCHIVE_ENTRIES, Unpacked};
use parallax_api::{Code, Problem};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, fstat, mkdirat, statat};
use rustix::io::Errno;

use super::{Files, refusal, relative, size};
use crate::os::Links;

/// Permissions that count in an archive: no set-user-id, set-group-id or sticky bit.
const PERMISSIONS: u32 = 0o777;
/// Bytes of all paths in an archive: they are in memory while it is read.
const MAX_PATHS: usize = 8 * 1024 * 1024;
/// Permissions of a new directory, before the umask.
const NEW_DIRECTORY: u32 = 0o777;

/// What is in a directory, found and counted, not read yet.
#[derive(Debug)]
pub struct Packing {
    /// The directory.
    below: Files,
    /// Paths below it, a directory before what is in it.
    paths: Vec<PathBuf>,
    /// What is there and is not packed: links, pipes, devices, and what could not be looked at.
    pub omitted: usize,
}

impl Files {
    /// Finds what is in a directory, to be packed.
    ///
    /// # Errors
    /// `CONFLICT` when it is a file; `PAYLOAD_TOO_LARGE` when there is more than an archive holds.
    pub fn packing(&self, path: &str) -> Result<Packing, Problem> {
        let path = relative(Path::new(path))?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = self.beneath(&path, flags).map_err(|errno| match errno {
            Errno::NOTDIR => Problem::new(
                Code::Conflict,
                format!("`{}` is no directory: get it as a file", path.display()),
            ),
            errno => refusal(&path, errno),
        })?;
        let below = Self(std::sync::Arc::new(opened));
        let mut packing = Packing { below, paths: Vec::new(), omitted: 0 };
        packing.find()?;
        Ok(packing)
    }

    /// Unpacks an archive into a directory, which is made where it is not there. The whole archive is checked before anything is
    /// written; each file is replaced whole or not at all.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` for what is no archive, for names that lead out, and for what is neither a file nor a directory.
    pub fn unpack(&self, path: &str, content: &[u8]) -> Result<Unpacked, Problem> {
        let base = relative(Path::new(path))?;
        let mut archive = tar::Archive::new(content);
        let mut seen = 0;
        for entry in archive.entries().map_err(no_archive)? {
            let mut entry = entry.map_err(no_archive)?;
            seen += 1;
            if seen > ARCHIVE_ENTRIES {
                return Err(too_much());
            }
            entry_kind(&entry)?;
            entry.header().mode().map_err(no_archive)?;
            // An archive that was cut short is found before anything of it is written.
            let expected = entry.size();
            if io::copy(&mut entry, &mut io::sink()).map_err(no_archive)? != expected {
                return Err(no_archive("it is cut short"));
            }
        }
        if seen == 0 {
            return Err(Problem::invalid("body", "it is no tar archive, or nothing is in it"));
        }
        self.make_directories(&base)?;
        let mut unpacked = Unpacked::default();
        for entry in tar::Archive::new(content).entries().map_err(no_archive)? {
            let mut entry = entry.map_err(no_archive)?;
            let Some((is_directory, name)) = entry_kind(&entry)? else { continue };
            let path = if base == Path::new(".") { name } else { base.join(name) };
            if is_directory {
                self.make_directories(&path)?;
                unpacked.directories += 1;
                continue;
            }
            if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
                self.make_directories(parent)?;
            }
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).map_err(no_archive)?;
            let mode = entry.header().mode().map_err(no_archive)? & PERMISSIONS;
            self.write(&path, &bytes, Some(mode | 0o600))?;
            unpacked.files += 1;
        }
        Ok(unpacked)
    }

    /// Makes a directory and those above it, as far as they are not there.
    fn make_directories(&self, path: &Path) -> Result<(), Problem> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let failed = |errno| match errno {
            Errno::NOTDIR => Problem::new(
                Code::Conflict,
                format!("`{}` needs a directory where there is a file", path.display()),
            ),
            errno => refusal(path, errno),
        };
        let mut parent = self.beneath(Path::new("."), flags).map_err(failed)?;
        let mut sofar = PathBuf::new();
        for part in path.components() {
            sofar.push(part);
            // The kernel is asked for each from the top: a part may be a link, or be moved meanwhile.
            parent = match self.beneath(&sofar, flags) {
                Err(Errno::NOENT) => {
                    match mkdirat(&parent, part.as_os_str(), Mode::from_raw_mode(NEW_DIRECTORY)) {
                        Ok(()) | Err(Errno::EXIST) => {}
                        Err(errno) => return Err(failed(errno)),
                    }
                    self.beneath(&sofar, flags).map_err(failed)?
                }
                opened => opened.map_err(failed)?,
            };
        }
        Ok(())
    }
}

/// Whether an entry is a directory, and its path; none for one that says nothing of a file.
fn entry_kind<R: Read>(entry: &tar::Entry<'_, R>) -> Result<Option<(bool, PathBuf)>, Problem> {
    let name = entry.path_bytes();
    let shown = String::from_utf8_lossy(&name).into_owned();
    let kind = entry.header().entry_type();
    if kind.is_pax_global_extensions() {
        return Ok(None);
    }
    if !(kind.is_file() || kind.is_contiguous() || kind.is_dir()) {
        let detail =
            format!("`{shown}` is neither a file nor a directory; links and devices are not unpacked");
        return Err(Problem::invalid("body", detail));
    }
    let path = relative(Path::new(OsStr::from_bytes(&name)))
        .map_err(|_| Problem::invalid("body", format!("`{shown}` leads out of where it is unpacked")))?;
    match (kind.is_dir(), path == Path::new(".")) {
        (true, true) => Ok(None),
        (false, true) => Err(Problem::invalid("body", "a file in it has no name")),
        (is_directory, false) => Ok(Some((is_directory, path))),
    }
}

impl Packing {
    fn find(&mut self) -> Result<(), Problem> {
        let (mut bytes, mut names, mut waiting) = (0_u64, 0_usize, vec![PathBuf::from(".")]);
        let mut length_of_paths = 0;
        while let Some(directory) = waiting.pop() {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NONBLOCK | OFlags::CLOEXEC;
            let opened = match self.open(&directory, flags) {
                Ok(opened) => opened,
                Err(errno) if directory == Path::new(".") => return Err(refusal(&directory, errno)),
                Err(_) => {
                    self.omitted += 1;
                    continue;
                }
            };
            let Ok(entries) = Dir::read_from(&opened) else {
                self.omitted += 1;
                continue;
            };
            let mut here = Vec::new();
            for entry in entries {
                let Ok(entry) = entry else {
                    self.omitted += 1;
                    break;
                };
                let name = entry.file_name().to_bytes();
                if name == b"." || name == b".." {
                    continue;
                }
                names += 1;
                if names > ARCHIVE_ENTRIES {
                    return Err(too_much());
                }
                here.push(name.to_vec());
            }
            here.sort_unstable();
            for name in here {
                let name = OsStr::from_bytes(&name);
                let path =
                    if directory == Path::new(".") { PathBuf::from(name) } else { directory.join(name) };
                let stat = statat(&opened, name, AtFlags::SYMLINK_NOFOLLOW);
                match stat.as_ref().map(|stat| FileType::from_raw_mode(stat.st_mode)) {
                    Ok(FileType::Directory) => waiting.push(path.clone()),
                    Ok(FileType::RegularFile) => {
                        bytes = bytes.saturating_add(stat.as_ref().map_or(0, size));
                    }
                    _ => {
                        self.omitted += 1;
                        continue;
                    }
                }
                length_of_paths += path.as_os_str().len();
                self.paths.push(path);
            }
            if bytes > ARCHIVE_BYTES || length_of_paths > MAX_PATHS {
                return Err(too_much());
            }
        }
        Ok(())
    }

    /// Writes the archive. A file that is gone by now is left out.
    ///
    /// # Errors
    /// When nobody reads it any more, or a file became shorter or much longer while it was read: what was written is then no
    /// whole archive.
    pub fn write(self, out: impl Write) -> io::Result<()> {
        let mut archive = tar::Builder::new(out);
        let mut left = ARCHIVE_BYTES;
        for path in &self.paths {
            let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
            let Ok(opened) = self.open(path, flags) else { continue };
            let Ok(stat) = fstat(&opened) else { continue };
            let mut header = tar::Header::new_gnu();
            header.set_mode(stat.st_mode & PERMISSIONS);
            header.set_mtime(u64::try_from(stat.st_mtime).unwrap_or_default());
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::Directory => {
                    header.set_entry_type(tar::EntryType::Directory);
                    header.set_size(0);
                    archive.append_data(&mut header, path, io::empty())?;
                }
                FileType::RegularFile => {
                    let length = size(&stat);
                    left = left.checked_sub(length).ok_or_else(|| io::Error::other("it became too large"))?;
                    header.set_entry_type(tar::EntryType::Regular);
                    header.set_size(length);
                    let mut content = Exactly { file: File::from(opened), left: length };
                    archive.append_data(&mut header, path, &mut content)?;
                }
                _ => {}
            }
        }
        archive.into_inner()?.flush()
    }

    /// A path without any link in it: what is a link by now was not when it was counted.
    fn open(&self, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        self.below.opened(path, flags, Links::Refused)
    }
}

/// As many bytes of a file as its header says, or an error.
struct Exactly {
    file: File,
    left: u64,
}

impl Read for Exactly {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        if wanted == 0 {
            return Ok(0);
        }
        match self.file.read(&mut buffer[..wanted])? {
            0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "a file became shorter")),
            count => {
                self.left -= count as u64;
                Ok(count)
            }
        }
    }
}

fn no_archive(error: impl std::fmt::Display) -> Problem {
    Problem::invalid("body", format!("it is no whole tar archive: {error}"))
}

fn too_much() -> Problem {
    Problem::new(
        Code::PayloadTooLarge,
        format!(
            "an archive holds at most {ARCHIVE_ENTRIES} files and directories, {} MiB together; name a directory further down",
            ARCHIVE_BYTES / (1024 * 1024)
        ),
    )
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn packed(files: &Files, path: &str) -> (Vec<u8>, usize) {
        let packing = files.packing(path).unwrap();
        let (mut bytes, omitted) = (Vec::new(), packing.omitted);
        packing.write(&mut bytes).unwrap();
        (bytes, omitted)
    }

    /// An archive of one entry, written byte by byte where the builder would refuse it.
    fn archive(kind: tar::EntryType, name: &str, link: Option<&str>, mode: u32, content: &[u8]) -> Vec<u8> {
        let mut header = tar::Header::new_gnu();
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        if let Some(link) = link {
            header.as_gnu_mut().unwrap().linkname[..link.len()].copy_from_slice(link.as_bytes());
        }
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(content.len() as u64);
        header.set_cksum();
        let mut builder = tar::Builder::new(Vec::new());
        builder.append(&header, content).unwrap();
        builder.into_inner().unwrap()
    }

    #[test]
    fn what_is_packed_is_unpacked_the_same() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let long = "deep/".repeat(60) + "end";
        let odd = OsStr::from_bytes(b"odd \xff\n-name");
        fs::create_dir_all(from.path().join(&long).parent().unwrap()).unwrap();
        fs::create_dir(from.path().join("empty")).unwrap();
        fs::write(from.path().join(&long), "deep").unwrap();
        fs::write(from.path().join(odd), "odd").unwrap();
        fs::write(from.path().join("run"), "#!").unwrap();
        fs::set_permissions(from.path().join("run"), fs::Permissions::from_mode(0o4755)).unwrap();
        symlink("/etc", from.path().join("out")).unwrap();
        symlink("run", from.path().join("within")).unwrap();
        let (bytes, omitted) = packed(&Files::open(from.path()).unwrap(), "");
        assert_eq!(omitted, 2, "the links");
        let target = Files::open(to.path()).unwrap();
        let unpacked = target.unpack("new/place", &bytes).unwrap();
        assert_eq!((unpacked.files, unpacked.directories), (3, 61));
        let there = to.path().join("new/place");
        assert_eq!(fs::read_to_string(there.join(&long)).unwrap(), "deep");
        assert_eq!(fs::read_to_string(there.join(odd)).unwrap(), "odd");
        assert!(there.join("empty").is_dir() && !there.join("out").exists());
        let mode = fs::metadata(there.join("run")).unwrap().permissions().mode();
        assert_eq!((mode & 0o7000, mode & 0o700), (0, 0o700));
        // Again, over what is there.
        target.unpack("new/place", &bytes).unwrap();
        assert_eq!(target.packing("new/place/run").unwrap_err().code, Code::Conflict);
    }

    #[test]
    fn nothing_of_a_hostile_archive_is_written() {
        use tar::EntryType;
        let place = tempfile::tempdir().unwrap();
        let (root, outside) = (place.path().join("root"), place.path().join("outside"));
        fs::create_dir_all(&root).unwrap();
        fs::create_dir(&outside).unwrap();
        symlink(&outside, root.join("out")).unwrap();
        let files = Files::open(&root).unwrap();
        let cases = [
            ("up", EntryType::Regular, "../outside/x", None),
            ("up within", EntryType::Regular, "a/../../outside/x", None),
            ("absolute", EntryType::Regular, "/tmp/x", None),
            ("through a link", EntryType::Regular, "out/x", None),
            ("directory through a link", EntryType::Directory, "out/x", None),
            ("symbolic link", EntryType::Symlink, "x", Some("/etc")),
            ("hard link", EntryType::Link, "x", Some("/etc/passwd")),
            ("device", EntryType::Char, "x", None),
            ("block device", EntryType::Block, "x", None),
            ("pipe", EntryType::Fifo, "x", None),
            ("no name", EntryType::Regular, ".", None),
        ];
        for (case, kind, name, link) in cases {
            // A good file before it: the archive is checked first. Only what is a link on the disk is found later.
            let mut bytes = archive(EntryType::Regular, "before", None, 0o644, b"x");
            bytes.truncate(1024);
            bytes.extend(archive(kind, name, link, 0o644, b""));
            let refused = files.unpack("", &bytes).unwrap_err();
            assert_eq!(refused.code, Code::Validation, "{case}: {refused:?}");
            let is_on_disk = name.starts_with("out/");
            assert_eq!(root.join("before").exists(), is_on_disk, "{case}");
            assert_eq!(fs::read_dir(&outside).unwrap().count(), 0, "{case}");
            fs::remove_file(root.join("before")).ok();
        }
        let good = archive(EntryType::Regular, "x", None, 0o644, &[b'x'; 2000]);
        for bytes in [&b""[..], b"no archive", &[b'x'; 4096], &good[..1500]] {
            assert_eq!(files.unpack("", bytes).unwrap_err().code, Code::Validation);
        }
        assert!(!root.join("x").exists());
        // A file in the place of a directory.
        fs::write(root.join("file"), "").unwrap();
        assert_eq!(files.unpack("file", &good).unwrap_err().code, Code::Conflict);
        assert_eq!(files.unpack("out", &good).unwrap_err().code, Code::Validation);
        assert_eq!(files.packing("out").unwrap_err().code, Code::Validation);
    }

    #[test]
    fn there_is_an_end_to_what_is_packed() {
        let root = tempfile::tempdir().unwrap();
        let large = File::create(root.path().join("large")).unwrap();
        large.set_len(ARCHIVE_BYTES + 1).unwrap();
        let files = Files::open(root.path()).unwrap();
        assert_eq!(files.packing("").unwrap_err().code, Code::PayloadTooLarge);
        large.set_len(10).unwrap();
        let packing = files.packing("").unwrap();
        // It grew after it was counted.
        large.set_len(ARCHIVE_BYTES + 1).unwrap();
        assert!(packing.write(io::sink()).is_err());
    }
}
