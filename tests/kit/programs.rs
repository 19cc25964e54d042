//! The programs of the workspace as they were last built, for tests that start them.

use std::fs;
use std::path::PathBuf;

/// The program of that name. Panics, saying how to build it, when it is not there.
pub fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a running program has a file");
    // Tests are in `deps/`, programs one above.
    let found = test.ancestors().skip(1).take(2).map(|dir| dir.join(name)).find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("{name} is not built: run `cargo build --workspace --bins` first"))
}

/// The host as one static file, for containers and pods. Panics, saying how to build it, when it is not there.
pub fn static_host() -> PathBuf {
    let target = directory().parent().expect("programs are in a profile's directory").to_owned();
    // Below the name of what it is built for, of which there may be others.
    let mine = format!("{}-", std::env::consts::ARCH);
    let targets = fs::read_dir(&target).expect("the target directory can be read").flatten();
    let mut hosts = targets
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(&mine))
        .map(|entry| entry.path().join("host/parallax-agent-host"))
        .filter(|host| host.is_file());
    hosts
        .next()
        .unwrap_or_else(|| panic!("there is no static host in {}: run `make host` first", target.display()))
}

/// The directory that the programs are in, to put on `PATH`.
pub fn directory() -> PathBuf {
    program("parallax-fake-agent").parent().expect("a file is in a directory").to_owned()
}
