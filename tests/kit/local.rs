//! The local backend: a `parallax-runtime-local` of its own, in a directory of its own.

use std::fs;
use std::path::{Path, PathBuf};

use parallax_api::AgentId;
use parallax_api::runtime::RuntimeKind;
use tempfile::TempDir;
use tokio::sync::Mutex;

use crate::backend::{ServerOptions, TestBackend};
use crate::server::Server;
use crate::{processes, programs};

/// A local runtime and its agents.
#[derive(Debug)]
pub struct LocalBackend {
    url: String,
    server: Mutex<Server>,
    directory: Directory,
}

impl LocalBackend {
    /// A backend whose server has these arguments as well.
    pub async fn start_with_args(args: &[&str]) -> Self {
        Self::start_with(args, &[], |_| {}).await
    }

    /// The same, with these variables, and a home that `prepare` makes ready before the server starts.
    pub async fn start_with(args: &[&str], env: &[(&str, String)], prepare: impl FnOnce(&Path)) -> Self {
        let directory = Directory::new();
        prepare(directory.path());
        let profiles = write_profiles(directory.path());
        let state = directory.path().join("state");
        let mut server = Server::new("parallax-runtime-local", directory.path()).args(&[
            "--state-dir",
            &state.to_string_lossy(),
            "--profiles",
            &profiles.to_string_lossy(),
        ]);
        server = server.args(args);
        for (name, value) in env {
            server = server.env(name, value.as_str());
        }
        let backend = Self { url: server.url(), server: Mutex::new(server), directory };
        backend.start_server(ServerOptions::default()).await;
        backend
    }

    /// The directory that everything of this backend is in: home, workdir, state, profiles.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }
}

impl TestBackend for LocalBackend {
    const KIND: RuntimeKind = RuntimeKind::Local;

    async fn start() -> Self {
        Self::start_with(&[], &[], |_| {}).await
    }

    fn server(&self) -> &Mutex<Server> {
        &self.server
    }

    fn url(&self) -> String {
        self.url.clone()
    }

    async fn kill_process(&self, _agent: &AgentId, pid: u32) {
        processes::kill(pid);
    }

    async fn process_lives(&self, _agent: &AgentId, pid: u32) -> bool {
        processes::lives(pid)
    }

    async fn leftovers(&self) -> Vec<String> {
        let server = self.server.lock().await.pid();
        let running = processes::within_directory(self.directory.path());
        let running = running.into_iter().filter(|process| Some(process.pid) != server);
        let mut left: Vec<String> =
            running.map(|process| format!("process {}: {}", process.pid, process.command)).collect();
        sockets(self.directory.path(), &mut left);
        left
    }
}

/// A directory of a test's own. At the end nothing runs in it any more: what a failed test left is killed.
#[derive(Debug)]
pub struct Directory(TempDir);

impl Directory {
    /// A new one. Not within the system's directory for temporary files: Codex does not like its home to be there. The
    /// path is short: sockets go into it.
    #[expect(clippy::new_without_default, reason = "it makes a directory, which a default should not")]
    pub fn new() -> Self {
        let made = tempfile::Builder::new().prefix("px-").tempdir_in("/var/tmp");
        Self(made.expect("a directory can be made in /var/tmp"))
    }

    /// A new one with this path, where nothing is yet. Whose environment or command line names it is killed at the end.
    pub fn at(path: &Path) -> Self {
        let (parent, name) = path.parent().zip(path.file_name()).expect("it is the path of a directory");
        let made = tempfile::Builder::new().prefix(name).rand_bytes(0).tempdir_in(parent);
        Self(made.unwrap_or_else(|error| panic!("cannot make {}: {error}", path.display())))
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        for process in processes::within_directory(self.0.path()) {
            processes::kill(process.pid);
        }
    }
}

/// Writes the profiles that tests use into `directory`: the fake agent's, with the program that was built.
pub fn write_profiles(directory: &Path) -> PathBuf {
    write_fake_as(directory, "fake")
}

/// Writes the fake agent's profile under another type's name, so that it is taken for that CLI.
pub fn write_fake_as(directory: &Path, name: &str) -> PathBuf {
    let profiles = directory.join("profiles");
    fs::create_dir_all(&profiles).expect("the directory can be written");
    let program = programs::program("parallax-fake-agent");
    let fake = include_str!("../profiles/fake.toml")
        .replace("program = \"parallax-fake-agent\"", &format!("program = {:?}", program.to_string_lossy()))
        .replace("name = \"fake\"", &format!("name = {name:?}"));
    // The real ones know how to edit unasked.
    let fake = if name == "fake" { fake } else { fake.replace("ask = []\n", "ask = []\nedits = []\n") };
    fs::write(profiles.join(format!("{name}.toml")), fake).expect("the directory can be written");
    profiles
}

fn sockets(dir: &Path, found: &mut Vec<String>) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => sockets(&path, found),
            Ok(_) if path.extension().is_some_and(|extension| extension == "sock") => {
                found.push(format!("socket {}", path.display()));
            }
            _ => {}
        }
    }
}
