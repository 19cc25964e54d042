//! What was changed, and what would conflict, compared with plain git.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use parallax_api::workspace::{DiffAgainst, DiffQuery};
use parallax_workspace::WorkspaceError;

use crate::bed::{Bed, commit, git, invalid};

#[tokio::test]
async fn changes_and_diff_are_those_of_plain_git() {
    let bed = Bed::new();
    let workspace = bed.create("a").await;
    let top = workspace.directory();
    let clean = workspace.changes().await.unwrap();
    assert!(clean.files.is_empty() && !clean.dirty && clean.ahead == 0, "{clean:?}");
    assert_eq!(workspace.diff(&DiffQuery::default()).await.unwrap(), b"");

    // As long as before, most likely within the second of the checkout.
    fs::write(top.join("common.txt"), "one\nTWO\nthree\n").unwrap();
    assert_eq!(workspace.changes().await.unwrap().files.len(), 1);
    fs::write(top.join("common.txt"), "one\n2\nthree\nfour\n").unwrap();
    fs::rename(top.join("old name.txt"), top.join("new name.txt")).unwrap();
    commit(top, "work");
    fs::remove_file(top.join("inner/file")).unwrap();
    fs::write(top.join("bytes.bin"), [0, 1, 2, 0, 255]).unwrap();
    fs::write(top.join("-rf"), "dash\n").unwrap();
    fs::write(top.join("line\nbreak\tÄ"), "odd\n").unwrap();
    symlink("/etc/passwd", top.join("link")).unwrap();
    let index = fs::read(bed.repository.join(".git/worktrees/a/index")).unwrap();

    let changes = workspace.changes().await.unwrap();
    let shown: Vec<(&str, char, Option<u64>, Option<u64>)> = changes
        .files
        .iter()
        .map(|file| (file.path.as_str(), file.status, file.added, file.removed))
        .collect();
    assert_eq!(
        shown,
        [
            ("-rf", 'A', Some(1), Some(0)),
            ("bytes.bin", 'A', None, None),
            ("common.txt", 'M', Some(2), Some(1)),
            ("inner/file", 'D', Some(0), Some(1)),
            ("line\nbreak\tÄ", 'A', Some(1), Some(0)),
            ("link", 'A', Some(1), Some(0)),
            ("new name.txt", 'R', Some(0), Some(0)),
        ]
    );
    assert_eq!(changes.files[6].from.as_deref(), Some("old name.txt"));
    assert_eq!((changes.ahead, changes.behind, changes.dirty, changes.conflicted), (1, 0, true, false));
    assert_eq!(changes.head, git(top, &["rev-parse", "HEAD"]));
    assert_eq!(changes.branch.as_deref(), Some(workspace.record().branch.as_str()));
    assert_eq!(
        fs::read(bed.repository.join(".git/worktrees/a/index")).unwrap(),
        index,
        "the agent's index is its own"
    );

    let diff = String::from_utf8(workspace.diff(&DiffQuery::default()).await.unwrap()).unwrap();
    assert!(diff.contains("+/etc/passwd") && !diff.contains("root:"), "a link is shown, not followed");
    let of_file = DiffQuery { file: Some("-rf".into()), ..DiffQuery::default() };
    let of_file = String::from_utf8(workspace.diff(&of_file).await.unwrap()).unwrap();
    assert!(of_file.contains("+dash") && of_file.matches("diff --git").count() == 1, "{of_file}");
    let head = DiffQuery { against: Some(DiffAgainst::Head), ..DiffQuery::default() };
    assert!(!String::from_utf8(workspace.diff(&head).await.unwrap()).unwrap().contains("common.txt"));
    // Everything known to git: the same as plain git has it.
    git(top, &["add", "--all"]);
    let context = DiffQuery { context: Some(0), ..DiffQuery::default() };
    let plain = git(top, &["diff", "--unified=0", "--find-renames", &workspace.record().base]);
    assert_eq!(String::from_utf8(workspace.diff(&context).await.unwrap()).unwrap().trim_end(), plain);
    for path in ["../a/common.txt", "/etc/passwd", "inner/../../x"] {
        let out = DiffQuery { file: Some(path.into()), ..DiffQuery::default() };
        assert!(invalid(workspace.diff(&out).await).contains("out of the workspace"), "{path}");
    }

    fs::write(top.join("large"), "0123456789\n".repeat(1_000_000)).unwrap();
    assert!(matches!(workspace.diff(&DiffQuery::default()).await, Err(WorkspaceError::TooLong(_))));
    assert_eq!(workspace.changes().await.unwrap().files.len(), 8);
}

#[tokio::test]
async fn conflicts_and_commits_elsewhere_are_seen() {
    let bed = Bed::new();
    let workspace = bed.create("a").await;
    fs::write(bed.repository.join("common.txt"), "theirs\n").unwrap();
    commit(&bed.repository, "theirs");
    fs::write(workspace.directory().join("common.txt"), "mine\n").unwrap();
    commit(workspace.directory(), "mine");
    let changes = workspace.changes().await.unwrap();
    assert_eq!((changes.ahead, changes.behind), (1, 1));
    let merge = Command::new("git")
        .arg("-C")
        .arg(workspace.directory())
        .args(["-c", "user.name=T", "-c", "user.email=t@example.com", "merge", "main"])
        .output()
        .unwrap();
    assert!(!merge.status.success());
    assert!(workspace.changes().await.unwrap().conflicted);
}

/// Without what git does not know yet the answer would be another one.
#[tokio::test]
async fn what_cannot_be_looked_at_is_not_told_in_part() {
    let bed = Bed::new();
    let workspace = bed.cloned("a").await;
    let top = workspace.directory();
    fs::write(top.join("new"), "new\n").unwrap();
    git(top, &["repack", "-a", "-d", "--quiet"]);
    // Nor can the mark of a new file be written.
    fs::write(top.join(".git/objects/e6"), "").unwrap();
    for error in
        [workspace.changes().await.unwrap_err(), workspace.diff(&DiffQuery::default()).await.unwrap_err()]
    {
        assert!(matches!(&error, WorkspaceError::Conflict(why) if why.contains("is not known")), "{error:?}");
    }
    fs::remove_file(top.join(".git/objects/e6")).unwrap();
    assert_eq!(workspace.changes().await.unwrap().files.len(), 1);
}
