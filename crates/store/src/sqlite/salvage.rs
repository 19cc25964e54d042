//! Repairing a damaged database: what can be read is copied into a new file, and the damaged one is set aside under
//! another name. It is never deleted.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use parallax_api::Time;
use rusqlite::config::DbConfig;
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, params_from_iter};

use super::errors::{OpenError, is_busy, is_full};
use super::migrate;
use super::schema::{Schema, Table};
use crate::StorageHealth;

/// Rows between two readable ones that are looked up one by one.
const MAX_LOOKED_UP: i64 = 200_000;

/// Copies what is readable of the database at `path` into a new one, sets the old one aside and puts the new one in its
/// place.
pub(super) fn salvage(
    path: &Path,
    schema: &Schema,
    why: &OpenError,
    health: &StorageHealth,
) -> Result<(), OpenError> {
    let new = new_path(path);
    remove_files(&new);
    let copied = copy(path, &new, schema, why);
    if copied.is_err() {
        remove_files(&new);
    }
    let copied = copied?;
    let aside = replace(path, &new).map_err(|error| OpenError::Damaged(format!("{why}; {error}")))?;
    health.report_damage(format!(
        "the database {} was set aside as {}: {why}; read from it: {}",
        file_name(path),
        file_name(&aside),
        if copied.is_empty() { "nothing".into() } else { copied.join(", ") },
    ));
    Ok(())
}

/// Where the new file is made.
pub(super) fn new_path(path: &Path) -> PathBuf {
    with_suffix(path, ".new")
}

/// Ends a replacement that a crash interrupted between its two renames: the new file is whole, the old one is aside.
pub(super) fn finish(path: &Path) {
    let new = new_path(path);
    if !path.exists()
        && new.exists()
        && let Err(error) = fs::rename(&new, path)
    {
        tracing::error!(%error, "failed to put the repaired database in its place");
    }
}

