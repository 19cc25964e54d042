//! Files with one JSON object a line, to which is appended only: the file that is written, and the one before it.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};

use crate::regular_file;

/// A file of this size is set aside, and a new one begun.
const MAX_BYTES: u64 = 64 * 1024 * 1024;
/// A longer line is not one of ours: a message has at most one mebibyte, escaped. Servers read no longer ones either, and lines are sent to
/// them as they stand.
const MAX_LINE: usize = 16 * 1024 * 1024;

/// The file that is written.
pub struct NdjsonFile {
    /// There is none before the first line: most agents are never sent a message.
    file: Option<File>,
    path: PathBuf,
    len: u64,
    #[cfg(test)]
    is_full: bool,
}

impl NdjsonFile {
    /// Gives the lines that are there to `take`, heals the end, and goes on behind it. `take` returns whether a line is
    /// valid: a damaged one is skipped and stays in the file. Also returns whether the last line was half a line.
    pub fn open(path: &Path, mut take: impl FnMut(&[u8]) -> bool) -> io::Result<(Self, bool)> {
        read(&before(path), &mut take)?;
        let found = read(path, &mut take)?;
        let file = match regular_file::open(File::options().append(true), path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            opened => Some(opened?),
        };
        // Half a line is cut off. To shorten a file needs no room.
        file.as_ref().map_or(Ok(()), |file| file.set_len(found.len))?;
        let mut file = Self {
            file,
            path: path.into(),
            len: found.len,
            #[cfg(test)]
            is_full: false,
        };
        if found.lacks_newline
            && let Err(error) = file.append(b"\n")
        {
            // The next line would be joined to this one, and both be lost.
            tracing::warn!(path = %path.display(), %error, "the last line cannot be ended, and is cut off");
            file.len = found.last_line;
            file.cut()?;
        }
        Ok((file, found.is_cut))
    }

    /// Appends whole lines, or nothing.
    pub fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        #[cfg(test)]
        if self.is_full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        if self.len > 0 && self.len + lines.len() as u64 > MAX_BYTES {
            fs::rename(&self.path, before(&self.path))?;
            (self.file, self.len) = (None, 0);
        }
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(regular_file::open(File::options().create(true).append(true), &self.path)?),
        };
        if let Err(error) = file.write_all(lines) {
            // Part of it may have been written.
            self.cut()?;
            return Err(error);
        }
        self.len += lines.len() as u64;
        Ok(())
    }

    /// Makes what was written durable.
    pub fn sync(&self) -> io::Result<()> {
        self.file.as_ref().map_or(Ok(()), File::sync_all)
    }

    /// Takes off what is no whole line.
    fn cut(&self) -> io::Result<()> {
        self.file.as_ref().map_or(Ok(()), |file| file.set_len(self.len))
    }

    #[cfg(test)]
    pub(crate) fn fail_writes(&mut self, is_full: bool) {
        self.is_full = is_full;
    }
}

/// The file that was set aside.
fn before(path: &Path) -> PathBuf {
    path.with_extension("ndjson.1")
}

/// What a file consists of.
#[derive(Default)]
struct Found {
    /// The length of its whole lines.
    len: u64,
    /// Where the last of them begins.
    last_line: u64,
    /// The last whole line has everything but its end.
    lacks_newline: bool,
    /// Half a line follows.
    is_cut: bool,
}

fn read(path: &Path, take: &mut impl FnMut(&[u8]) -> bool) -> io::Result<Found> {
    let file = match regular_file::open(File::options().read(true), path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::default()),
        Err(error) => return Err(error),
    };
    if file.metadata()?.len() > MAX_BYTES + MAX_LINE as u64 {
        let found = format!("{} is not a file that a host wrote", path.display());
        return Err(io::Error::new(io::ErrorKind::InvalidData, found));
    }
    let mut reader = BufReader::new(file);
    let mut found = Found::default();
    let mut skipped = 0_u64;
    let mut line = Vec::new();
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        let is_ended = line.ends_with(b"\n");
        let is_valid = line.len() <= MAX_LINE && take(&line);
        if !is_valid && !is_ended {
            found.is_cut = true;
            break;
        }
        found.last_line = found.len;
        found.len += line.len() as u64;
        found.lacks_newline = !is_ended;
        skipped += u64::from(!is_valid);
    }
    if skipped > 0 {
        tracing::warn!(path = %path.display(), skipped, "damaged lines are skipped");
    }
    Ok(found)
}
