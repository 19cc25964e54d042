//! A clone that its agent has elsewhere: made of the server's store, and its commits brought back to it.

use std::fs;
use std::path::PathBuf;

use parallax_api::workspace::{MergeRequest, PushRequest, WorkspaceKeep};
use parallax_workspace::{
    CloneOptions, Incoming, NewWorkspace, Other, Outcome, ScratchFile, Side, Stand, Workspace,
    WorkspaceError, Workspaces,
};

use crate::bed::{Bed, commit, git};

/// A store in the bed, and the agent's side in a directory of its own.
struct Carried {
    bed: Bed,
    store: Workspace,
    there: Workspaces,
    clone: Workspace,
    _dir: tempfile::TempDir,
}

impl Carried {
    async fn new(bed: Bed, depth: Option<u32>) -> Self {
        let options = CloneOptions { depth, is_store: true, ..CloneOptions::default() };
        let new = NewWorkspace { clone: Some(options), ..bed.request("carried") };
        let store = bed.workspaces.create(&new).await.unwrap();
        assert!(!store.directory().join("common.txt").exists(), "a store has no files");
        let dir = tempfile::tempdir().unwrap();
        let there = Workspaces::open(&dir.path().join("work")).unwrap();
        let packed = bed.workspaces.pack(&store).await.unwrap();
        let clone = there.unpack("carried", fs::File::open(packed.path()).unwrap()).await.unwrap();
        Self { bed, store, there, clone, _dir: dir }
    }

    fn work(&self) -> PathBuf {
        self.clone.directory().to_owned()
    }

    /// The clone's commits in the store.
    async fn bring(&self) -> Stand {
        let (stand, bundle) = self.clone.export(false).await.unwrap();
        let path = bundle.as_ref().map(ScratchFile::path);
        self.bed.workspaces.receive(&self.store, &stand, path.as_deref()).await.unwrap();
        stand
    }

    /// All that is in the clone, beside the store.
    async fn look(&self) -> (Stand, Incoming) {
        let (stand, bundle) = self.clone.export(true).await.unwrap();
        let path = bundle.as_ref().map(ScratchFile::path);
        let incoming = self.bed.workspaces.receive_snapshot(&self.store, &stand, path.as_deref()).await;
        (stand, incoming.unwrap())
    }
}

#[tokio::test]
async fn there_and_back() {
    let bed = Bed::new();
    git(&bed.repository, &["tag", "v1"]);
    git(&bed.repository, &["branch", "next"]);
    let before = bed.untouched();
    let one = Carried::new(bed, None).await;
    let work = one.work();
    assert_eq!(fs::read_to_string(work.join("common.txt")).unwrap(), "one\ntwo\nthree\n");
    assert_eq!(git(&work, &["status", "--porcelain"]), "");
    assert_eq!(git(&work, &["branch", "--show-current"]), one.store.record().branch);
    assert_eq!(
        git(&work, &["rev-parse", "v1", "origin/next"]).lines().next(),
        Some(&*one.store.record().base)
    );

    // Nothing new: nothing is brought.
    let (stand, bundle) = one.clone.export(false).await.unwrap();
    assert!(stand.is_clean && bundle.is_none());
    assert_eq!(one.bring().await.head, one.store.record().base);

    fs::write(work.join("common.txt"), "one\ntwo\nfour\n").unwrap();
    fs::write(work.join("new"), "n\n").unwrap();
    commit(&work, "second");
    fs::write(work.join("not yet"), "x\n").unwrap();
    let (whole, incoming) = one.look().await;
    assert!(!whole.is_clean && whole.snapshot.is_some());
    assert_eq!(git(&work, &["status", "--porcelain"]), "?? \"not yet\"", "looking changes nothing");
    assert!(one.there.worth_keeping(&one.clone).await.unwrap().is_some());

    // Conflicts with what came meanwhile, computed in the store.
    let other = one.bed.create("other").await;
    fs::write(other.directory().join("common.txt"), "one\ntwo\nsix\n").unwrap();
    let ours = Side { workspace: &one.store, incoming: Some(&incoming) };
    let found = one.bed.workspaces.conflicts(ours, Other::Workspace((&other).into())).await.unwrap();
    assert_eq!(found.files, ["common.txt"]);

    // Merged into a branch of the repository.
    fs::remove_file(work.join("not yet")).unwrap();
    let stand = one.bring().await;
    let into = MergeRequest { into: "next".into(), ..MergeRequest::default() };
    let merged = one.bed.workspaces.merge_commit(&one.store, &stand.head, &into).await.unwrap();
    assert_eq!(git(&one.bed.repository, &["show", "next:common.txt"]), "one\ntwo\nfour");
    assert_eq!(git(&one.bed.repository, &["rev-parse", "next"]).trim(), merged.commit);
    assert_eq!(one.bed.untouched(), before);

    // Pushed, and noted there: then nothing would be lost.
    let push = PushRequest::default();
    let branch = stand.branch.as_deref();
    let pushed = one.bed.workspaces.push_commit(&one.store, &stand.head, branch, &push).await.unwrap();
    assert_eq!(git(&one.bed.repository, &["rev-parse", &pushed.branch]).trim(), stand.head);
    one.clone.note_pushed(&pushed).await.unwrap();
    assert_eq!(one.there.worth_keeping(&one.clone).await.unwrap(), None);
    let other = one.bed.workspaces.push_commit(&one.store, &stand.head, Some("main"), &push).await;
    assert!(matches!(other, Err(WorkspaceError::Conflict(_))), "nobody chose `main`");
    one.bed.workspaces.finish("other", WorkspaceKeep::Never).await.unwrap();
    one.bed.workspaces.forget_store("carried").await.unwrap();
    assert!(one.bed.workspaces.list().unwrap().is_empty());
    assert_eq!(one.there.finish("carried", WorkspaceKeep::Changed).await.unwrap(), Outcome::Removed);
}

