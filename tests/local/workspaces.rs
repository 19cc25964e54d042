//! Agents with a checkout of their own, through the front door: `parallax up`, shells, and plain git to compare with.

mod hostile;
mod pull_requests;
mod space;
mod teams;
mod urls;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use futures::future::join_all;
use parallax_api::agent::StopRequest;
use parallax_api::workspace::{
    ChangeCounts, CommitRequest, Diff, DiffFormat, DiffLineKind, DiffQuery, MergeRequest, MergeStrategy,
    PushRequest, WorkspaceKeep, WorkspaceRequest,
};
use parallax_api::{Code, EventData, SpawnRequest};
use parallax_testkit::backend::TestBackend;
use parallax_testkit::local::{Directory, LocalBackend};
use parallax_testkit::parallax::parallax;
use parallax_testkit::processes;
use parallax_testkit::repository::{Repository, branch, committed, git, local, place, with_shell};
use parallax_testkit::up::Up;
use parallax_testkit::user::Spawned;

/// Eight at once, each with its own file and a common one, seen through the control plane; then the end of each.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn eight_agents_on_one_repository() {
    let directory = Directory::new();
    with_shell(directory.path());
    let up = Up::start(&directory, &[]).await;
    let (user, repository) = (up.user(), Repository::new(directory.path()));
    let client = user.client.clone();

    let names: Vec<String> = (0..8).map(|number| format!("dev {number}")).collect();
    let spawning = names.iter().map(|name| user.spawn_ready(repository.request(name)));
    let agents: Vec<Spawned> = join_all(spawning).await;
    join_all(agents.iter().enumerate().map(async |(number, agent)| {
        agent.say(format!("echo 'by {number}' > own-{number}.txt; echo 'two by {number}' > common.txt")).await
    }))
    .await;

    let mut shown = Vec::new();
    for agent in &agents {
        shown.push(agent.agent().await);
    }
    repository.untouched();
    assert_eq!(repository.branches().len(), 8);
    for (number, agent) in shown.iter().enumerate() {
        let workspace = agent.workspace.as_ref().expect("it was asked for");
        assert_eq!(workspace.base, repository.before.head, "all begin with one commit");
        assert!(workspace.branch.starts_with(&format!("parallax/dev-{number}-")), "{}", workspace.branch);
        assert!(!place(agent).starts_with(&repository.path), "outside of the repository");

        let changes = client.changes(&agent.id).await.expect("changes");
        assert_eq!((changes.ahead, changes.behind, changes.dirty), (0, 0, true));
        assert_eq!(changes.branch.as_ref(), Some(&workspace.branch));
        let files: Vec<_> = changes.files.iter().map(|file| (file.path.as_str(), file.status)).collect();
        let own = format!("own-{number}.txt");
        assert_eq!(files, [("common.txt", 'M'), (own.as_str(), 'A')]);
        let diff = client.diff(&agent.id, &DiffQuery::default()).await.expect("a diff");
        // A plain git knows new files only once they are added.
        git(&place(agent), &["add", "--intent-to-add", "--all"]);
        let plain = git(&place(agent), &["diff", &workspace.base]);
        assert_eq!(String::from_utf8_lossy(&diff).trim_end_matches('\n'), plain);
        let numstat = git(&place(agent), &["diff", "--numstat", &workspace.base]);
        let counted: Vec<String> = changes
            .files
            .iter()
            .map(|file| format!("{}\t{}\t{}", file.added.unwrap(), file.removed.unwrap(), file.path))
            .collect();
        assert_eq!(counted.join("\n"), numstat);
    }

    // Before anything is committed, and after.
    let conflicts = client.conflicts(&shown[0].id, shown[1].id.as_str()).await.expect("conflicts");
    assert_eq!(conflicts.files, ["common.txt"]);
    assert!(client.conflicts(&shown[0].id, "main").await.expect("conflicts").files.is_empty());
    let commits = join_all(agents.iter().map(|agent| committed(&client, agent, "my work"))).await;
    let conflicts = client.conflicts(&shown[2].id, &branch(&shown[3])).await.expect("conflicts");
    assert_eq!(conflicts.files, ["common.txt"]);
    for (agent, commit) in shown.iter().zip(&commits) {
        let there = git(&place(agent), &["log", "-1", "--format=%H %an <%ae> %s"]);
        assert_eq!(there, format!("{commit} Dev <dev@example.com> my work"));
        assert!(!client.changes(&agent.id).await.expect("changes").dirty);
    }
    let nothing = CommitRequest { message: "again".into(), author: None };
    assert_eq!(client.commit(&shown[0].id, &nothing).await.unwrap_err().code, Code::Conflict);

    // 0 is pushed, 1 is merged, 2 conflicts with it and stays, 3 is dirty, 4 changes its mind.
    let pushed = client.push(&shown[0].id, &PushRequest::default()).await.expect("pushed");
    assert_eq!(git(&repository.origin, &["rev-parse", &pushed.branch]), commits[0]);
    git(&repository.path, &["branch", "next", "main"]);
    let merge = MergeRequest { into: "next".into(), ..MergeRequest::default() };
    let merged = client.merge(&shown[1].id, &merge).await.expect("merged");
    assert_eq!(
        git(&repository.path, &["rev-parse", "next", "next^2"]),
        format!("{}\n{}", merged.commit, commits[1])
    );
    assert_eq!(git(&repository.path, &["show", "next:common.txt"]), "two by 1");
    let refused = client.merge(&shown[2].id, &merge).await.unwrap_err();
    assert_eq!((refused.code, refused.more["files"][0].as_str()), (Code::Conflict, Some("common.txt")));
    let into_main = MergeRequest { into: "main".into(), ..merge.clone() };
    let refused = client.merge(&shown[1].id, &into_main).await.unwrap_err();
    assert!(refused.detail.contains("is checked out in"), "{refused:?}");
    let forward = MergeRequest { strategy: MergeStrategy::Ff, ..merge };
    assert_eq!(client.merge(&shown[2].id, &forward).await.unwrap_err().code, Code::Conflict);
    agents[3].say("echo more > more.txt").await;
    agents[4].say("git reset --quiet --hard HEAD^").await;

    for agent in &agents {
        agent.stop().await;
    }
    let mut left = 0;
    for (number, agent) in shown.iter().enumerate() {
        let agent = client.get(&agent.id).await.expect("it is kept");
        let end = agent.exit.and_then(|exit| exit.workspace).expect("it is told");
        let goes = [0, 1, 4].contains(&number);
        assert_eq!((end.kept, Path::new(&end.path).exists()), (!goes, !goes), "{number}: {end:?}");
        match number {
            0 | 1 | 4 => assert_eq!(end.reason, None),
            3 => assert!(end.reason.expect("told").contains("not committed")),
            _ => assert!(end.reason.expect("told").contains("on no other branch")),
        }
        left += usize::from(end.kept);
    }
    assert_eq!((left, repository.worktrees().len(), repository.branches().len()), (5, 5, 5));
    repository.untouched();

    // What was kept is listed, and goes once nothing would be lost.
    let listed = parallax(&up.server.url(), &["workspaces", "--json"]).await.succeeded().json();
    assert_eq!(listed["workspaces"].as_array().map(Vec::len), Some(5), "{listed}");
    for agent in &shown[5..] {
        git(&repository.path, &["branch", &format!("kept/{}", agent.id), &branch(agent)]);
    }
    let done = parallax(&up.server.url(), &["workspaces", "gc", "--json"]).await.succeeded().json();
    let lengths = (done["removed"].as_array().map(Vec::len), done["kept"].as_array().map(Vec::len));
    assert_eq!(lengths, (Some(3), Some(2)), "{done}");
    assert_eq!(repository.worktrees().len(), 2);
    repository.untouched();
}

