//! The files of a dead host that come from elsewhere as an archive (tar). The agent could write there as well, so that nothing
//! but plain files of a bounded size is taken.

use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::path::{Component, Path, PathBuf};

use parallax_api::Problem;
use tokio::io::AsyncWriteExt;

/// How much is taken, in bytes: the log is at most twice its limit of 64 MiB, and messages and journal come on top.
const MAX_BYTES: u64 = 512 * 1024 * 1024;
/// How many files are taken.
const MAX_FILES: usize = 10_000;

/// An archive that is being received.
pub struct PackedFiles {
    path: PathBuf,
    file: tokio::fs::File,
    size: u64,
}

impl PackedFiles {
    /// Begins one in `scratch`, an empty directory of the caller's.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn create(scratch: &Path) -> Result<Self, Problem> {
        let path = scratch.join("host.tar");
        let file = tokio::fs::File::create(&path).await.map_err(Problem::internal)?;
        Ok(Self { path, file, size: 0 })
    }

    /// Adds what came. False: there is more than is taken, and nothing more is needed.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn add(&mut self, part: &[u8]) -> Result<bool, Problem> {
        self.size += part.len() as u64;
        if self.size > MAX_BYTES {
            tracing::warn!("the files of a dead host are too large, and only their beginning is kept");
            return Ok(false);
        }
        self.file.write_all(part).await.map_err(Problem::internal)?;
        Ok(true)
    }

    /// Unpacks it beside itself, and says where. One that was cut off gives what it has.
    ///
    /// # Errors
    /// When the files cannot be written.
    pub async fn unpack(mut self) -> Result<PathBuf, Problem> {
        self.file.flush().await.map_err(Problem::internal)?;
        let to = self.path.with_file_name("host");
        let unpacking = tokio::task::spawn_blocking(move || {
            let unpacked = unpack(File::open(&self.path)?, &to);
            // What is left of it is removed with the scratch directory.
            drop(fs::remove_file(&self.path));
            unpacked.map(|()| to)
        });
        unpacking.await.map_err(Problem::internal)?.map_err(Problem::internal)
    }
}

/// Unpacks the plain files of an archive of one directory. An archive that was cut off gives what it has.
fn unpack(mut archive: impl Read + Seek, to: &Path) -> io::Result<()> {
    archive.rewind()?;
    fs::create_dir_all(to)?;
    let mut archive = tar::Archive::new(archive);
    let mut files = 0;
    for entry in archive.entries()? {
        let Ok(mut entry) = entry else { break };
        let path = entry.path()?.into_owned();
        // The first component is the directory itself.
        let inside: PathBuf = path.components().skip(1).collect();
        let is_plain = inside.components().all(|component| matches!(component, Component::Normal(_)));
        if !is_plain || inside.as_os_str().is_empty() || !entry.header().entry_type().is_file() {
            continue;
        }
        files += 1;
        if files > MAX_FILES {
            break;
        }
        let target = to.join(inside);
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent)?;
        }
        let mut file = File::options().write(true).create_new(true).open(&target)?;
        if io::copy(&mut entry, &mut file).is_err() {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn nothing_but_plain_files_below_the_directory() {
        let mut archive = tar::Builder::new(Vec::new());
        let mut add = |name: &str, kind: tar::EntryType, contents: &[u8]| {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(kind);
            header.set_size(contents.len() as u64);
            // `append_data` would refuse some of these names.
            header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
            if kind.is_symlink() {
                header.set_link_name("/etc/passwd").unwrap();
            }
            header.set_cksum();
            archive.append(&header, contents).unwrap();
        };
        add("host/", tar::EntryType::Directory, b"");
        add("host/journal", tar::EntryType::Regular, b"events");
        add("host/log/0", tar::EntryType::Regular, b"bytes");
        add("host/link", tar::EntryType::Symlink, b"");
        add("host/../../outside", tar::EntryType::Regular, b"no");
        add("/host/absolute", tar::EntryType::Regular, b"x");
        let mut packed = archive.into_inner().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let to = dir.path().join("to/host");
        unpack(Cursor::new(packed.clone()), &to).unwrap();
        assert_eq!(fs::read(to.join("journal")).unwrap(), b"events");
        assert_eq!(fs::read(to.join("log/0")).unwrap(), b"bytes");
        assert!(!to.join("link").exists() && !dir.path().join("outside").exists());
        assert!(!dir.path().join("to/outside").exists());
        // Cut off in the middle of the second file.
        packed.truncate(512 * 4 + 2);
        let to = dir.path().join("cut");
        unpack(Cursor::new(packed), &to).unwrap();
        assert_eq!(fs::read(to.join("journal")).unwrap(), b"events");
    }
}
