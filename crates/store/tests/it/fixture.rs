//! State directories with a database that the first released schema wrote: 57 events of three agents, keys, a run.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

pub const CONTROL_PLANE: &[u8] = include_bytes!("../fixtures/control-plane.db");
pub const RUNTIME: &[u8] = include_bytes!("../fixtures/runtime.db");

/// A state directory with this database in it.
pub fn directory(name: &str, database: &[u8]) -> TempDir {
    let dir = TempDir::new().unwrap();
    std::fs::write(dir.path().join(name), database).unwrap();
    dir
}

/// The databases that were set aside in this directory.
pub fn set_aside(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let is_aside = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        name.contains(".db.damaged-") && !name.ends_with("-wal")
    };
    entries.filter(is_aside).collect()
}