#[tokio::test]
async fn with_a_depth() {
    let bed = Bed::new();
    fs::write(bed.repository.join("later"), "1\n").unwrap();
    commit(&bed.repository, "later");
    let one = Carried::new(bed, Some(1)).await;
    let work = one.work();
    assert_eq!(git(&work, &["rev-list", "--count", "HEAD"]).trim(), "1");
    fs::write(work.join("later"), "2\n").unwrap();
    commit(&work, "mine");
    one.look().await;
    let stand = one.bring().await;
    one.bed
        .workspaces
        .push_commit(&one.store, &stand.head, stand.branch.as_deref(), &PushRequest::default())
        .await
        .unwrap();
    assert_eq!(git(&one.bed.repository, &["rev-list", "--count", &stand.head]).trim(), "3");
    // It began anew where its history ends.
    fs::write(work.join("later"), "3\n").unwrap();
    git(&work, &["reset", "--quiet", "--soft", "HEAD~1"]);
    git(
        &work,
        &["-c", "user.name=A", "-c", "user.email=a@a", "commit", "--quiet", "--all", "--amend", "-m", "anew"],
    );
    one.look().await;
    one.bring().await;
}

#[tokio::test]
async fn what_an_agent_made_up_is_refused() {
    let one = Carried::new(Bed::new(), None).await;
    fs::write(one.work().join("new"), "n\n").unwrap();
    commit(&one.work(), "second");
    let (stand, bundle) = one.clone.export(false).await.unwrap();
    let file = bundle.unwrap();
    let bundle = file.path();
    let kept = bundle.with_extension("kept");
    fs::copy(&bundle, &kept).unwrap();
    let receive = async |stand: &Stand, bundle: &std::path::Path| {
        one.bed.workspaces.receive(&one.store, stand, Some(bundle)).await
    };
    let garbage = kept.with_extension("garbage");
    let mut bytes = fs::read(&kept).unwrap();
    let end = bytes.len() - 30;
    bytes[end] ^= 0x55;
    for bytes in [&b""[..], b"# v2 git bundle\n", b"gitdir: /etc", &bytes] {
        fs::write(&garbage, bytes).unwrap();
        assert!(receive(&stand, &garbage).await.is_err(), "{} bytes", bytes.len());
    }
    for head in ["HEAD", "--upload-pack=x", "", "ab12", &"z".repeat(40), &one.store.record().base] {
        let stand = Stand { head: head.into(), ..stand.clone() };
        assert!(receive(&stand, &kept).await.is_err(), "{head}");
    }
    for branch in ["-x", "a..b", "HEAD", "a\nb", ""] {
        let stand = Stand { branch: Some(branch.into()), ..stand.clone() };
        assert!(receive(&stand, &kept).await.is_err(), "{branch:?}");
    }
    assert!(receive(&stand, &kept).await.is_ok());
}

