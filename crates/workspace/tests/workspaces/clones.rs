//! Workspaces that are repositories of their own, of a repository of this machine.

use std::fs;
use std::os::unix::fs::symlink;

use parallax_api::workspace::{CommitRequest, MergeRequest, MergeStrategy, PushRequest, WorkspaceKeep};
use parallax_workspace::{CloneOptions, NewWorkspace, Other, Outcome, Workspace, WorkspaceError, Workspaces};

use crate::bed::{Bed, commit, git, invalid, trap};

impl Bed {
    fn clone_request(&self, id: &str) -> NewWorkspace {
        NewWorkspace { clone: Some(CloneOptions::default()), ..self.request(id) }
    }

    pub async fn cloned(&self, id: &str) -> Workspace {
        self.workspaces.create(&self.clone_request(id)).await.unwrap()
    }
}

async fn committed(workspace: &Workspace, file: &str, text: &str) -> String {
    fs::write(workspace.directory().join(file), text).unwrap();
    let request =
        CommitRequest { message: format!("write {file}"), author: Some("D <d@example.com>".into()) };
    workspace.commit(&request).await.unwrap().commit
}

#[tokio::test]
async fn a_clone_shares_nothing_and_is_handed_on_by_push_and_merge() {
    let bed = Bed::new();
    let before = bed.untouched();
    let (one, other) = (bed.cloned("one").await, bed.cloned("other").await);
    assert_eq!((bed.worktrees(), bed.branches().len(), one.record().base == before.0), (0, 1, true));
    assert_eq!(git(one.directory(), &["symbolic-ref", "--short", "HEAD"]), one.record().branch);
    assert_eq!(git(one.directory(), &["status", "--porcelain"]), "");
    assert!(!one.directory().join(".git/objects/info/alternates").exists());

    let (first, second) = (
        committed(&one, "common.txt", "by one\n").await,
        committed(&other, "common.txt", "by other\n").await,
    );
    let changes = one.changes().await.unwrap();
    assert_eq!((changes.ahead, changes.behind, changes.dirty), (1, 0, false));
    assert_eq!((changes.files[0].path.as_str(), changes.files.len()), ("common.txt", 1));
    let conflicts = bed.workspaces.conflicts(&one, Other::Workspace((&other).into())).await.unwrap();
    assert_eq!(conflicts.files, ["common.txt"]);
    let worktree = bed.create("worktree").await;
    assert!(
        bed.workspaces.conflicts(&one, Other::Workspace((&worktree).into())).await.unwrap().files.is_empty()
    );
    let mixed = bed.workspaces.conflicts(&worktree, Other::Workspace((&one).into())).await.unwrap();
    assert!(mixed.files.is_empty());

    let pushed = bed.workspaces.push(&one, &PushRequest::default()).await.unwrap();
    assert_eq!(
        (pushed.commit.as_str(), git(&bed.repository, &["rev-parse", &pushed.branch])),
        (first.as_str(), first.clone())
    );
    git(&bed.repository, &["branch", "next", "main"]);
    let merge = |strategy| MergeRequest { into: "next".into(), strategy, message: None };
    let merged = bed.workspaces.merge(&other, &merge(MergeStrategy::Ff)).await.unwrap();
    assert_eq!(
        (merged.commit.as_str(), git(&bed.repository, &["rev-parse", "next"])),
        (second.as_str(), second.clone())
    );
    let refused = bed.workspaces.merge(&one, &merge(MergeStrategy::Merge)).await.unwrap_err();
    assert!(
        matches!(&refused, WorkspaceError::Unmergeable(files) if files == &["common.txt"]),
        "{refused:?}"
    );
    assert!(!bed.repository.join(".git/FETCH_HEAD").exists());
    assert_eq!(bed.untouched(), before);

    // A squash that is done again is done.
    committed(&other, "more.txt", "more\n").await;
    let squashed = bed.workspaces.merge(&other, &merge(MergeStrategy::Squash)).await.unwrap();
    assert_eq!(bed.workspaces.merge(&other, &merge(MergeStrategy::Squash)).await.unwrap(), squashed);
}