/// From the command line: where the repository is, the branch, and what an agent did there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_the_command_line() {
    let directory = Directory::new();
    with_shell(directory.path());
    let up = Up::start(&directory, &[]).await;
    let repository = Repository::new(directory.path());
    let (url, path) = (up.server.url(), repository.path.to_string_lossy().into_owned());
    let arguments = ["spawn", "shell", "dev", "--repo", &path, "--branch", "mine/x", "--wait", "--setup"];
    parallax(&url, &[&arguments[..], &["echo made > made.txt"]].concat()).await.succeeded();
    assert_eq!(git(&repository.path, &["rev-parse", "mine/x"]), repository.before.head);
    let changes = parallax(&url, &["changes", "dev", "--json"]).await.succeeded().json();
    assert_eq!(changes["files"][0]["path"], "made.txt");
    assert!(parallax(&url, &["diff", "dev"]).await.succeeded().out.contains("+made\n"));
    assert!(parallax(&url, &["changes", "dev"]).await.succeeded().out.contains("made.txt"));
    parallax(&url, &["commit", "dev", "-m", "made it"]).await.succeeded();
    parallax(&url, &["push", "dev"]).await.succeeded();
    assert_eq!(git(&repository.origin, &["show", "mine/x:made.txt"]), "made");
    let both = parallax(&url, &["spawn", "shell", "--repo", &path, "--workdir", &path]).await;
    assert_eq!(both.code, 2, "{}", both.err);
    parallax(&url, &["stop", "dev"]).await.succeeded();
    assert_eq!(repository.worktrees(), Vec::<String>::new());
    repository.untouched();
}

