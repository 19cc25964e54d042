//! Workspaces in containers: clones on volumes of their own, pushed and merged by the server.

use std::fs;

use parallax_api::workspace::{
    CommitRequest, DiffQuery, MergeRequest, PushRequest, WorkspaceCredentials, WorkspaceKeep, WorkspaceMode,
    WorkspaceRequest,
};
use parallax_api::{Agent, AgentId, Code, SpawnRequest};
use parallax_testkit::backend::TestBackend;
use parallax_testkit::docker::{DockerBackend, GIT_IMAGE, docker};
use parallax_testkit::git_server::{GitServer, PASSWORD};
use parallax_testkit::repository::{Repository, branch, committed, git};
use parallax_testkit::wait::{PATIENCE, until};

pub(crate) fn asking(
    repository: &Repository,
    name: &str,
    change: impl FnOnce(&mut WorkspaceRequest),
) -> SpawnRequest {
    let mut request = SpawnRequest { image: Some(GIT_IMAGE.into()), ..repository.request(name) };
    change(request.workspace.as_mut().expect("it has one"));
    request
}

pub(crate) fn volume(agent: &AgentId) -> String {
    format!("parallax-workspace-{agent}")
}

pub(crate) async fn is_there(volume: &str) -> bool {
    docker(&["volume", "inspect", volume]).await.is_some()
}

pub(crate) async fn goes(volume: &str) {
    until(
        "the volume goes",
        PATIENCE,
        async || if is_there(volume).await { Err("it is there") } else { Ok(()) },
    )
    .await;
}

/// Removed by a person, once no container has it.
pub(crate) async fn thrown_away(volume: &str) {
    until("nobody uses the volume", PATIENCE, async || {
        docker(&["volume", "rm", volume]).await.ok_or("in use")
    })
    .await;
}

fn place(agent: &Agent) -> String {
    format!("/agent/workspace/{}", agent.id)
}