#[tokio::test]
async fn it_begins_with_what_was_asked_for() {
    let bed = Bed::new();
    git(&bed.repository, &["tag", "v1"]);
    git(&bed.repository, &["switch", "--quiet", "--create", "feature"]);
    fs::write(bed.repository.join("feature.txt"), "f\n").unwrap();
    commit(&bed.repository, "feature");
    let head = git(&bed.repository, &["rev-parse", "HEAD"]);
    let first = git(&bed.repository, &["rev-parse", "main"]);
    let with = |id: &str, reference: Option<&str>, depth| NewWorkspace {
        reference: reference.map(Into::into),
        clone: Some(CloneOptions { depth, ..CloneOptions::default() }),
        ..bed.request(id)
    };
    for (id, reference, depth, base, commits) in [
        ("a", None, None, &head, "2"),
        ("b", None, Some(1), &head, "1"),
        ("c", Some("main"), None, &first, "1"),
        ("d", Some("v1"), Some(1), &first, "1"),
        ("e", Some(&*first), None, &first, "1"),
    ] {
        let workspace = bed.workspaces.create(&with(id, reference, depth)).await.unwrap();
        assert_eq!(workspace.record().base, *base, "{id}");
        assert_eq!(git(workspace.directory(), &["rev-list", "--count", "HEAD"]), commits, "{id}");
        assert_eq!(
            git(workspace.directory(), &["rev-parse", "--is-shallow-repository"]),
            depth.is_some().to_string()
        );
    }
    git(&bed.repository, &["switch", "--quiet", "--detach", "main"]);
    assert_eq!(bed.cloned("f").await.record().base, first);
    for (id, reference, depth) in
        [("g", Some("nowhere"), None), ("h", Some(&*first), Some(1)), ("i", Some("nowhere"), Some(1))]
    {
        let words = invalid(bed.workspaces.create(&with(id, reference, depth)).await);
        assert!(words.contains("to begin with"), "{words}");
        assert!(!bed.root.join(id).exists() && !bed.root.join(format!("{id}.json")).exists());
    }
}

#[tokio::test]
async fn only_a_clone_in_which_nothing_would_be_lost_goes() {
    let bed = Bed::new();
    for (id, work, kept) in [
        ("clean", "true", None),
        ("dirty", "echo x > new", Some("not committed")),
        ("ahead", "echo x > new; git add new; git commit -qm x", Some("on no remote")),
        (
            "beside",
            "git switch -qc other; echo x > new; git add new; git commit -qm x; git switch -q -",
            Some("on no remote"),
        ),
        (
            "tagged",
            "echo x > new; git add new; git commit -qm x; git tag t; git reset -q --hard HEAD^",
            Some("on no remote"),
        ),
        ("stashed", "echo x > common.txt; git stash -q", Some("stashed")),
        (
            "detached",
            "git switch -q --detach; echo x > new; git add new; git commit -qm x",
            Some("on no remote"),
        ),
    ] {
        let workspace = bed.cloned(id).await;
        let identity = "git config user.name T; git config user.email t@example.com; ";
        let done = std::process::Command::new("sh")
            .args(["-c", &format!("{identity}{work}")])
            .current_dir(workspace.directory())
            .status()
            .unwrap();
        assert!(done.success(), "{id}");
        match (bed.workspaces.finish(id, WorkspaceKeep::Changed).await.unwrap(), kept) {
            (Outcome::Removed, None) => assert!(!workspace.directory().exists()),
            (Outcome::Kept(reason), Some(word)) => {
                assert!(reason.contains(word), "{id}: {reason}");
                assert!(workspace.directory().exists());
            }
            (other, _) => panic!("{id}: {other:?}"),
        }
    }
    // What was pushed is elsewhere.
    let ahead = bed.workspaces.get("ahead").unwrap();
    bed.workspaces.push(&ahead, &PushRequest::default()).await.unwrap();
    assert_eq!(bed.workspaces.finish("ahead", WorkspaceKeep::Changed).await.unwrap(), Outcome::Removed);
    assert_eq!(
        bed.workspaces.finish("dirty", WorkspaceKeep::Always).await.unwrap(),
        Outcome::Kept("it was asked for".into())
    );
    assert_eq!(bed.workspaces.finish("dirty", WorkspaceKeep::Never).await.unwrap(), Outcome::Removed);
    // A removal that was cut short is done by the next server.
    fs::create_dir(bed.root.join(".scratch-1-1")).unwrap();
    Workspaces::open(&bed.root).unwrap();
    assert!(!bed.root.join(".scratch-1-1").exists());
}

