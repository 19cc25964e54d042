//! Workspaces that are clones of a URL, with credentials that no agent gets.

use std::fs;

use parallax_api::workspace::{
    CommitRequest, MergeRequest, PushRequest, WorkspaceCredentials, WorkspaceMode, WorkspaceRequest,
};
use parallax_api::{Code, SpawnRequest};
use parallax_testkit::backend::TestBackend;
use parallax_testkit::git_server::{GitServer, PASSWORD};
use parallax_testkit::local::LocalBackend;

use parallax_testkit::repository::{Repository, branch, git, local, place, with_shell};

fn cloning(repository: &Repository, name: &str, change: impl FnOnce(&mut WorkspaceRequest)) -> SpawnRequest {
    let mut request = repository.request(name);
    change(request.workspace.as_mut().expect("it has one"));
    request
}

fn with_password(request: &mut WorkspaceRequest, url: String, password: &str) {
    request.repo = url;
    request.credentials = Some(WorkspaceCredentials { username: None, password: password.into() });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_reach_the_server_and_no_agent() {
    let backend = local().await;
    let (user, repository) = (backend.user(), Repository::new(backend.directory()));
    let server = GitServer::start(&backend.directory().canonicalize().expect("it is there"));
    let url = server.url("origin.git");
    let one = |change: &dyn Fn(&mut WorkspaceRequest)| cloning(&repository, "cloned", change);

    // Wrong, missing, and right.
    for refused in [
        one(&|request| request.repo.clone_from(&url)),
        one(&|request| with_password(request, url.clone(), "wrong")),
        one(&|request| with_password(request, server.url("none.git"), PASSWORD)),
    ] {
        let problem = user.spawn_refused(&refused).await;
        assert_eq!(problem.code, Code::Conflict, "{problem:?}");
        assert!(!format!("{problem:?}").contains(PASSWORD));
    }
    assert_eq!(user.client.workspaces().await.expect("listed").workspaces, []);
    let agent = user.spawn_ready(one(&|request| with_password(request, url.clone(), PASSWORD))).await;
    let shown = agent.agent().await;
    assert_eq!(
        shown.workspace.as_ref().map(|one| (one.repo.as_str(), one.base.as_str())),
        Some((url.as_str(), &*repository.before.head))
    );
    assert!(!serde_json::to_string(&shown).expect("JSON").contains(PASSWORD));

    // Neither the environment of the agent nor its checkout has it, and it cannot fetch by itself.
    assert_eq!(agent.say("cat common.txt").await, "one\ntwo\nthree");
    let found = agent.say(format!("env | grep -c {PASSWORD}; grep -r {PASSWORD} . | wc -l; GIT_TERMINAL_PROMPT=0 git ls-remote origin 2>&1 | tail -1")).await;
    assert!(found.starts_with("0\n0\n") && found.contains("fatal"), "{found}");

    agent.say("echo four >> common.txt").await;
    let commit = CommitRequest { message: "four".into(), author: None };
    let committed = user.client.commit(&agent.id, &commit).await.expect("committed");
    let refused =
        user.client.merge(&agent.id, &MergeRequest { into: "main".into(), ..Default::default() }).await;
    assert_eq!(refused.unwrap_err().code, Code::Conflict);
    // An agent that turns `origin` elsewhere gets neither the push nor the password.
    let other = GitServer::start(backend.directory());
    agent
        .say(format!(
            "git config remote.origin.url {}; git config remote.origin.pushurl {}",
            other.url("x"),
            other.url("x")
        ))
        .await;
    // It survives the server, too.
    backend.kill_server().await;
    backend.start_server(Default::default()).await;
    let pushed = user.client.push(&agent.id, &PushRequest::default()).await.expect("pushed");
    assert_eq!(
        (pushed.commit.as_str(), pushed.branch.as_str()),
        (committed.commit.as_str(), branch(&shown).as_str())
    );
    assert_eq!(git(&repository.origin, &["rev-parse", &pushed.branch]), committed.commit);
    assert_eq!(other.asked(), Vec::<String>::new());
    // To another remote it is pushed without.
    agent.say(format!("git remote add elsewhere {}", other.url("x"))).await;
    let elsewhere = PushRequest { remote: Some("elsewhere".into()), ..PushRequest::default() };
    user.client.push(&agent.id, &elsewhere).await.expect_err("it wants a password");
    assert!(other.asked().iter().all(|line| line.ends_with(" 401")), "{:?}", other.asked());
    assert!(!other.asked().is_empty());

    let end = agent.stop().await.exit.and_then(|exit| exit.workspace).expect("told");
    assert!(!end.kept && !place(&shown).exists(), "it was pushed: {end:?}");
    let left = fs::read_dir(backend.directory().join("state/workspaces")).expect("it is there").count();
    assert_eq!(left, 0, "nor are the credentials there any more");
    repository.untouched();
    backend.end_server().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_from_hosts_that_are_allowed() {
    let backend = LocalBackend::start_with(&["--allow-repo-host", "git.example"], &[], with_shell).await;
    let (user, repository) = (backend.user(), Repository::new(backend.directory()));
    let server = GitServer::start(backend.directory());
    for url in
        [server.url("origin.git"), "http://169.254.169.254/x".into(), "http://git.example:8080/x".into()]
    {
        let problem =
            user.spawn_refused(&cloning(&repository, "refused", |one| one.repo.clone_from(&url))).await;
        assert_eq!(
            (problem.code, problem.more["field"].as_str()),
            (Code::WorkdirForbidden, Some("workspace.repo")),
            "{url}"
        );
    }
    assert_eq!(server.asked(), Vec::<String>::new());
    // Of a directory there is one all the same.
    let clone =
        cloning(&repository, "cloned", |one| (one.mode, one.depth) = (Some(WorkspaceMode::Clone), Some(1)));
    let agent = user.spawn_ready(clone).await;
    assert_eq!(agent.say("git rev-list --count HEAD").await, "1");
    assert!(repository.worktrees().is_empty() && repository.branches().is_empty());
    agent.stop().await;
    assert_eq!(user.client.workspaces().await.expect("listed").workspaces, []);
    repository.untouched();
    backend.end_server().await;
}