/// Renames the file at `path` (if there is one) out of the way and `new` into its place. Returns the name aside.
pub(super) fn replace(path: &Path, new: &Path) -> io::Result<PathBuf> {
    let stamp = Time::now().to_string().replace([':', '-'], "");
    let aside = (0..)
        .map(|number| match number {
            0 => with_suffix(path, &format!(".damaged-{stamp}")),
            number => with_suffix(path, &format!(".damaged-{stamp}-{number}")),
        })
        .find(|aside| !aside.exists())
        .expect("some number is free");
    // The write-ahead log belongs to the database and is found by its name. Its index can be made again.
    for suffix in ["-wal", ""] {
        match fs::rename(with_suffix(path, suffix), with_suffix(&aside, suffix)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    remove_if_there(&with_suffix(path, "-shm"));
    fs::rename(new, path)?;
    if let Some(dir) = path.parent() {
        // The renames are on the disk before anything is written to the new file.
        fs::File::open(dir)?.sync_all()?;
    }
    Ok(aside)
}

/// Removes a file that was not finished, with the files beside it.
pub(super) fn remove_files(path: &Path) {
    for suffix in ["", "-wal", "-shm", "-journal"] {
        remove_if_there(&with_suffix(path, suffix));
    }
}

fn remove_if_there(path: &Path) {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(path = %path.display(), %error, "failed to remove a temporary file");
        }
        Ok(()) | Err(_) => {}
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Copies every readable row. Returns how many of which table there were.
fn copy(path: &Path, new: &Path, schema: &Schema, why: &OpenError) -> Result<Vec<String>, OpenError> {
    fs::OpenOptions::new().create(true).append(true).open(new).and_then(|file| private(&file)).map_err(
        |error| {
            OpenError::Sqlite(rusqlite::Error::SqliteFailure(
                rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL),
                Some(error.to_string()),
            ))
        },
    )?;
    let mut target = Connection::open(new)?;
    target.pragma_update(None, "synchronous", "full")?;
    migrate::migrate(&mut target, schema)?;
    let mut copied = Vec::new();
    let transaction = target.transaction()?;
    match open_damaged(path) {
        Ok(source) => {
            for table in schema.tables {
                let count = copy_table(&source, &transaction, table)?;
                if count > 0 {
                    copied.push(format!("{count} of `{}`", table.name));
                }
            }
        }
        // Somebody else has it open: what is in it can be read later.
        Err(error) if is_busy(&error) => return Err(error.into()),
        Err(error) => tracing::error!(%error, "nothing can be read of the damaged database"),
    }
    // A newer file is whole. A damaged one may have lost its last events, whose numbers are given out again.
    (schema.after_loss)(&transaction, matches!(why, OpenError::Newer { .. }))?;
    transaction.commit()?;
    target.close().map_err(|(_, error)| error)?;
    Ok(copied)
}

fn private(file: &fs::File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(fs::Permissions::from_mode(0o600))
}

/// Opens the damaged file with its write-ahead log, and leaves both as they are.
fn open_damaged(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let source = Connection::open_with_flags(path, flags)?;
    source.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    source.pragma_update(None, "locking_mode", "exclusive")?;
    source.pragma_update(None, "wal_autocheckpoint", 0)?;
    source.query_row("SELECT count(*) FROM sqlite_master", [], |_| Ok(()))?;
    Ok(source)
}

/// Copies a table from both of its ends, and around the damage in between where its rows have numbers.
fn copy_table(source: &Connection, target: &Connection, table: &Table) -> rusqlite::Result<usize> {
    let columns: Vec<&str> = {
        let known = columns_of(source, table.name);
        table
            .columns
            .iter()
            .copied()
            .filter(|column| *column == "rowid" || known.iter().any(|k| k == column))
            .collect()
    };
    if columns.is_empty() || columns == ["rowid"] {
        return Ok(0);
    }
    let names = columns.join(", ");
    let marks = vec!["?"; columns.len()].join(", ");
    let insert = format!("INSERT OR IGNORE INTO {} ({names}) VALUES ({marks})", table.name);
    let mut insert = target.prepare(&insert)?;
    let mut copy = Copy { insert: &mut insert, width: columns.len(), count: 0, failure: None };
    let by = |order: &str| format!("SELECT {names} FROM {} ORDER BY {} {order}", table.name, table.key);
    let numbered = columns.first().is_some_and(|first| *first == table.key);
    let first_bad = copy.rows(source, &by("ASC"), None);
    if let Some(from) = first_bad {
        let until = copy.rows(source, &by("DESC"), from.as_ref());
        let between = (from.as_ref().and_then(number), until.flatten().as_ref().and_then(number));
        if let (true, (Some(from), Some(until))) = (numbered, between) {
            let one = format!("SELECT {names} FROM {} WHERE {} = ?", table.name, table.key);
            for key in (from + 1..until).take(usize::try_from(MAX_LOOKED_UP).unwrap_or(usize::MAX)) {
                copy.one(source, &one, key);
            }
        }
    }
    match copy.failure.take() {
        Some(error) => Err(error),
        None => Ok(copy.count),
    }
}

fn number(value: &Value) -> Option<i64> {
    match value {
        Value::Integer(number) => Some(*number),
        _ => None,
    }
}

fn columns_of(source: &Connection, table: &str) -> Vec<String> {
    let read = || -> rusqlite::Result<Vec<String>> {
        let mut select = source.prepare("SELECT name FROM pragma_table_info(?)")?;
        select.query_map([table], |row| row.get(0))?.collect()
    };
    // A schema that cannot be read means that no row can.
    read().unwrap_or_default()
}

struct Copy<'a, 'b> {
    insert: &'a mut rusqlite::Statement<'b>,
    width: usize,
    count: usize,
    /// The target takes no more.
    failure: Option<rusqlite::Error>,
}

impl Copy<'_, '_> {
    /// Copies rows until the end (none), or until damage: then the first column of the last row read. Stops at `until`.
    fn rows(&mut self, source: &Connection, select: &str, until: Option<&Value>) -> Option<Option<Value>> {
        let mut last = None;
        let Ok(mut select) = source.prepare(select) else { return Some(last) };
        let Ok(mut rows) = select.query([]) else { return Some(last) };
        loop {
            match rows.next() {
                Ok(Some(row)) => {
                    let Some(values) = self.values(row) else { continue };
                    if until.is_some_and(|until| values.first() == Some(until)) {
                        return Some(last);
                    }
                    last = values.first().cloned();
                    if !self.put(&values) {
                        return None;
                    }
                }
                Ok(None) => return None,
                Err(_damage) => return Some(last),
            }
        }
    }

    fn one(&mut self, source: &Connection, select: &str, key: i64) {
        if self.failure.is_some() {
            return;
        }
        let Ok(mut select) = source.prepare_cached(select) else { return };
        let Ok(mut rows) = select.query([key]) else { return };
        if let Ok(Some(row)) = rows.next()
            && let Some(values) = self.values(row)
        {
            self.put(&values);
        }
    }

    fn values(&self, row: &rusqlite::Row<'_>) -> Option<Vec<Value>> {
        (0..self.width).map(|column| row.get(column).ok()).collect()
    }

    /// Writes a row; one that the table does not take is left out. False when nothing can be written any more.
    fn put(&mut self, values: &[Value]) -> bool {
        match self.insert.execute(params_from_iter(values)) {
            Ok(rows) => self.count += rows,
            Err(error) if is_full(&error) => {
                self.failure = Some(error);
                return false;
            }
            Err(error) => tracing::warn!(%error, "a row of the damaged database is left out"),
        }
        true
    }
}
