//! Agents that bend what git keeps of their checkout, so that the server's git looks or writes elsewhere.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};

use parallax_api::workspace::{CommitRequest, DiffQuery, PushRequest, WorkspaceKeep};
use parallax_workspace::Outcome;

use crate::bed::{Bed, commit, git, invalid};

fn everything(message: &str) -> CommitRequest {
    CommitRequest { message: message.into(), author: None }
}

/// A `.git` that leads to a neighbour, to the main checkout, or to another repository: nothing is committed, shown or removed there.
#[tokio::test]
async fn a_git_file_that_leads_elsewhere_is_refused() {
    let bed = Bed::new();
    let (bent, victim) = (bed.create("bent").await, bed.create("victim").await);
    fs::write(victim.directory().join("precious"), "p").unwrap();
    let foreign = bed.repository.with_file_name("foreign");
    fs::create_dir(&foreign).unwrap();
    git(&foreign, &["init", "--quiet", "--initial-branch=main"]);
    fs::write(foreign.join("file"), "f").unwrap();
    commit(&foreign, "theirs");
    let heads =
        || [&foreign, &bed.repository, victim.directory()].map(|place| git(place, &["rev-parse", "HEAD"]));
    let before = (heads(), bed.untouched());
    let own = fs::read_to_string(bent.directory().join(".git")).unwrap();
    let kept = bed.repository.join(".git/worktrees/bent");
    let common = fs::read_to_string(kept.join("commondir")).unwrap();

    let at = bent.directory().join(".git");
    let leads_to = |place: String| fs::write(&at, format!("gitdir: {place}\n")).unwrap();
    let bends: [&dyn Fn(); 6] = [
        &|| leads_to(bed.repository.join(".git/worktrees/victim").display().to_string()),
        &|| leads_to(bed.repository.join(".git").display().to_string()),
        &|| leads_to(foreign.join(".git").display().to_string()),
        &|| {
            fs::remove_file(&at).unwrap();
            symlink(foreign.join(".git"), &at).unwrap();
        },
        &|| {
            fs::remove_file(&at).unwrap();
            symlink(victim.directory().join(".git"), &at).unwrap();
        },
        &|| fs::write(kept.join("commondir"), foreign.join(".git").to_str().unwrap()).unwrap(),
    ];
    for (number, bend) in bends.into_iter().enumerate() {
        bend();
        fs::write(bent.directory().join("mine"), number.to_string()).unwrap();
        assert!(bent.commit(&everything("mine")).await.is_err(), "{number}");
        assert!(bent.changes().await.is_err(), "{number}");
        assert!(bent.diff(&DiffQuery::default()).await.is_err(), "{number}");
        assert!(bed.workspaces.push(&bent, &PushRequest::default()).await.is_err(), "{number}");
        for keep in [WorkspaceKeep::Changed, WorkspaceKeep::Never] {
            assert!(!matches!(bed.workspaces.finish("bent", keep).await, Ok(Outcome::Removed)), "{number}");
        }
        assert_eq!((heads(), bed.untouched()), before, "{number}");
        drop(fs::remove_file(&at));
        fs::write(&at, &own).unwrap();
        fs::write(kept.join("commondir"), &common).unwrap();
    }
    assert!(victim.directory().join("precious").exists() && foreign.join("file").exists());
    // As it was, it is good again.
    bent.commit(&everything("mine")).await.unwrap();
    assert_eq!(bent.changes().await.unwrap().ahead, 1);
}

