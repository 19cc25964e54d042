//! Worktrees of real repositories, compared with what plain git says.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use futures::future::join_all;
use parallax_api::workspace::{DiffAgainst, DiffQuery, PushRequest, WorkspaceKeep};
use parallax_workspace::{NewWorkspace, Outcome, Workspace, WorkspaceError, Workspaces};
use tempfile::TempDir;

/// A repository with one commit, and a place for workspaces outside of it.
struct Bed {
    _dir: TempDir,
    repository: PathBuf,
    workspaces: Workspaces,
    root: PathBuf,
}

impl Bed {
    fn new() -> Self {
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

    fn request(&self, id: &str) -> NewWorkspace {
        NewWorkspace {
            id: id.parse().unwrap(),
            name: "The Developer!".into(),
            repository: self.repository.clone(),
            reference: None,
            branch: None,
            keep: WorkspaceKeep::Changed,
        }
    }

    async fn create(&self, id: &str) -> Workspace {
        self.workspaces.create(&self.request(id)).await.unwrap()
    }

    /// How the repository's own checkout stands.
    fn untouched(&self) -> (String, String, Vec<u8>) {
        let status = git(&self.repository, &["status", "--porcelain=v2", "--branch"]);
        let index = fs::read(self.repository.join(".git/index")).unwrap();
        (git(&self.repository, &["rev-parse", "HEAD"]), status, index)
    }

    fn worktrees(&self) -> usize {
        git(&self.repository, &["worktree", "list", "--porcelain"]).matches("worktree ").count() - 1
    }

    fn branches(&self) -> Vec<String> {
        let list = git(&self.repository, &["for-each-ref", "--format=%(refname:short)", "refs/heads"]);
        list.lines().map(str::to_owned).collect()
    }
}

fn git(directory: &Path, args: &[&str]) -> String {
    let identity = ["-c", "user.name=T", "-c", "user.email=t@example.com", "-c", "core.quotePath=false"];
    let output = Command::new("git").arg("-C").arg(directory).args(identity).args(args).output().unwrap();
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}

fn commit(directory: &Path, message: &str) {
    git(directory, &["add", "--all"]);
    git(directory, &["commit", "--quiet", "--message", message]);
}

/// A program that says when it ran, and the file where it says so.
fn trap(bed: &Bed) -> (String, PathBuf) {
    let (trap, sprung) = (bed.repository.with_file_name("trap.sh"), bed.repository.with_file_name("sprung"));
    fs::write(&trap, format!("#!/bin/sh\necho \"$0 $*\" >> '{}'\ncat\n", sprung.display())).unwrap();
    fs::set_permissions(&trap, fs::Permissions::from_mode(0o755)).unwrap();
    (trap.to_str().unwrap().to_owned(), sprung)
}

fn invalid<T: std::fmt::Debug>(result: Result<T, WorkspaceError>) -> String {
    match result.unwrap_err() {
        WorkspaceError::Invalid(why) => why,
        other => panic!("{other:?}"),
    }
}

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
async fn a_hostile_repository_runs_nothing() {
    let bed = Bed::new();
    let (trap, sprung) = trap(&bed);
    let trap = trap.as_str();
    for hook in ["post-checkout", "post-index-change", "reference-transaction", "pre-commit", "post-commit"] {
        symlink(trap, bed.repository.join(".git/hooks").join(hook)).unwrap();
    }
    fs::write(
        bed.repository.join(".gitattributes"),
        "* filter=evil diff=evil merge=evil\n*.txt filter=far\ninner/* filter=branch\n",
    )
    .unwrap();
    git(&bed.repository, &["-c", "core.hooksPath=/dev/null", "add", ".gitattributes"]);
    git(&bed.repository, &["-c", "core.hooksPath=/dev/null", "commit", "--quiet", "-m", "attributes"]);
    for (key, value) in [
        ("filter.evil.clean", trap),
        ("filter.evil.smudge", trap),
        ("filter.evil.required", "true"),
        ("filter.other.name.process", trap),
        ("diff.evil.textconv", trap),
        ("diff.evil.command", trap),
        ("diff.external", trap),
        ("core.fsmonitor", trap),
        ("core.pager", trap),
        ("core.editor", trap),
        ("core.sshCommand", trap),
        ("core.alternateRefsCommand", trap),
        ("credential.helper", trap),
        ("alias.status", &format!("!{trap}")),
    ] {
        git(&bed.repository, &["-c", "core.fsmonitor=false", "config", key, value]);
    }
    // Filters that are there only as a worktree of the repository sees it.
    for (name, condition) in [("far", "gitdir:**/worktrees/**"), ("branch", "onbranch:parallax/**")] {
        let file = bed.repository.join(".git").join(name);
        let filter = format!("[filter \"{name}\"]\n\tsmudge = {trap}\n\tclean = {trap}\n");
        fs::write(&file, filter).unwrap();
        let key = format!("includeIf.{condition}.path");
        git(&bed.repository, &["-c", "core.fsmonitor=false", "config", &key, file.to_str().unwrap()]);
    }
    let workspace = bed.create("a").await;
    assert!(!sprung.exists(), "{}", fs::read_to_string(&sprung).unwrap());
    fs::write(workspace.directory().join("common.txt"), "changed\n").unwrap();
    fs::write(workspace.directory().join("new"), "new\n").unwrap();
    workspace.changes().await.unwrap();
    let diff = String::from_utf8(workspace.diff(&DiffQuery::default()).await.unwrap()).unwrap();
    assert!(diff.contains("+changed") && diff.contains("+new"), "{diff}");
    bed.workspaces.finish("a", WorkspaceKeep::Changed).await.unwrap();
    bed.workspaces.finish("a", WorkspaceKeep::Never).await.unwrap();
    // One that goes after git itself looked whether it is as it was checked out.
    let touched = bed.create("b").await;
    fs::write(touched.directory().join("common.txt"), "one\ntwo\nthree\n").unwrap();
    assert_eq!(bed.workspaces.finish("b", WorkspaceKeep::Changed).await.unwrap(), Outcome::Removed);
    assert!(!sprung.exists(), "{}", fs::read_to_string(&sprung).unwrap());
}

#[tokio::test]
async fn an_agent_that_bends_its_checkout_costs_only_itself() {
    let bed = Bed::new();
    let workspace = bed.create("a").await;
    let victim = bed.create("b").await;
    fs::write(victim.directory().join("precious"), "p").unwrap();
    // Its `.git` leads to the neighbour.
    fs::copy(victim.directory().join(".git"), workspace.directory().join(".git")).unwrap();
    assert!(
        bed.workspaces.finish("a", WorkspaceKeep::Changed).await.is_err() || workspace.directory().exists()
    );
    drop(bed.workspaces.finish("a", WorkspaceKeep::Never).await);
    assert!(victim.directory().join("precious").exists());
    // Its directory is a link to somewhere else.
    let outside = bed.repository.with_file_name("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("precious"), "p").unwrap();
    drop(fs::remove_dir_all(workspace.directory()));
    symlink(&outside, bed.root.join("a")).unwrap();
    assert!(matches!(bed.workspaces.get("a"), Err(WorkspaceError::NotFound(_))));
    assert!(outside.join("precious").exists());
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
async fn an_index_that_is_none_holds_nobody_up() {
    let bed = Bed::new();
    let workspace = bed.create("a").await;
    let own = bed.repository.join(".git/worktrees/a");
    let (index, aside) = (own.join("index"), own.join("aside"));
    fs::rename(&index, &aside).unwrap();
    let pipe = || assert!(Command::new("mkfifo").arg(&index).status().unwrap().success());
    let link = || symlink(&aside, &index).unwrap();
    let long = || fs::File::create(&index).unwrap().set_len(300 << 20).unwrap();
    for odd in [&pipe as &dyn Fn(), &link, &long] {
        odd();
        let workspace = workspace.clone();
        let reading = tokio::spawn(async move { workspace.changes().await });
        let answer = tokio::time::timeout(Duration::from_secs(20), reading).await.unwrap().unwrap();
        assert!(invalid(answer).contains("index"));
        fs::remove_file(&index).unwrap();
    }
    // The name of a copy is not one that an agent can take beforehand, and no copy stays.
    fs::rename(&aside, &index).unwrap();
    workspace.changes().await.unwrap();
    let left = fs::read_dir(&own).unwrap().chain(fs::read_dir(&bed.root).unwrap());
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert!(!left.iter().any(|name| name.contains("parallax") || name.starts_with(".scratch")), "{left:?}");
}

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

#[tokio::test]
async fn files_that_a_repository_names_are_not_read() {
    let bed = Bed::new();
    let workspace = bed.create("a").await;
    let pipe = bed.repository.with_file_name("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for key in ["core.attributesFile", "diff.orderFile"] {
        git(&bed.repository, &["config", key, pipe.to_str().unwrap()]);
    }
    fs::write(workspace.directory().join("common.txt"), "changed\n").unwrap();
    let looking = async {
        assert_eq!(workspace.changes().await.unwrap().files.len(), 1);
        let diff = workspace.diff(&DiffQuery::default()).await.unwrap();
        assert!(String::from_utf8(diff).unwrap().contains("+changed"));
    };
    tokio::time::timeout(Duration::from_secs(20), looking).await.unwrap();
}
