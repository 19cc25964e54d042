//! What goes at the end, and what stays.

use std::fs;

use parallax_api::workspace::WorkspaceKeep;
use parallax_workspace::{Outcome, WorkspaceError, Workspaces};

use crate::bed::{Bed, commit, git};

#[tokio::test]
async fn at_the_end_only_what_is_elsewhere_goes() {
    let bed = Bed::new();
    let before = bed.untouched();
    let remote = bed.repository.with_file_name("remote.git");
    git(&bed.repository, &["init", "--quiet", "--bare", remote.to_str().unwrap()]);
    git(&bed.repository, &["remote", "add", "origin", remote.to_str().unwrap()]);
    for id in ["clean", "untracked", "modified", "committed", "merged", "pushed", "never", "always", "moved"]
    {
        bed.create(id).await;
    }
    let directory = |id: &str| bed.root.join(id);
    let branch = |id: &str| bed.workspaces.get(id).unwrap().record().branch.clone();
    fs::write(directory("untracked").join("new"), "n").unwrap();
    fs::write(directory("modified").join("common.txt"), "m").unwrap();
    for id in ["committed", "merged", "pushed", "never", "moved"] {
        fs::write(directory(id).join(id), id).unwrap();
        commit(&directory(id), id);
    }
    git(&bed.repository, &["branch", "kept", &branch("merged")]);
    git(&directory("pushed"), &["push", "--quiet", "origin", "HEAD:review"]);
    git(&directory("moved"), &["switch", "--quiet", "--detach", "main"]);
    let kept_branch = branch("committed");

    // As the next server.
    let workspaces = Workspaces::open(&bed.root).unwrap();
    for (id, keep, expected) in [
        ("clean", WorkspaceKeep::Changed, None),
        ("untracked", WorkspaceKeep::Changed, Some("not committed")),
        ("modified", WorkspaceKeep::Changed, Some("not committed")),
        ("committed", WorkspaceKeep::Changed, Some("1 of its commits")),
        ("merged", WorkspaceKeep::Changed, None),
        ("pushed", WorkspaceKeep::Changed, None),
        ("never", WorkspaceKeep::Never, None),
        ("always", WorkspaceKeep::Always, Some("asked for")),
        ("moved", WorkspaceKeep::Changed, Some("1 of its commits")),
    ] {
        let outcome = workspaces.finish(id, keep).await.unwrap();
        match (&outcome, expected) {
            (Outcome::Removed, None) => {
                assert!(!directory(id).exists(), "{id}");
                assert!(matches!(workspaces.get(id), Err(WorkspaceError::NotFound(_))));
            }
            (Outcome::Kept(why), Some(words)) => {
                assert!(why.contains(words) && directory(id).exists(), "{id}: {why}");
            }
            _ => panic!("{id}: {outcome:?}"),
        }
    }
    assert_eq!(bed.worktrees(), 5, "{}", git(&bed.repository, &["worktree", "list"]));
    let branches = bed.branches();
    assert!(branches.contains(&kept_branch) && branches.contains(&"kept".to_owned()), "{branches:?}");
    assert_eq!(branches.len(), 7, "{branches:?}");
    assert_eq!(bed.untouched(), before);
}

#[tokio::test]
async fn an_end_that_was_refused_or_cut_short_is_done_again() {
    let bed = Bed::new();
    let changed = WorkspaceKeep::Changed;
    // Git removes no worktree with submodules.
    bed.create("refused").await;
    let modules = bed.repository.join(".git/worktrees/refused/modules");
    fs::create_dir_all(modules.join("x")).unwrap();
    for _ in 0..2 {
        let refused = bed.workspaces.finish("refused", changed).await;
        assert!(matches!(refused, Err(WorkspaceError::Refused(_))), "{refused:?}");
        let list = git(&bed.repository, &["worktree", "list", "--porcelain"]);
        assert!(list.contains("locked parallax agent refused"), "{list}");
    }
    fs::remove_dir_all(modules).unwrap();
    assert_eq!(bed.workspaces.finish("refused", changed).await.unwrap(), Outcome::Removed);
    // Killed after the unlock.
    let unlocked = bed.create("unlocked").await;
    git(&bed.repository, &["worktree", "unlock", unlocked.directory().to_str().unwrap()]);
    assert_eq!(bed.workspaces.finish("unlocked", changed).await.unwrap(), Outcome::Removed);
    // Killed while the directory was emptied.
    let halved = bed.create("halved").await;
    fs::remove_file(halved.directory().join(".git")).unwrap();
    fs::remove_file(halved.directory().join("common.txt")).unwrap();
    fs::write(halved.directory().join("precious"), "p").unwrap();
    let outcome = bed.workspaces.finish("halved", changed).await.unwrap();
    assert!(matches!(outcome, Outcome::Kept(_)) && halved.directory().join("precious").exists());
    fs::remove_file(halved.directory().join("precious")).unwrap();
    drop(fs::remove_file(halved.directory().join(".git")));
    assert_eq!(bed.workspaces.finish("halved", changed).await.unwrap(), Outcome::Removed);
    // What git knew of it is gone, too.
    let forgotten = bed.create("forgotten").await;
    fs::remove_dir_all(bed.repository.join(".git/worktrees/forgotten")).unwrap();
    fs::remove_file(forgotten.directory().join(".git")).unwrap();
    assert!(bed.workspaces.finish("forgotten", changed).await.is_err());
    assert!(forgotten.directory().join("common.txt").exists());
    for file in ["common.txt", "old name.txt", "inner/file"] {
        fs::remove_file(forgotten.directory().join(file)).unwrap();
    }
    assert_eq!(bed.workspaces.finish("forgotten", changed).await.unwrap(), Outcome::Removed);
    assert_eq!((bed.worktrees(), bed.branches()), (0, vec!["main".to_owned()]));
    assert_eq!(fs::read_dir(&bed.root).unwrap().count(), 0);
}
