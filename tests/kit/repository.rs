//! A repository for agents, and plain git to compare with.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use parallax_api::client::Client;
use parallax_api::workspace::{CommitRequest, WorkspaceRequest};
use parallax_api::{Agent, SpawnRequest};

use crate::local::LocalBackend;
use crate::user::Spawned;

/// Bash as an agent, as the examples have it.
const SHELL: &str = include_str!("../../examples/profiles/shell.toml");

/// A repository with a bare one for its `origin`, and one commit in both.
pub struct Repository {
    /// Its top directory.
    pub path: PathBuf,
    /// The bare one.
    pub origin: PathBuf,
    /// How its checkout stood at first.
    pub before: Checkout,
}

/// How a checkout stands.
#[derive(Debug, PartialEq, Eq)]
pub struct Checkout {
    /// The commit that is checked out.
    pub head: String,
    status: String,
    index: Vec<u8>,
}

impl Repository {
    /// In `directory`, with a change in its checkout that is not committed.
    pub fn new(directory: &Path) -> Self {
        let directory = directory.canonicalize().expect("it is there");
        let (path, origin) = (directory.join("project"), directory.join("origin.git"));
        git(&directory, &["init", "--quiet", "--bare", "--initial-branch=main", "origin.git"]);
        git(&directory, &["clone", "--quiet", "origin.git", "project"]);
        git(&path, &["switch", "--quiet", "--create", "main"]);
        fs::write(path.join("common.txt"), "one\ntwo\nthree\n").expect("written");
        fs::write(path.join("README"), "a project\n").expect("written");
        git(&path, &["add", "--all"]);
        git(&path, &["commit", "--quiet", "--message", "first"]);
        git(&path, &["push", "--quiet", "origin", "main"]);
        fs::write(path.join("README"), "a project, changed by its owner\n").expect("written");
        let before = Checkout::of(&path);
        Self { path, origin, before }
    }

    /// A shell with a workspace of it.
    pub fn request(&self, name: &str) -> SpawnRequest {
        let workspace = WorkspaceRequest {
            repo: self.path.to_string_lossy().into_owned(),
            ..WorkspaceRequest::default()
        };
        SpawnRequest {
            name: name.into(),
            r#type: "shell".into(),
            workspace: Some(workspace),
            ..SpawnRequest::default()
        }
    }

    /// The worktrees beside the main one.
    pub fn worktrees(&self) -> Vec<String> {
        let list = git(&self.path, &["worktree", "list", "--porcelain"]);
        list.lines().filter_map(|line| line.strip_prefix("worktree ")).skip(1).map(str::to_owned).collect()
    }

    /// The branches of agents.
    pub fn branches(&self) -> Vec<String> {
        let list = git(&self.path, &["for-each-ref", "--format=%(refname:short)", "refs/heads/parallax"]);
        list.lines().map(str::to_owned).collect()
    }

    /// Fails when its own checkout is not as it was.
    pub fn untouched(&self) {
        assert_eq!(Checkout::of(&self.path), self.before, "the main checkout is not touched");
    }
}

impl Checkout {
    fn of(path: &Path) -> Self {
        Self {
            head: git(path, &["rev-parse", "HEAD"]),
            status: git(path, &["status", "--porcelain=v2", "--branch"]),
            index: fs::read(path.join(".git/index")).expect("it has an index"),
        }
    }
}

/// Plain git.
pub fn git(directory: &Path, args: &[&str]) -> String {
    let output = Command::new("git")
        .arg("-C")
        .arg(directory)
        .args(["-c", "user.name=T", "-c", "user.email=t@example.com", "-c", "core.quotePath=false"])
        .args(args)
        .env("GIT_OPTIONAL_LOCKS", "0")
        .output()
        .expect("git runs");
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim_end_matches('\n').to_owned()
}

/// Makes the shell a type of agents.
pub fn with_shell(directory: &Path) {
    let profiles = directory.join("profiles");
    fs::create_dir_all(&profiles).expect("made");
    fs::write(profiles.join("shell.toml"), SHELL).expect("written");
}

/// A local runtime with shells.
pub async fn local() -> LocalBackend {
    LocalBackend::start_with(&[], &[], with_shell).await
}

/// Where an agent works.
pub fn place(agent: &Agent) -> PathBuf {
    agent.workdir.as_deref().expect("it has one").into()
}

/// The branch that it was given.
pub fn branch(agent: &Agent) -> String {
    agent.workspace.as_ref().expect("it has one").branch.clone()
}

/// Commits everything that an agent has changed.
pub async fn committed(client: &Client, agent: &Spawned, message: &str) -> String {
    let request = CommitRequest { message: message.into(), author: Some("Dev <dev@example.com>".into()) };
    client.commit(&agent.id, &request).await.expect("there is something to commit").commit
}
