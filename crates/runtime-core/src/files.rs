//! Reading directories that others write.
//!
//! An agent runs as the same user as its host and can put anything into its directory: links, devices, pipes, files without
//! end. Files are opened relative to a directory that is held open, links are not followed, only plain files are read, and
//! every read has a bound.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{CWD, Dir, FileType, Mode, OFlags, fstat, openat};

/// Names that are read of one directory at most.
const MAX_NAMES: usize = 10_000;

/// A directory whose content is not to be trusted.
#[derive(Debug)]
pub struct UntrustedDir(OwnedFd);

impl UntrustedDir {
    /// Opens the directory `path`; the last part of the path must not be a link.
    ///
    /// # Errors
    /// When there is no such directory, or it cannot be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(openat(CWD, path, directory_flags(), Mode::empty())?))
    }

    /// Opens a directory in this one.
    ///
    /// # Errors
    /// As [`UntrustedDir::open`].
    pub fn dir(&self, name: &str) -> io::Result<Self> {
        Ok(Self(openat(&self.0, name, directory_flags(), Mode::empty())?))
    }

    /// Opens a plain file in this directory for reading.
    ///
    /// # Errors
    /// When there is none, or it is a link, a device or a pipe.
    pub fn file(&self, name: &str) -> io::Result<File> {
        // Without waiting: a pipe that nobody writes to would hold this up for ever.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = openat(&self.0, name, flags, Mode::empty())?;
        match FileType::from_raw_mode(fstat(&file)?.st_mode) {
            FileType::RegularFile => Ok(File::from(file)),
            _ => Err(io::Error::new(io::ErrorKind::InvalidData, format!("{name} is not a plain file"))),
        }
    }

    /// The whole content of a file.
    ///
    /// # Errors
    /// As [`UntrustedDir::file`], and when it has more than `limit` bytes.
    pub fn read(&self, name: &str, limit: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.file(name)?.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > limit {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("{name} has more than {limit} bytes"),
            ));
        }
        Ok(bytes)
    }

    /// The last `limit` bytes of a file.
    ///
    /// # Errors
    /// As [`UntrustedDir::file`].
    pub fn tail(&self, name: &str, limit: u64) -> io::Result<Vec<u8>> {
        let mut file = self.file(name)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(limit)))?;
        let mut bytes = Vec::new();
        file.take(limit).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// The names in this directory that are text, in no order, and not more than ten thousand.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.0)?.take(MAX_NAMES) {
            if let Ok(name) = entry?.file_name().to_str() {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }
}

fn directory_flags() -> OFlags {
    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_devices_pipes_and_endless_files_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        std::fs::write(path("plain"), "hello").unwrap();
        symlink("plain", path("link")).unwrap();
        symlink("/dev/zero", path("zero")).unwrap();
        symlink(dir.path(), path("dir")).unwrap();
        let pipe = std::process::Command::new("mkfifo").arg(path("pipe")).status().unwrap();
        assert!(pipe.success());
        let untrusted = UntrustedDir::open(dir.path()).unwrap();
        assert_eq!(untrusted.read("plain", 5).unwrap(), b"hello");
        assert_eq!(untrusted.tail("plain", 2).unwrap(), b"lo");
        assert_eq!(untrusted.read("plain", 4).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        for name in ["link", "zero", "pipe", "dir", "none"] {
            assert!(untrusted.read(name, 100).is_err(), "{name}");
        }
        assert!(untrusted.dir("dir").is_err());
        assert!(UntrustedDir::open(&path("dir")).is_err());
        let mut names = untrusted.names().unwrap();
        names.retain(|name| !name.starts_with('.'));
        names.sort();
        assert_eq!(names, ["dir", "link", "pipe", "plain", "zero"]);
    }
}