/// A few bytes that are a tree of 300 MiB once they are unpacked.
#[tokio::test]
async fn what_would_fill_the_memory_is_refused() {
    let one = Carried::new(Bed::new(), None).await;
    let work = one.work();
    let script = "tree=$(head -c 314572800 /dev/zero | git hash-object -t tree --literally -w --stdin) && \
                  commit=$(printf 'tree %s\\nparent %s\\nauthor a <a> 0 +0000\\ncommitter a <a> 0 +0000\\n\\nx\\n' $tree $(git rev-parse HEAD) \
                  | git hash-object -t commit -w --stdin --literally) && \
                  printf '%s\\n%s\\n' $commit $tree | git pack-objects --quiet --stdout >pack && \
                  { printf '# v2 git bundle\\n-%s \\n%s refs/parallax/out\\n\\n' $(git rev-parse HEAD) $commit; cat pack; } >bundle && \
                  printf %s $commit";
    let made = std::process::Command::new("sh").args(["-c", script]).current_dir(&work).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let head = String::from_utf8(made.stdout).unwrap();
    let bundle = work.join("bundle");
    assert!(fs::metadata(&bundle).unwrap().len() < 1 << 20);
    let stand = Stand { head, branch: None, is_clean: true, snapshot: None };
    let refused = one.bed.workspaces.receive(&one.store, &stand, Some(&bundle)).await.unwrap_err();
    assert!(refused.to_string().contains("over limit"), "{refused}");
}

#[tokio::test]
async fn what_is_looked_at_leaves_nothing_in_the_store() {
    let one = Carried::new(Bed::new(), None).await;
    let store = one.store.record().git_directory.clone();
    let before = (git(&store, &["count-objects", "-v"]), git(&store, &["for-each-ref"]));
    for text in ["not committed\n", "neither\n"] {
        fs::write(one.work().join("new"), text).unwrap();
        let (stand, incoming) = one.look().await;
        // A commit names its second: this one is of no time, so that the same files are the same commit.
        let (again, _) = one.look().await;
        assert_eq!(stand.snapshot, again.snapshot);
        let ours = Side { workspace: &one.store, incoming: Some(&incoming) };
        let found = one.bed.workspaces.conflicts(ours, Other::Commit("origin/main")).await.unwrap();
        assert!(found.files.is_empty(), "{found:?}");
    }
    assert_eq!((git(&store, &["count-objects", "-v"]), git(&store, &["for-each-ref"])), before);
    let root = store.parent().and_then(std::path::Path::parent).unwrap();
    let left: Vec<_> = fs::read_dir(root).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().starts_with(".scratch-")), "{left:?}");
}

/// What nobody looked at since it was pushed or merged is asked of the repository that the clone was made of.
#[tokio::test]
async fn published_since() {
    for depth in [None, Some(1)] {
        let one = Carried::new(Bed::new(), depth).await;
        let work = one.work();
        git(&one.bed.repository, &["branch", "next"]);
        fs::write(work.join("new"), "n\n").unwrap();
        let workspaces = &one.bed.workspaces;
        let found = one.clone.unpublished().await.unwrap();
        assert_eq!(found.loss.as_deref(), Some("something in it is not committed"));
        commit(&work, "second");
        git(&work, &["checkout", "--quiet", "-b", "aside", "HEAD~0"]);
        fs::write(work.join("aside"), "a\n").unwrap();
        commit(&work, "third");
        let found = one.clone.unpublished().await.unwrap();
        assert!(found.is_sound() && found.loss.is_none());
        assert_eq!((found.commits, found.tips.len()), (2, 1), "{found:?}");
        assert!(workspaces.lacks_any(&one.store, &found.tips).await.unwrap());
        // Only its parent is pushed.
        let stand = one.bring().await;
        let half = format!("{}~1:refs/heads/half", stand.head);
        git(&one.store.record().git_directory, &["push", "--quiet", "origin", &half]);
        assert!(workspaces.lacks_any(&one.store, &found.tips).await.unwrap());
        // Merged: with a depth, what it began with is asked, and it is checked out there.
        match depth {
            None => {
                let into = MergeRequest { into: "next".into(), ..MergeRequest::default() };
                workspaces.merge_commit(&one.store, &stand.head, &into).await.unwrap();
            }
            Some(_) => {
                let all = format!("{}:refs/heads/all", stand.head);
                git(&one.store.record().git_directory, &["push", "--quiet", "origin", &all]);
            }
        }
        assert!(!workspaces.lacks_any(&one.store, &found.tips).await.unwrap(), "{depth:?}");
        let strange = ["0".repeat(40)];
        assert!(workspaces.lacks_any(&one.store, &strange).await.unwrap());
    }
}
