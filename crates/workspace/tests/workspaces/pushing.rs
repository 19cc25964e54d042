//! Pushing.

use std::fs;
use std::os::unix::fs::symlink;

use parallax_api::workspace::PushRequest;
use parallax_workspace::WorkspaceError;

use crate::bed::{Bed, commit, git, trap};

#[tokio::test]
async fn a_push_runs_nothing_of_a_repository_of_this_machine() {
    let bed = Bed::new();
    let target = bed.repository.with_file_name("target");
    git(bed.repository.parent().unwrap(), &["clone", "--quiet", "repository", "target"]);
    git(&bed.repository, &["remote", "add", "origin", target.to_str().unwrap()]);
    let (trap, sprung) = trap(&bed);
    fs::write(target.join(".git/info/attributes"), "* filter=evil\n").unwrap();
    for (key, value) in [
        ("receive.denyCurrentBranch", "updateInstead"),
        ("core.fsmonitor", &trap),
        ("filter.evil.smudge", &trap),
        ("filter.evil.clean", &trap),
        ("gc.recentObjectsHook", &trap),
        ("gc.auto", "1"),
    ] {
        git(&target, &["-c", "core.fsmonitor=false", "config", key, value]);
    }
    symlink(&trap, target.join(".git/hooks/push-to-checkout")).unwrap();
    let workspace = bed.create("a").await;
    fs::write(workspace.directory().join("common.txt"), "mine\n").unwrap();
    commit(workspace.directory(), "mine");
    let checked_out = PushRequest { branch: Some("main".into()), ..PushRequest::default() };
    let refused = bed.workspaces.push(&workspace, &checked_out).await;
    assert!(!sprung.exists(), "{}", fs::read_to_string(&sprung).unwrap());
    assert!(matches!(refused, Err(WorkspaceError::Refused(_))), "{refused:?}");
    bed.workspaces.push(&workspace, &PushRequest::default()).await.unwrap();
    assert!(!sprung.exists(), "{}", fs::read_to_string(&sprung).unwrap());
    let pushed = git(&target, &["-c", "core.fsmonitor=false", "rev-parse", &workspace.record().branch]);
    assert_eq!(pushed, git(workspace.directory(), &["rev-parse", "HEAD"]));
}

#[tokio::test]
async fn a_push_without_a_branch_is_to_the_one_that_was_made() {
    let bed = Bed::new();
    let remote = bed.repository.with_file_name("remote.git");
    git(&bed.repository, &["init", "--quiet", "--bare", remote.to_str().unwrap()]);
    git(&bed.repository, &["remote", "add", "origin", remote.to_str().unwrap()]);
    let workspace = bed.create("a").await;
    git(workspace.directory(), &["switch", "--quiet", "--create", "production"]);
    let refused = bed.workspaces.push(&workspace, &PushRequest::default()).await;
    assert!(
        matches!(&refused, Err(WorkspaceError::Conflict(why)) if why.contains("name a `branch`")),
        "{refused:?}"
    );
    let named = PushRequest { branch: Some("production".into()), ..PushRequest::default() };
    assert_eq!(bed.workspaces.push(&workspace, &named).await.unwrap().branch, "production");
    git(workspace.directory(), &["switch", "--quiet", &workspace.record().branch]);
    let pushed = bed.workspaces.push(&workspace, &PushRequest::default()).await.unwrap();
    assert_eq!(pushed.branch, workspace.record().branch);
}
