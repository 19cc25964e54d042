//! A repository with one commit, a place for workspaces, and plain git to compare with.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use parallax_api::workspace::WorkspaceKeep;
use parallax_workspace::{NewWorkspace, Workspace, WorkspaceError, Workspaces};
use tempfile::TempDir;

/// A repository with one commit, and a place for workspaces outside of it.
pub struct Bed {
    _dir: TempDir,
    pub repository: PathBuf,
    pub workspaces: Workspaces,
    pub root: PathBuf,
}

impl Bed {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let repository = dir.path().canonicalize().unwrap().join("repository");
        fs::create_dir(&repository).unwrap();
        git(&repository, &["init", "--quiet", "--initial-branch=main"]);
        fs::write(repository.join("common.txt"), "one\ntwo\nthree\n").unwrap();
        fs::write(repository.join("old name.txt"), "a\nb\nc\nd\ne\nf\n").unwrap();
        fs::create_dir(repository.join("inner")).unwrap();
        fs::write(repository.join("inner/file"), "x\n").unwrap();
        commit(&repository, "first");
        let root = dir.path().join("workspaces");
        let workspaces = Workspaces::open(&root).unwrap();
        Self { _dir: dir, repository, workspaces, root }
    }

    pub fn request(&self, id: &str) -> NewWorkspace {
        NewWorkspace {
            id: id.parse().unwrap(),
            name: "The Developer!".into(),
            repository: self.repository.clone(),
            reference: None,
            branch: None,
            keep: WorkspaceKeep::Changed,
            clone: None,
        }
    }

    pub async fn create(&self, id: &str) -> Workspace {
        self.workspaces.create(&self.request(id)).await.unwrap()
    }

    /// How the repository's own checkout stands.
    pub fn untouched(&self) -> (String, String, Vec<u8>) {
        let status = git(&self.repository, &["status", "--porcelain=v2", "--branch"]);
        let index = fs::read(self.repository.join(".git/index")).unwrap();
        (git(&self.repository, &["rev-parse", "HEAD"]), status, index)
    }

    pub fn worktrees(&self) -> usize {
        git(&self.repository, &["worktree", "list", "--porcelain"]).matches("worktree ").count() - 1
    }

    pub fn branches(&self) -> Vec<String> {
        let list = git(&self.repository, &["for-each-ref", "--format=%(refname:short)", "refs/heads"]);
        list.lines().map(str::to_owned).collect()
    }
}

pub fn git(directory: &Path, args: &[&str]) -> String {
    let identity = ["-c", "user.name=T", "-c", "user.email=t@example.com", "-c", "core.quotePath=false"];
    let output = Command::new("git").arg("-C").arg(directory).args(identity).args(args).output().unwrap();
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}

pub fn commit(directory: &Path, message: &str) {
    git(directory, &["add", "--all"]);
    git(directory, &["commit", "--quiet", "--message", message]);
}

/// A program that says when it ran, and the file where it says so.
pub fn trap(bed: &Bed) -> (String, PathBuf) {
    let (trap, sprung) = (bed.repository.with_file_name("trap.sh"), bed.repository.with_file_name("sprung"));
    fs::write(&trap, format!("#!/bin/sh\necho \"$0 $*\" >> '{}'\ncat\n", sprung.display())).unwrap();
    fs::set_permissions(&trap, fs::Permissions::from_mode(0o755)).unwrap();
    (trap.to_str().unwrap().to_owned(), sprung)
}

pub fn invalid<T: std::fmt::Debug>(result: Result<T, WorkspaceError>) -> String {
    match result.unwrap_err() {
        WorkspaceError::Invalid(why) => why,
        other => panic!("{other:?}"),
    }
}
