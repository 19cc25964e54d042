//! A worktree is made: from what, on which branch, and what is refused.

use std::fs;
use std::path::PathBuf;

use futures::future::join_all;
use parallax_workspace::{NewWorkspace, Workspaces};

use crate::bed::{Bed, commit, git, invalid};

#[tokio::test(flavor = "multi_thread")]
async fn eight_at_once_are_on_eight_branches_of_one_commit() {
    let bed = Bed::new();
    let before = bed.untouched();
    let ids: Vec<String> = (0..8).map(|number| format!("0190-agent-{number}")).collect();
    let workspaces = join_all(ids.iter().map(|id| bed.create(id))).await;
    for (number, workspace) in workspaces.iter().enumerate() {
        assert_eq!(workspace.record().base, before.0);
        assert_eq!(workspace.record().branch, format!("parallax/the-developer-agent-{number}"));
        assert!(workspace.directory().starts_with(bed.root.canonicalize().unwrap()));
        assert_eq!(
            git(workspace.directory(), &["symbolic-ref", "--short", "HEAD"]),
            workspace.record().branch
        );
        fs::write(workspace.directory().join("common.txt"), format!("by {number}\n")).unwrap();
        commit(workspace.directory(), "mine");
    }
    assert_eq!(bed.untouched(), before, "the main checkout is as it was");
    assert_eq!((bed.worktrees(), bed.branches().len()), (8, 9));
    let listed = Workspaces::open(&bed.root).unwrap().list().unwrap();
    assert_eq!(
        listed.iter().map(|one| one.record().id.to_string()).collect::<Vec<_>>(),
        ids,
        "for the next server, too"
    );
}

#[tokio::test]
async fn it_begins_with_what_the_caller_has() {
    let bed = Bed::new();
    git(&bed.repository, &["switch", "--quiet", "--create", "feature"]);
    fs::write(bed.repository.join("feature.txt"), "f").unwrap();
    commit(&bed.repository, "feature");
    fs::write(bed.repository.join("uncommitted.txt"), "u").unwrap();
    let workspace = bed.create("a").await;
    assert!(workspace.directory().join("feature.txt").exists());
    assert!(!workspace.directory().join("uncommitted.txt").exists());
    assert_eq!(workspace.record().base_branch.as_deref(), Some("refs/heads/feature"));

    let older =
        NewWorkspace { reference: Some("main".into()), branch: Some("mine/x".into()), ..bed.request("b") };
    let older = bed.workspaces.create(&older).await.unwrap();
    assert!(!older.directory().join("feature.txt").exists());
    assert_eq!(older.record().branch, "mine/x");

    // From an agent's worktree: what that one has, not what the main checkout has.
    fs::write(workspace.directory().join("nested.txt"), "n").unwrap();
    commit(workspace.directory(), "nested");
    let nested = NewWorkspace { repository: workspace.directory().into(), ..bed.request("c") };
    let nested = bed.workspaces.create(&nested).await.unwrap();
    assert!(nested.directory().join("nested.txt").exists());

    git(&bed.repository, &["switch", "--quiet", "--detach", "main"]);
    let detached = bed.create("d").await;
    assert_eq!(
        (detached.record().base_branch.as_deref(), &detached.record().base),
        (None, &older.record().base)
    );
}

#[tokio::test]
async fn what_cannot_be_is_refused_and_leaves_nothing() {
    let bed = Bed::new();
    let at = |repository: PathBuf| NewWorkspace { repository, ..bed.request("a") };
    let words = invalid(bed.workspaces.create(&at(bed.repository.join("inner"))).await);
    assert!(words.contains("name that one"), "never the repository around it: {words}");
    let nothing = bed.repository.with_file_name("nothing");
    assert!(invalid(bed.workspaces.create(&at(nothing.clone())).await).contains("cannot be opened"));
    fs::create_dir(&nothing).unwrap();
    assert!(invalid(bed.workspaces.create(&at(nothing)).await).contains("no git repository"));
    for (branch, words) in [
        ("-x", "cannot be the name"),
        ("a b", "cannot be the name"),
        ("a..b", "cannot be the name"),
        ("../x", "cannot be the name"),
        ("HEAD", "cannot be the name"),
        ("main", "already"),
    ] {
        let request = NewWorkspace { branch: Some(branch.into()), ..bed.request("a") };
        assert!(invalid(bed.workspaces.create(&request).await).contains(words), "{branch}");
    }
    for reference in ["nowhere", "--output=/tmp/x", "HEAD:common.txt", "-"] {
        let request = NewWorkspace { reference: Some(reference.into()), ..bed.request("a") };
        assert!(invalid(bed.workspaces.create(&request).await).contains("no commit"), "{reference}");
    }
    for id in ["", "../a", "-a", "a/b", "a.json"] {
        assert!(invalid(bed.workspaces.get(id)).contains("an id has"), "{id}");
    }
    bed.create("a").await;
    assert!(invalid(bed.workspaces.create(&bed.request("a")).await).contains("already"));
    assert_eq!((bed.worktrees(), bed.branches().len()), (1, 2));
    assert_eq!(fs::read_dir(&bed.root).unwrap().count(), 2, "one workspace and its record");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_at_once_on_one_branch_one_has_it() {
    for _ in 0..4 {
        let bed = Bed::new();
        let on = |id: &str| NewWorkspace { branch: Some("wanted".into()), ..bed.request(id) };
        let (one, two) = (on("one"), on("two"));
        let (one, two) = tokio::join!(bed.workspaces.create(&one), bed.workspaces.create(&two));
        let (made, refused) = if one.is_ok() { (one, two) } else { (two, one) };
        assert!(invalid(refused).contains("already"));
        let made = made.unwrap();
        assert_eq!(git(made.directory(), &["rev-parse", "wanted"]), made.record().base);
        assert_eq!((bed.worktrees(), bed.branches().len()), (1, 2));
        assert_eq!(fs::read_dir(&bed.root).unwrap().count(), 2, "one workspace and its record");
    }
}
