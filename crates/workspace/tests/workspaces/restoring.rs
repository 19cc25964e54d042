//! A store that another server had: taken over with what that one knew, its repository fetched anew.

use std::fs;

use parallax_api::AgentId;
use parallax_api::workspace::{PushRequest, WorkspaceKeep};
use parallax_workspace::{
    CloneOptions, Credentials, Ending, KeptWorkspace, NewWorkspace, Workspace, WorkspaceError, Workspaces,
};

use crate::bed::{Bed, commit, git};

/// A store of `repository` as it is kept, with a name and a password.
async fn kept(bed: &Bed, id: &str) -> KeptWorkspace {
    let credentials = Credentials { username: "git".into(), password: "pass-word".into() };
    let options = CloneOptions { is_store: true, credentials: Some(credentials), ..CloneOptions::default() };
    let new = NewWorkspace { clone: Some(options), keep: WorkspaceKeep::Always, ..bed.request(id) };
    bed.workspaces.create(&new).await.unwrap();
    bed.workspaces.kept(id).unwrap()
}

fn elsewhere(bed: &Bed) -> Workspaces {
    Workspaces::open(&bed.root.with_file_name("elsewhere")).unwrap()
}

#[tokio::test]
async fn commits_are_taken_and_pushed_from_elsewhere() {
    let bed = Bed::new();
    let kept = kept(&bed, "carried").await;
    assert!(!format!("{kept:?}").contains("pass-word"));
    let there = Workspaces::open(&bed.root.with_file_name("agent")).unwrap();
    let store = bed.workspaces.get("carried").unwrap();
    let packed = bed.workspaces.pack(&store).await.unwrap();
    let clone = there.unpack("carried", fs::File::open(packed.path()).unwrap()).await.unwrap();
    fs::write(clone.directory().join("new"), "n\n").unwrap();
    commit(clone.directory(), "second");
    // The repository goes on meanwhile.
    fs::write(bed.repository.join("inner/file"), "y\n").unwrap();
    commit(&bed.repository, "theirs");

    let other = elsewhere(&bed);
    assert!(other.restore(&kept, None).await.unwrap());
    assert!(
        matches!(other.get("carried").unwrap_err(), WorkspaceError::NotFound(_)),
        "it has no repository yet"
    );
    let restored = other.known("carried").unwrap();
    assert_eq!(restored.record().base, store.record().base);
    assert_eq!(restored.record().keep, WorkspaceKeep::Always);
    assert_eq!(other.kept("carried").unwrap().secret, kept.secret, "for the one after it");
    other.refill(&restored).await.unwrap();
    other.refill(&restored).await.unwrap();
    let (stand, bundle) = clone.export(false).await.unwrap();
    other.receive(&restored, &stand, Some(&bundle.expect("it has a commit").path())).await.unwrap();
    let current = stand.branch.as_deref();
    let pushed = other.push_commit(&restored, &stand.head, current, &PushRequest::default()).await.unwrap();
    assert_eq!(git(&bed.repository, &["rev-parse", &pushed.branch]), stand.head);
    let left = fs::read_dir(bed.root.with_file_name("elsewhere")).unwrap();
    let mut left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["carried", "carried.credentials", "carried.json"]);
}

#[tokio::test]
async fn what_is_gone_or_was_changed_is_told() {
    let bed = Bed::new();
    git(&bed.repository, &["switch", "--quiet", "--create", "passing"]);
    commit_file(&bed, "passing");
    let kept = kept(&bed, "carried").await;
    git(&bed.repository, &["switch", "--quiet", "main"]);
    git(&bed.repository, &["branch", "--quiet", "-D", "passing"]);
    let other = elsewhere(&bed);
    assert!(other.restore(&kept, None).await.unwrap());
    // A commit that no branch has is given away by name, as long as it is there.
    other.refill(&other.known("carried").unwrap()).await.unwrap();
    git(&bed.repository, &["reflog", "expire", "--expire=now", "--all"]);
    git(&bed.repository, &["gc", "--quiet", "--prune=now"]);
    let third = Workspaces::open(&bed.root.with_file_name("third")).unwrap();
    assert!(third.restore(&kept, None).await.unwrap());
    let lost = third.refill(&third.known("carried").unwrap()).await.unwrap_err();
    assert!(
        matches!(&lost, WorkspaceError::Conflict(why) if why.contains("does not have the commit")),
        "{lost:?}"
    );

    // What became of it goes with it, and its store is needed no more.
    let known = bed.workspaces.known("carried").unwrap();
    assert!(
        bed.workspaces.note_ending(known.record(), &Ending { kept: Some("dirty".into()) }).await.unwrap()
    );
    let ended = bed.workspaces.kept("carried").unwrap();
    assert!(
        !other.restore(&ended, None).await.unwrap(),
        "what is known by now is newer than what was asked for before"
    );
    let seen = other.known("carried").unwrap();
    assert!(other.restore(&ended, Some(seen.record())).await.unwrap());
    assert!(other.get("carried").is_err());
    assert_eq!(other.kept("carried").unwrap().secret, ended.secret);
    assert_eq!(other.known("carried").unwrap().record().ending, Some(Ending { kept: Some("dirty".into()) }));

    let record =
        |from: &str, to: &str| KeptWorkspace { record: kept.record.replace(from, to), ..kept.clone() };
    for bad in [
        record("\"carried\"", "\"another\""),
        record("\"carried\"", "\"../carried\""),
        record("\"isStore\":true", "\"isStore\":false"),
        record("\"branch\":\"", "\"branch\":\"--upload-pack="),
        KeptWorkspace { record: "{}".into(), ..kept.clone() },
        KeptWorkspace { record: String::new(), ..kept.clone() },
        KeptWorkspace { secret: Some("{}".into()), ..kept.clone() },
    ] {
        assert!(other.restore(&bad, None).await.is_err(), "{bad:?}");
    }
}