/// The whole `.git` is the agent's: whatever it makes of it, nothing of it runs here, and it leads nowhere else.
#[tokio::test]
async fn an_agent_that_bends_its_clone_costs_only_itself() {
    let bed = Bed::new();
    let (trap, sprung) = trap(&bed);
    let victim = bed.repository.with_file_name("victim");
    git(bed.repository.parent().unwrap(), &["clone", "--quiet", "repository", "victim"]);
    let workspace = bed.cloned("hostile").await;
    let place = workspace.directory().to_owned();
    for (key, value) in [
        ("core.fsmonitor", trap.as_str()),
        ("core.sshCommand", &trap),
        ("core.alternateRefsCommand", &trap),
        ("core.pager", &trap),
        ("core.editor", &trap),
        ("diff.external", &trap),
        ("filter.x.clean", &trap),
        ("filter.x.smudge", &trap),
        ("merge.x.driver", &trap),
        ("credential.helper", &format!("!{trap}")),
        ("remote.origin.uploadpack", &trap),
        ("remote.origin.receivepack", &trap),
        ("remote.origin.url", &format!("ext::{trap}")),
        ("remote.origin.pushurl", &format!("ext::{trap}")),
        ("url.ext::x.insteadOf", &bed.repository.display().to_string()),
        ("uploadpack.packObjectsHook", &trap),
        ("gpg.program", &trap),
        ("commit.gpgSign", "true"),
        ("protocol.ext.allow", "always"),
    ] {
        git(&place, &["config", key, value]);
    }
    fs::create_dir_all(place.join(".git/hooks")).unwrap();
    for hook in [
        "pre-commit",
        "post-commit",
        "pre-push",
        "reference-transaction",
        "post-checkout",
        "post-index-change",
    ] {
        symlink(&trap, place.join(".git/hooks").join(hook)).unwrap();
    }
    fs::write(place.join(".gitattributes"), "* filter=x merge=x diff=x\n").unwrap();
    committed(&workspace, "common.txt", "hostile\n").await;
    workspace.changes().await.unwrap();
    workspace.diff(&Default::default()).await.unwrap();
    bed.workspaces
        .conflicts(&workspace, Other::Workspace((&bed.create("plain").await).into()))
        .await
        .unwrap();
    bed.workspaces.push(&workspace, &PushRequest::default()).await.unwrap();
    git(&bed.repository, &["branch", "next", "main"]);
    let merge = MergeRequest { into: "next".into(), ..MergeRequest::default() };
    bed.workspaces.merge(&workspace, &merge).await.unwrap();
    assert!(!sprung.exists(), "{}", fs::read_to_string(&sprung).unwrap_or_default());

    // A git directory that leads to another repository is none.
    let before = git(&victim, &["for-each-ref"]);
    for bend in [
        "rm -rf .git; ln -s ../../victim/.git .git",
        "rm -rf .git; echo 'gitdir: ../../victim/.git' > .git",
        "git config core.worktree ../../victim",
        "echo ../../../victim/.git > .git/commondir",
    ] {
        let workspace = bed.cloned("bent").await;
        let done =
            std::process::Command::new("sh").args(["-c", bend]).current_dir(workspace.directory()).status();
        assert!(done.unwrap().success());
        fs::write(workspace.directory().join("x"), "x").unwrap();
        let request = CommitRequest { message: "x".into(), author: None };
        assert!(workspace.commit(&request).await.is_err(), "{bend}");
        assert!(workspace.changes().await.is_err(), "{bend}");
        assert!(bed.workspaces.push(&workspace, &PushRequest::default()).await.is_err(), "{bend}");
        assert!(bed.workspaces.finish("bent", WorkspaceKeep::Changed).await.is_err(), "it stays: {bend}");
        assert!(workspace.directory().join("x").exists());
        assert_eq!(bed.workspaces.finish("bent", WorkspaceKeep::Never).await.unwrap(), Outcome::Removed);
        assert_eq!(git(&victim, &["for-each-ref"]), before, "{bend}");
    }
    assert!(victim.join(".git/HEAD").exists() && !sprung.exists());
}