/// An index that names files outside of the worktree does not have them shown, nor committed.
#[tokio::test]
async fn an_index_names_files_of_the_worktree_only() {
    let bed = Bed::new();
    let workspace = bed.create("a").await;
    fs::write(bed.root.join("secret"), "the secret\n").unwrap();
    let blob = git(workspace.directory(), &["rev-parse", "HEAD:common.txt"]);
    // Git does not take such a name, so it is written in place of one as long.
    for (name, out) in [("xx_secret", "../secret"), ("x_hooks/x", ".git/hook")] {
        git(
            workspace.directory(),
            &["update-index", "--add", "--cacheinfo", &format!("100644,{blob},{name}")],
        );
        let index = bed.repository.join(".git/worktrees/a/index");
        let mut bytes = fs::read(&index).unwrap();
        let at = bytes.windows(name.len()).position(|found| found == name.as_bytes()).unwrap();
        bytes[at..at + name.len()].copy_from_slice(out.as_bytes());
        let end = bytes.len() - 20;
        bytes.truncate(end);
        bytes.extend(sha1(&bytes));
        fs::write(&index, bytes).unwrap();
        for answer in [
            workspace.diff(&DiffQuery::default()).await.map(drop),
            workspace.changes().await.map(drop),
            workspace.commit(&everything("out")).await.map(drop),
        ] {
            assert!(invalid(answer).contains(out), "{out}");
        }
        fs::remove_file(index).unwrap();
        git(workspace.directory(), &["reset", "--quiet"]);
    }
    assert_eq!(workspace.changes().await.unwrap().ahead, 0);
}

fn sha1(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut program = Command::new("sha1sum").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    program.stdin.take().unwrap().write_all(bytes).unwrap();
    let output = program.wait_with_output().unwrap();
    let hex = std::str::from_utf8(&output.stdout[..40]).unwrap();
    (0..40).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// A link in place of the index leads a commit nowhere.
#[tokio::test]
async fn an_index_that_is_a_link_is_not_written() {
    let bed = Bed::new();
    let workspace = bed.create("a").await;
    let (index, outside) = (bed.repository.join(".git/worktrees/a/index"), bed.root.join("outside"));
    fs::rename(&index, &outside).unwrap();
    symlink(&outside, &index).unwrap();
    let before = fs::read(&outside).unwrap();
    fs::write(workspace.directory().join("new"), "new").unwrap();
    assert!(invalid(workspace.commit(&everything("new")).await).contains("index"));
    assert_eq!(fs::read(&outside).unwrap(), before);
}

/// A repository that says it is a part of another one has nothing fetched: that would run what it names.
#[tokio::test]
async fn what_is_missing_is_not_fetched() {
    let bed = Bed::new();
    let (trap, sprung) = crate::bed::trap(&bed);
    let workspace = bed.create("a").await;
    let blob = git(&bed.repository, &["rev-parse", "HEAD:common.txt"]);
    for (key, value) in [
        ("core.repositoryFormatVersion", "1"),
        ("extensions.partialClone", "evil"),
        ("remote.evil.promisor", "true"),
        ("remote.evil.url", "ssh://x@127.0.0.1/x"),
        ("core.sshCommand", trap.as_str()),
    ] {
        git(&bed.repository, &["config", key, value]);
    }
    fs::remove_file(bed.repository.join(".git/objects").join(&blob[..2]).join(&blob[2..])).unwrap();
    fs::write(workspace.directory().join("common.txt"), "changed\n").unwrap();
    assert!(workspace.diff(&DiffQuery::default()).await.is_err());
    drop(workspace.changes().await);
    drop(bed.workspaces.finish("a", WorkspaceKeep::Changed).await);
    assert!(!sprung.exists(), "{}", fs::read_to_string(&sprung).unwrap());
}

/// Large files are not read into memory, whatever the repository says.
#[tokio::test]
async fn a_large_file_is_a_binary_one() {
    let bed = Bed::new();
    let workspace = bed.create("a").await;
    git(&bed.repository, &["config", "core.bigFileThreshold", "100g"]);
    fs::write(workspace.directory().join("large"), "a line\n".repeat(10 << 20)).unwrap();
    fs::write(workspace.directory().join("small"), "a line\n").unwrap();
    let changes = workspace.changes().await.unwrap();
    let counted: Vec<_> = changes.files.iter().map(|file| (file.path.as_str(), file.added)).collect();
    assert_eq!(counted, [("large", None), ("small", Some(1))]);
}