/// A set-up runs in the checkout before the agent's program and is seen; one that fails is told, and leaves nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn setting_up() {
    let backend = local().await;
    let (user, repository) = (backend.user(), Repository::new(backend.directory()));
    let with = |setup: &str| {
        let mut request = repository.request("set up");
        request.workspace.as_mut().expect("it has one").setup = Some(setup.into());
        request
    };
    let agent = user.spawn_ready(with("echo setting-$((40+2)) in $PWD; touch ready.txt; sleep 600 &")).await;
    let log = user.client.logs(&agent.id, &Default::default()).await.expect("a log").logs.join("\n");
    assert!(log.contains("setting-42"), "{log}");
    assert_eq!(agent.say("ls -1").await, "README\ncommon.txt\nready.txt");
    let ended = agent.stop().await;
    assert!(ended.exit.and_then(|exit| exit.workspace).expect("told").kept, "a new file is in it");

    let problem = user.spawn_refused(&with("echo it went wrong; touch half; exit 3")).await;
    assert_eq!((problem.code, problem.more["field"].as_str()), (Code::SpawnFailed, Some("workspace.setup")));
    assert!(problem.detail.contains("code 3"), "{problem:?}");
    assert!(problem.more["output"].as_str().expect("told").contains("it went wrong"), "{problem:?}");
    assert_eq!(repository.worktrees().len(), 1, "only that of the first");
    assert_eq!(user.client.workspaces().await.expect("listed").workspaces.len(), 1);
    repository.untouched();
    backend.end_server().await;
}

/// What cannot be made is refused by its field, and leaves nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused() {
    let backend = local().await;
    let (user, repository) = (backend.user(), Repository::new(backend.directory()));
    let home = backend.directory().display().to_string();
    symlink("/etc", backend.directory().join("out")).expect("linked");
    fs::create_dir(repository.path.join("inner")).expect("made");
    let with = |change: &dyn Fn(&mut WorkspaceRequest)| {
        let mut request = repository.request("refused");
        change(request.workspace.as_mut().expect("it has one"));
        request
    };
    let both = SpawnRequest { workdir: Some(home.clone()), ..repository.request("both") };
    let problem = user.spawn_refused(&both).await;
    assert_eq!(
        (problem.code, problem.status, problem.more["field"].as_str()),
        (Code::Validation, 400, Some("workspace"))
    );
    for (change, code) in [
        (&(|one: &mut WorkspaceRequest| one.repo = "/etc".into()) as &dyn Fn(&mut _), Code::WorkdirForbidden),
        (&|one: &mut WorkspaceRequest| one.repo = format!("{home}/out"), Code::WorkdirForbidden),
        (&|one: &mut WorkspaceRequest| one.repo = format!("{home}/../../../etc"), Code::WorkdirForbidden),
        (&|one: &mut WorkspaceRequest| one.repo = format!("{home}/none"), Code::WorkdirNotFound),
        (&|one: &mut WorkspaceRequest| one.repo = home.clone(), Code::Validation),
        (&|one: &mut WorkspaceRequest| one.repo += "/inner", Code::Validation),
        (&|one: &mut WorkspaceRequest| one.repo = "relative".into(), Code::Validation),
        (&|one: &mut WorkspaceRequest| one.repo = "file:///etc".into(), Code::Validation),
        (&|one: &mut WorkspaceRequest| one.repo = "https://me:word@127.0.0.1/x.git".into(), Code::Validation),
        (&|one: &mut WorkspaceRequest| one.repo = "ext::sh -c touch% /tmp/x".into(), Code::Validation),
        (&|one: &mut WorkspaceRequest| one.depth = Some(1), Code::Validation),
        (&|one: &mut WorkspaceRequest| one.r#ref = Some("nowhere".into()), Code::Validation),
        (&|one: &mut WorkspaceRequest| one.r#ref = Some("--output=/tmp/x".into()), Code::Validation),
        (&|one: &mut WorkspaceRequest| one.branch = Some("main".into()), Code::Validation),
        (&|one: &mut WorkspaceRequest| one.branch = Some("a..b".into()), Code::Validation),
        (&|one: &mut WorkspaceRequest| one.branch = Some("../../x".into()), Code::Validation),
        (&|one: &mut WorkspaceRequest| one.branch = Some("-d".into()), Code::Validation),
    ] {
        let request = with(change);
        let problem = user.spawn_refused(&request).await;
        assert_eq!(problem.code, code, "{:?}: {problem:?}", request.workspace);
        assert!(
            problem.more["field"].as_str().is_some_and(|field| field.starts_with("workspace")),
            "{problem:?}"
        );
    }
    assert_eq!((repository.worktrees().len(), repository.branches().len()), (0, 0));
    let plain = SpawnRequest { workspace: None, ..repository.request("plain") };
    let agent = user.spawn_ready(plain).await;
    assert_eq!(user.client.changes(&agent.id).await.unwrap_err().code, Code::NotFound);
    agent.stop().await;
    backend.end_server().await;
}

/// Neither the server nor the host need live on: a workspace that is worth it does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_dash_nine() {
    let backend = local().await;
    let (user, repository) = (backend.user(), Repository::new(backend.directory()));
    let dirty = user.spawn_ready(repository.request("dirty")).await;
    let mut clean = user.spawn_ready(repository.request("clean")).await;
    let always = {
        let mut request = repository.request("always");
        request.workspace.as_mut().expect("it has one").keep = WorkspaceKeep::Always;
        user.spawn_ready(request).await
    };
    dirty.say("echo precious > precious.txt").await;
    let (host, shell) = (host_of(&backend, &dirty), dirty.agent().await);
    backend.kill_server().await;
    backend.start_server(Default::default()).await;
    assert_eq!(user.client.changes(&dirty.id).await.expect("changes").files[0].path, "precious.txt");
    assert_eq!(repository.worktrees().len(), 3);

    // The host of the one is killed while the server is; the other ends while it is.
    backend.kill_server().await;
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(i32::try_from(host).expect("a pid")).expect("a pid"),
        rustix::process::Signal::KILL,
    )
    .expect("it lives");
    backend.start_server(Default::default()).await;
    let mut dirty = user.follow(dirty.id).await;
    let exit = dirty.ends().await;
    assert_eq!(exit.reason, "host_lost");
    let end = exit.workspace.expect("told");
    assert!(end.kept && Path::new(&end.path).join("precious.txt").exists(), "{end:?}");
    assert_eq!(end.path, place(&shell).display().to_string());
    // It can still be looked at, and committed.
    committed(&user.client, &dirty, "saved").await;
    clean.press(&["ctrl-d"]).await;
    assert!(!clean.ends().await.workspace.expect("told").kept);
    let end = always.stop_with(StopRequest { force: true, ..Default::default() }).await;
    assert!(end.exit.and_then(|exit| exit.workspace).expect("told").kept);
    assert_eq!(repository.worktrees().len(), 2);
    let done = user.client.clean_workspaces().await.expect("cleaned");
    assert_eq!((done.removed.len(), done.kept.len()), (0, 2));
    repository.untouched();
    backend.end_server().await;
}

