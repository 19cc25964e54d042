//! What `make dist` makes, installed, used and removed where there is nothing else: `make test-dist`.
//!
//! `PARALLAX_DIST` is the directory with it. Containers have no network: what is installed is all there is.

mod clients;
mod containers;
mod script;

use std::path::{Path, PathBuf};

/// The file of `make dist` whose name begins and ends like this. Panics when there is not exactly one.
fn artefact(begins: &str, ends: &str) -> PathBuf {
    let mut found: Vec<PathBuf> = artefacts()
        .into_iter()
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with(begins) && name.ends_with(ends)
        })
        .collect();
    assert_eq!(found.len(), 1, "{begins}…{ends}: {found:?}");
    found.remove(0)
}

fn artefacts() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dist()).expect("PARALLAX_DIST can be read");
    entries.map(|entry| entry.expect("it can be read").path()).collect()
}

fn dist() -> PathBuf {
    let dist = std::env::var("PARALLAX_DIST").expect("make test-dist says where the packages are");
    Path::new(&dist).to_owned()
}