/// From a repository of the server's machine: looked at, compared, committed, merged and pushed from outside of the container.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Docker engine: make test-docker"]
async fn of_a_repository_of_the_machine() {
    let backend = DockerBackend::start_with(&[], &[]).await;
    let (user, repository) = (backend.user(), Repository::new(backend.directory()));
    git(&repository.path, &["branch", "next"]);
    let before = repository.before.head.clone();
    let setup = "echo set up by $(id -u) in $PWD; mkdir -p .git/info; echo '*.log' > .git/info/exclude";
    let one = user.spawn_ready(asking(&repository, "one", |asked| asked.setup = Some(setup.into()))).await;
    let two = user.spawn_ready(asking(&repository, "two", |_| {})).await;
    let shown = one.agent().await;
    assert_eq!(shown.workdir.as_deref(), Some(&*place(&shown)));
    assert_eq!(shown.workspace.as_ref().expect("it has one").base, before);
    assert!(branch(&shown).starts_with("parallax/one-"), "{shown:?}");
    let looked =
        one.say("pwd; git branch --show-current; git status --porcelain; cat common.txt; id -u").await;
    let uid = looked.lines().last().expect("a user").to_owned();
    assert_eq!(looked, format!("{}\n{}\none\ntwo\nthree\n{uid}", place(&shown), branch(&shown)));
    assert_ne!(uid, "0");
    let log = user.client.logs(&one.id, &Default::default()).await.expect("read").logs.concat();
    assert!(log.contains(&format!("set up by {uid} in {}", place(&shown))), "{log}");
    assert_eq!(one.say("cat .git/info/exclude").await, "*.log", "the set-up ran");

    one.say("echo four >> common.txt; echo n > new; echo x > an.log").await;
    two.say("echo five >> common.txt").await;
    let changes = user.client.changes(&one.id).await.expect("looked at");
    let files: Vec<_> = changes.files.iter().map(|file| (file.status, file.path.as_str())).collect();
    assert_eq!(files, [('M', "common.txt"), ('A', "new")]);
    assert!(changes.dirty && changes.ahead == 0, "{changes:?}");
    let diff = user
        .client
        .diff(&one.id, &DiffQuery { file: Some("common.txt".into()), ..DiffQuery::default() })
        .await;
    let diff = String::from_utf8_lossy(&diff.expect("a diff")).into_owned();
    assert!(diff.contains("+four") && !diff.contains("new"), "{diff}");
    let found = user.client.conflicts(&one.id, two.id.as_str()).await.expect("compared");
    assert_eq!(
        (found.files.as_slice(), found.with),
        (&["common.txt".to_owned()][..], branch(&two.agent().await))
    );
    assert!(user.client.conflicts(&one.id, "origin/next").await.expect("compared").files.is_empty());
    assert_eq!(one.say("git status --porcelain").await, " M common.txt\n?? new", "looking changes nothing");

    let into = MergeRequest { into: "next".into(), ..MergeRequest::default() };
    assert_eq!(user.client.merge(&one.id, &into).await.expect_err("it is dirty").code, Code::Conflict);
    let commit = committed(&user.client, &one, "four").await;
    // Agents commit themselves, too, and as somebody.
    assert_eq!(
        one.say("git --no-pager log -1 --format=%an; echo more >> new; git commit -qam more && git --no-pager log -1 --format=%an")
            .await,
        "Dev\none"
    );
    backend.kill_server().await;
    backend.start_server(Default::default()).await;
    let merged = user.client.merge(&one.id, &into).await.expect("merged");
    assert_eq!(git(&repository.path, &["rev-parse", "next"]), merged.commit);
    assert_eq!(git(&repository.path, &["show", "next:new"]), "n\nmore");
    assert_eq!(git(&repository.path, &["rev-parse", "next^2~1"]), commit);
    let pushed = user.client.push(&one.id, &PushRequest::default()).await.expect("pushed");
    assert_eq!(git(&repository.path, &["rev-parse", &pushed.branch]), pushed.commit);
    repository.untouched();

    // Through the files of the agent as well.
    let file = user.client.file(&one.id, "common.txt").await;
    assert!(file.is_ok(), "{:?}", file.err());
    // What is pushed goes; what is not committed stays, and is told.
    let end = one.stop().await.exit.and_then(|exit| exit.workspace).expect("told");
    assert!(!end.kept, "{end:?}");
    goes(&volume(&one.id)).await;
    let end = two.stop().await.exit.and_then(|exit| exit.workspace).expect("told");
    assert_eq!((end.kept, end.volume.as_deref()), (true, Some(&*volume(&two.id))), "{end:?}");
    assert_eq!(end.reason.as_deref(), Some("something in it is not committed"));
    let listed = user.client.workspaces().await.expect("listed").workspaces;
    assert_eq!(listed.iter().map(|one| (&one.id, one.in_use)).collect::<Vec<_>>(), [(&two.id, Some(false))]);
    assert_eq!(listed[0].reason, end.reason);
    let cleaned = user.client.clean_workspaces().await.expect("looked at");
    assert!(cleaned.removed.is_empty() && is_there(&volume(&two.id)).await, "{cleaned:?}");
    // It is a volume like any other.
    let request = SpawnRequest {
        workdir: Some(volume(&two.id)),
        workspace: None,
        ..asking(&repository, "heir", |_| {})
    };
    let heir = user.spawn_ready(request).await;
    assert_eq!(
        heir.say(format!("git -C {} diff --stat | tail -1", two.id)).await,
        " 1 file changed, 1 insertion(+)"
    );
    heir.stop().await;
    thrown_away(&volume(&two.id)).await;
    let cleaned = user.client.clean_workspaces().await.expect("looked at");
    assert_eq!(cleaned.removed.len(), 1, "somebody took it away: {cleaned:?}");
    let left = fs::read_dir(backend.directory().join("state/workspaces")).expect("it is there").count();
    assert_eq!(left, 0);
    backend.end_server().await;
}