fn host_of(backend: &LocalBackend, agent: &Spawned) -> u32 {
    processes::host_of(&backend.directory().join("state/agents").join(agent.id.as_str())).expect("a pid")
}

/// What is changed is told as it changes, counted in the agent, and can be had by hunks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_are_told() {
    let directory = Directory::new();
    with_shell(directory.path());
    let mut up = Up::start(&directory, &[]).await;
    let (user, repository) = (up.user(), Repository::new(directory.path()));
    let mut agent = user.spawn_ready(repository.request("dev")).await;
    agent.say("printf 'two\\nthree\\nfour' > common.txt; echo x > new.txt").await;
    let counts = |data: &EventData| match data {
        EventData::Changes { agent } => agent.workspace.as_ref().and_then(|workspace| workspace.changes),
        _ => None,
    };
    // Both files: one may have been seen before the other.
    let told = agent.event("both files", |data| counts(data).filter(|counts| counts.files == 2)).await;
    let expected = ChangeCounts { files: 2, added: 2, removed: 1, dirty: true, ..ChangeCounts::default() };
    assert_eq!(told, ChangeCounts { added: told.added, removed: told.removed, ..expected });
    let query = DiffQuery { format: Some(DiffFormat::Json), ..DiffQuery::default() };
    let diff = user.client.diff(&agent.id, &query).await.expect("a diff");
    let diff: Diff = serde_json::from_slice(&diff).expect("JSON");
    let shown: Vec<_> =
        diff.files.iter().map(|file| (file.path.as_str(), file.added, file.hunks.len())).collect();
    assert_eq!(shown, [("common.txt", false, 1), ("new.txt", true, 1)]);
    let lines = &diff.files[0].hunks[0].lines;
    let added = lines.iter().filter(|line| line.kind == DiffLineKind::Added).count();
    let new: usize = diff.files[1].hunks[0].lines.len();
    assert_eq!((told.added, lines.last().map(|line| line.unterminated)), ((added + new) as u64, Some(true)));
    let text = parallax(&up.server.url(), &["diff", "dev", "--json"]).await.succeeded().json();
    assert_eq!(text["files"][1]["path"], "new.txt");

    committed(&user.client, &agent, "mine").await;
    let told = agent.event("the commit", |data| counts(data).filter(|counts| counts.ahead == 1)).await;
    assert!(!told.dirty && told.files == 2, "{told:?}");
    // It is in the agent from then on, whatever else is told of it.
    agent.say("true").await;
    let shown = agent.agent().await.workspace.and_then(|workspace| workspace.changes);
    assert_eq!(shown, Some(told));
    agent.stop().await;
    up.server.end().await;
}
