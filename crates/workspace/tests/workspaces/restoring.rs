//! A store that another server had: taken over with what that one knew, its repository fetched anew.

use std::fs;

use parallax_api::workspace::{PushRequest, WorkspaceKeep};
use parallax_workspace::{
    CloneOptions, Credentials, Ending, KeptWorkspace, NewWorkspace, WorkspaceError, Workspaces,
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
    other.restore(&kept).await.unwrap();
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
    other.restore(&kept).await.unwrap();
    // A commit that no branch has is given away by name, as long as it is there.
    other.refill(&other.known("carried").unwrap()).await.unwrap();
    git(&bed.repository, &["reflog", "expire", "--expire=now", "--all"]);
    git(&bed.repository, &["gc", "--quiet", "--prune=now"]);
    let third = Workspaces::open(&bed.root.with_file_name("third")).unwrap();
    third.restore(&kept).await.unwrap();
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
    other.restore(&ended).await.unwrap();
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
        assert!(other.restore(&bad).await.is_err(), "{bad:?}");
    }
}

fn commit_file(bed: &Bed, name: &str) {
    fs::write(bed.repository.join(name), "x\n").unwrap();
    commit(&bed.repository, name);
}