/// As much history as was asked for, wherever the branch is by now.
#[tokio::test]
async fn a_store_of_a_part_is_filled_with_that_part() {
    let bed = Bed::new();
    for name in ["1", "2", "3", "4"] {
        commit_file(&bed, name);
    }
    let options = CloneOptions { is_store: true, depth: Some(2), ..CloneOptions::default() };
    let new = NewWorkspace { clone: Some(options), ..bed.request("part") };
    let store = bed.workspaces.create(&new).await.unwrap();
    let kept = bed.workspaces.kept("part").unwrap();
    let count = |store: &Workspace, what: &str| git(store.directory(), &["rev-list", "--count", what]);
    let (base, branch) = (store.record().base.as_str(), "refs/remotes/origin/main");
    assert_eq!((count(&store, base), count(&store, branch)), ("2".into(), "2".into()));
    for name in ["5", "6", "7"] {
        commit_file(&bed, name);
    }
    let other = elsewhere(&bed);
    assert!(other.restore(&kept, None).await.unwrap());
    let restored = other.known("part").unwrap();
    other.refill(&restored).await.unwrap();
    assert_eq!((count(&restored, base), count(&restored, branch)), ("2".into(), "2".into()));
    assert_eq!(
        git(restored.directory(), &["rev-parse", branch]),
        git(&bed.repository, &["rev-parse", "main"])
    );

    // The branch is gone: what it began with is enough.
    git(&bed.repository, &["branch", "--quiet", "--move", "main", "renamed"]);
    let third = Workspaces::open(&bed.root.with_file_name("third")).unwrap();
    assert!(third.restore(&kept, None).await.unwrap());
    let restored = third.known("part").unwrap();
    third.refill(&restored).await.unwrap();
    assert_eq!(count(&restored, base), "2");
}

/// What is removed is of this one alone.
#[tokio::test]
async fn a_store_whose_record_is_damaged_is_forgotten() {
    let bed = Bed::new();
    for id in ["one", "two"] {
        kept(&bed, id).await;
    }
    fs::write(bed.root.join("one.json"), "{").unwrap();
    for odd in ["", "..", ".", "../repository", "one/.git", "one.json"] {
        assert!(bed.workspaces.forget_store(odd).await.is_err(), "{odd}");
    }
    bed.workspaces.forget_store("one").await.unwrap();
    bed.workspaces.forget_store("one").await.unwrap();
    let left = fs::read_dir(&bed.root).unwrap();
    let mut left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["two", "two.credentials", "two.json"]);
    // A link in its place leads to nothing that is removed.
    bed.workspaces.forget_store("two").await.unwrap();
    std::os::unix::fs::symlink(&bed.repository, bed.root.join("two")).unwrap();
    let forgotten = bed.workspaces.forget_store("two").await;
    assert!(bed.repository.join("common.txt").exists(), "{forgotten:?}");
}

/// Whoever came and did not start changed nothing; a reason is no longer than is kept, and says so.
#[tokio::test]
async fn an_ending_counts_again_when_nobody_has_come() {
    let bed = Bed::new();
    kept(&bed, "one").await;
    let known = || bed.workspaces.known("one").unwrap().record().clone();
    let (heir, other): (AgentId, AgentId) = ("heir".parse().unwrap(), "other".parse().unwrap());
    let ending = Ending { kept: Some("ä".repeat(400)) };
    assert!(bed.workspaces.note_ending(&known(), &ending).await.unwrap());
    let ending = Some(Ending { kept: Some("ä".repeat(299) + "…") });
    assert_eq!(known().ending, ending);

    bed.workspaces.join("one", &heir).await.unwrap();
    assert_eq!(known().ending, None);
    bed.workspaces.leave("one", &other).await.unwrap();
    assert_eq!(known().ending, None, "that one was never there");
    bed.workspaces.leave("one", &heir).await.unwrap();
    assert_eq!((known().ending, known().users.len()), (ending.clone(), 0));

    // Of two, the first one stays: what becomes of it is open.
    bed.workspaces.join("one", &heir).await.unwrap();
    bed.workspaces.join("one", &other).await.unwrap();
    bed.workspaces.leave("one", &other).await.unwrap();
    assert_eq!((known().ending, known().users.len()), (None, 1));
    bed.workspaces.leave("one", &heir).await.unwrap();
    assert_eq!(known().ending, ending);

    // It worked, and another ending was noted.
    bed.workspaces.join("one", &heir).await.unwrap();
    let later = Ending { kept: Some("later".into()) };
    assert!(bed.workspaces.note_ending(&known(), &later).await.unwrap());
    assert_eq!((known().ending, known().reopened), (Some(later), None));
}

fn commit_file(bed: &Bed, name: &str) {
    fs::write(bed.repository.join(name), "x\n").unwrap();
    commit(&bed.repository, name);
}
