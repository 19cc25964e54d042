//! Opening files where an agent can put anything: a pipe would be waited for, a device never ends.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::OFlags;

/// Opens a regular file, at once whatever stands there.
///
/// # Errors
/// `InvalidData` for what is no regular file, and whatever the system says.
pub fn open(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    let at_once = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    let file = options.custom_flags(at_once).open(path)?;
    if file.metadata()?.is_file() {
        return Ok(file);
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, format!("{} is not a regular file", path.display())))
}

/// The content of a regular file of at most so many bytes.
///
/// # Errors
/// Those of [`open`], and `FileTooLarge`.
pub fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    open(File::options().read(true), path)?.take(most + 1).read_to_end(&mut content)?;
    if content.len() as u64 > most {
        let detail = format!("{} has more than {most} bytes", path.display());
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, detail));
    }
    Ok(content)
}

/// Makes a file, or empties the regular file that is there.
///
/// # Errors
/// Those of [`open`].
pub fn create(path: &Path) -> io::Result<File> {
    open(File::options().write(true).create(true).truncate(true), path)
}

/// Makes or replaces the content of a regular file.
///
/// # Errors
/// Those of [`open`].
pub fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    create(path)?.write_all(content)
}

#[cfg(test)]
mod tests {
    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    #[test]
    fn a_pipe_is_not_waited_for_and_a_device_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let (pipe, device) = (dir.path().join("pipe"), dir.path().join("device"));
        mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        std::os::unix::fs::symlink("/dev/zero", &device).unwrap();
        for path in [&pipe, &device] {
            assert_eq!(read(path, 10).unwrap_err().kind(), io::ErrorKind::InvalidData);
            assert!(write(path, b"x").is_err());
        }
    }

    #[test]
    fn what_is_too_long_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        write(&path, b"12345").unwrap();
        assert_eq!(read(&path, 5).unwrap(), b"12345");
        assert_eq!(read(&path, 4).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        write(&path, b"1").unwrap();
        assert_eq!(read(&path, 4).unwrap(), b"1");
    }
}