/// From a URL, with a password that no agent gets: the server fetches and pushes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Docker engine: make test-docker"]
async fn of_a_url() {
    let backend = DockerBackend::start_with(&["--allow-repo-host", "*"], &[]).await;
    let (user, repository) = (backend.user(), Repository::new(backend.directory()));
    let server = GitServer::start(&backend.directory().canonicalize().expect("it is there"));
    let asked = |password: &str, keep, depth| {
        asking(&repository, "cloned", |asked| {
            asked.repo = server.url("origin.git");
            (asked.keep, asked.depth) = (keep, depth);
            asked.credentials = Some(WorkspaceCredentials { username: None, password: password.into() });
        })
    };
    let problem = user.spawn_refused(&asked("wrong", WorkspaceKeep::Changed, None)).await;
    assert_eq!(problem.code, Code::Conflict, "{problem:?}");
    let agent = user.spawn_ready(asked(PASSWORD, WorkspaceKeep::Changed, Some(1))).await;
    let found = agent
        .say(format!("git rev-list --count HEAD; git remote get-url origin; env | grep -c {PASSWORD}; grep -r {PASSWORD} /agent/workspace | wc -l"))
        .await;
    assert_eq!(found, format!("1\n{}\n0\n0", server.url("origin.git")));
    agent.say("echo four >> common.txt; git config remote.origin.url http://elsewhere.example/").await;
    let commit = CommitRequest { message: "four".into(), author: None };
    let commit = user.client.commit(&agent.id, &commit).await.expect("committed").commit;
    let refused =
        user.client.merge(&agent.id, &MergeRequest { into: "main".into(), ..MergeRequest::default() }).await;
    assert_eq!(refused.expect_err("it is a URL's").code, Code::Conflict);
    let pushed = user.client.push(&agent.id, &PushRequest::default()).await.expect("pushed");
    assert_eq!(
        (git(&repository.origin, &["rev-parse", &pushed.branch]), pushed.commit),
        (commit.clone(), commit)
    );
    let elsewhere = PushRequest { remote: Some("elsewhere".into()), ..PushRequest::default() };
    assert!(user.client.push(&agent.id, &elsewhere).await.is_err(), "only where it came from");
    assert!(!agent.stop().await.exit.and_then(|exit| exit.workspace).expect("told").kept);
    goes(&volume(&agent.id)).await;

    // As was asked for.
    for (keep, kept) in [(WorkspaceKeep::Never, false), (WorkspaceKeep::Always, true)] {
        let agent = user.spawn_ready(asked(PASSWORD, keep, None)).await;
        agent.say("echo lost > lost").await;
        let end = agent.stop().await.exit.and_then(|exit| exit.workspace).expect("told");
        assert_eq!(end.kept, kept, "{keep:?}: {end:?}");
        if kept {
            thrown_away(&volume(&agent.id)).await;
        } else {
            goes(&volume(&agent.id)).await;
        }
    }
    backend.end_server().await;
}

/// What cannot be is refused, and leaves nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Docker engine: make test-docker"]
async fn refused() {
    let backend = DockerBackend::start_with(&[], &[]).await;
    let (user, repository) = (backend.user(), Repository::new(backend.directory()));
    let failing = "echo the last words; exit 7";
    for (change, code, field) in [
        (
            &(|one: &mut WorkspaceRequest| one.mode = Some(WorkspaceMode::Worktree))
                as &dyn Fn(&mut WorkspaceRequest),
            Code::Unsupported,
            "workspace.mode",
        ),
        (&|one| one.repo = "/etc".into(), Code::WorkdirForbidden, "workspace.repo"),
        (&|one| one.repo = "https://git.example/x".into(), Code::WorkdirForbidden, "workspace.repo"),
        (&|one| one.r#ref = Some("nowhere".into()), Code::Validation, "workspace"),
        (&|one| one.setup = Some(failing.into()), Code::SpawnFailed, "workspace.setup"),
    ] {
        let problem = user.spawn_refused(&asking(&repository, "refused", change)).await;
        assert_eq!((problem.code, problem.more["field"].as_str()), (code, Some(field)), "{problem:?}");
        assert_eq!(problem.more.contains_key("output"), field == "workspace.setup", "{problem:?}");
    }
    let reuse =
        |one: &mut WorkspaceRequest| (one.reuse, one.repo) = (Some(AgentId::generate()), String::new());
    let problem = user.spawn_refused(&asking(&repository, "refused", reuse)).await;
    assert_eq!(problem.code, Code::NotFound, "{problem:?}");
    // An image without git says so.
    let problem =
        user.spawn_refused(&SpawnRequest { image: None, ..asking(&repository, "bare", |_| {}) }).await;
    assert_eq!(
        (problem.code, problem.more["field"].as_str()),
        (Code::SpawnFailed, Some("image")),
        "{problem:?}"
    );
    assert!(problem.detail.contains("`git`"), "{problem:?}");
    assert_eq!(user.client.workspaces().await.expect("listed").workspaces, []);
    // An agent that is killed with its host leaves its work.
    let agent = user.spawn_ready(asking(&repository, "killed", |_| {})).await;
    agent.say("echo kept > kept").await;
    docker(&["kill", &parallax_testkit::docker::container(&agent.id)]).await.expect("killed");
    let mut agent = agent;
    let end = agent.ends_its_workspace().await;
    assert!(end.kept, "{end:?}");
    let image = [&*format!("{}:/v", volume(&agent.id)), "debian:bookworm-slim", "cat"];
    let path = format!("/v/{}/kept", agent.id);
    let run = ["run", "--rm", "--volume", image[0], image[1], image[2], &path];
    assert_eq!(docker(&run).await.as_deref(), Some("kept"));
    thrown_away(&volume(&agent.id)).await;
    backend.end_server().await;
}
