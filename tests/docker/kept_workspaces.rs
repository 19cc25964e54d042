//! Workspaces in containers that outlive their agents: others work in them, and a clean-up looks at them again.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use parallax_api::workspace::{
    MergeRequest, PullRequestRequest, PushRequest, WorkspaceCredentials, WorkspaceEnd, WorkspaceInfo,
    WorkspaceRequest,
};
use parallax_api::{AgentId, Code, SpawnRequest};
use parallax_testkit::backend::TestBackend;
use parallax_testkit::docker::{DockerBackend, container, docker};
use parallax_testkit::git_server::{GitServer, PASSWORD};
use parallax_testkit::repository::{Repository, branch, committed, git};
use parallax_testkit::user::Spawned;
use parallax_testkit::wait::{PATIENCE, until};

use crate::workspaces::{asking, goes, is_there, thrown_away, volume};

/// In the workspace of this agent.
fn reusing(repository: &Repository, name: &str, id: &AgentId) -> SpawnRequest {
    asking(repository, name, |asked| {
        *asked = WorkspaceRequest { reuse: Some(id.clone()), ..WorkspaceRequest::default() };
    })
}

async fn end(agent: &Spawned) -> WorkspaceEnd {
    agent.stop().await.exit.and_then(|exit| exit.workspace).expect("told")
}

async fn container_goes(agent: &Spawned) {
    let name = container(&agent.id);
    until("the container goes", PATIENCE, async || {
        docker(&["inspect", &name]).await.map_or(Ok(()), |_| Err("it is there"))
    })
    .await;
}

/// Beside the agent that it was made for, and after it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Docker engine: make test-docker"]
async fn agents_work_in_the_workspace_of_another() {
    let backend = DockerBackend::start_with(&[], &[]).await;
    let (user, repository) = (backend.user(), Repository::new(backend.directory()));
    let client = user.client.clone();
    let first = user.spawn_ready(asking(&repository, "first", |_| {})).await;
    let of_first = first.agent().await;
    first.say("echo four >> common.txt").await;
    let second = user.spawn_ready(reusing(&repository, "second", &first.id)).await;
    let of_second = second.agent().await;
    assert_eq!(of_second.workdir, of_first.workdir);
    assert_eq!(of_second.workspace.as_ref().and_then(|one| one.id.as_ref()), Some(&first.id));
    assert_eq!(branch(&of_second), branch(&of_first));
    assert_eq!(second.say("git status --porcelain").await, " M common.txt");
    let changes = client.changes(&second.id).await.expect("looked at");
    assert_eq!(changes.files.len(), 1, "{changes:?}");
    // Each container looks at it by itself, and sees nothing of what runs in the other one.
    for _ in 0..10 {
        let (one, other) = tokio::join!(client.changes(&first.id), client.changes(&second.id));
        assert_eq!(one.expect("looked at").files, changes.files);
        assert_eq!(other.expect("looked at").files, changes.files);
    }

    // It stays until the last one has ended, and the second one pushes what both did.
    let ended = end(&first).await;
    assert_eq!((ended.kept, ended.reason.as_deref()), (true, Some("another agent works in it")), "{ended:?}");
    container_goes(&first).await;
    let cleaned = client.clean_workspaces().await.expect("looked at");
    assert!(cleaned.removed.is_empty() && cleaned.kept[0].in_use == Some(true), "{cleaned:?}");
    second.say("echo five > five.txt").await;
    let commit = committed(&client, &second, "both").await;
    let pushed = client.push(&second.id, &PushRequest::default()).await.expect("pushed");
    assert_eq!(git(&repository.path, &["rev-parse", &pushed.branch]), commit);
    // A spawn that fails leaves it as it is.
    let failing = SpawnRequest {
        workspace: Some(WorkspaceRequest {
            reuse: Some(first.id.clone()),
            setup: Some("exit 3".into()),
            ..WorkspaceRequest::default()
        }),
        ..reusing(&repository, "failing", &first.id)
    };
    assert_eq!(user.spawn_refused(&failing).await.code, Code::SpawnFailed);
    assert_eq!(second.say("cat five.txt").await, "five");
    assert!(!end(&second).await.kept);
    goes(&volume(&first.id)).await;
    assert_eq!(user.spawn_refused(&reusing(&repository, "late", &first.id)).await.code, Code::NotFound);

    // One that was kept, also by a server before this one.
    let third = user.spawn_ready(asking(&repository, "third", |_| {})).await;
    third.say("echo six > six.txt").await;
    assert!(end(&third).await.kept);
    container_goes(&third).await;
    backend.kill_server().await;
    backend.start_server(Default::default()).await;
    let reason = async || client.workspaces().await.expect("listed").workspaces[0].reason.clone();
    let before = reason().await;
    let mut failing = reusing(&repository, "failing", &third.id);
    failing.workspace.as_mut().expect("it has one").setup = Some("exit 3".into());
    assert_eq!(user.spawn_refused(&failing).await.code, Code::SpawnFailed);
    assert_eq!(reason().await, before, "what was found at its end is known as before");
    let fourth = user.spawn_ready(reusing(&repository, "fourth", &third.id)).await;
    assert_eq!(fourth.say("cat six.txt").await, "six");
    committed(&client, &fourth, "six").await;
    client.push(&fourth.id, &PushRequest::default()).await.expect("pushed");
    assert!(!end(&fourth).await.kept);
    goes(&volume(&third.id)).await;
    let state = backend.directory().join("state/workspaces");
    until("nothing is known of them", PATIENCE, async || {
        match fs::read_dir(&state).expect("it is there").count() {
            0 => Ok(()),
            left => Err(left),
        }
    })
    .await;
    assert!(client.workspaces().await.expect("listed").workspaces.is_empty());
    backend.end_server().await;
}

/// What was merged into a directory's repository, or pushed to a URL's, since its agent ended or without its clone noticing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Docker engine: make test-docker"]
async fn a_clean_up_looks_again() {
    let backend = DockerBackend::start_with(&["--allow-repo-host", "*"], &[]).await;
    let (user, repository) = (backend.user(), Repository::new(backend.directory()));
    let client = user.client.clone();
    git(&repository.path, &["branch", "next"]);
    let server = GitServer::start(&backend.directory().canonicalize().expect("it is there"));
    let merged = user.spawn_ready(asking(&repository, "merged", |_| {})).await;
    let pushed = asking(&repository, "pushed", |asked| {
        asked.repo = server.url("origin.git");
        let credentials = WorkspaceCredentials { username: None, password: PASSWORD.into() };
        asked.credentials = Some(credentials);
    });
    let pushed = user.spawn_ready(pushed).await;
    let lone = user.spawn_ready(asking(&repository, "lone", |_| {})).await;
    for agent in [&merged, &pushed, &lone] {
        // Otherwise they might be one commit.
        agent.say(format!("echo {} > mine.txt", agent.id)).await;
        committed(&client, agent, "mine").await;
    }
    let into = MergeRequest { into: "next".into(), ..MergeRequest::default() };
    client.merge(&merged.id, &into).await.expect("merged");
    // Somebody else pushes it: the server knows it not.
    let file = backend.directory().join("pushed.bundle");
    let made = pushed.say("git bundle create --quiet /tmp/x.bundle HEAD && echo made").await;
    assert_eq!(made, "made");
    let from = format!("{}:/tmp/x.bundle", container(&pushed.id));
    docker(&["cp", &from, &file.to_string_lossy()]).await.expect("copied");
    for agent in [&merged, &pushed, &lone] {
        let ended = end(agent).await;
        assert_eq!(ended.reason.as_deref(), Some("1 of its commits are on no remote"), "{ended:?}");
        container_goes(agent).await;
    }
    let cleaned = client.clean_workspaces().await.expect("looked at");
    let ids = |found: &[WorkspaceInfo]| found.iter().map(|one| one.id.clone()).collect::<BTreeSet<_>>();
    let of = |agents: &[&Spawned]| agents.iter().map(|agent| agent.id.clone()).collect::<BTreeSet<_>>();
    assert_eq!(ids(&cleaned.removed), of(&[&merged]), "{cleaned:?}");
    assert_eq!(ids(&cleaned.kept), of(&[&pushed, &lone]), "{cleaned:?}");
    assert!(!is_there(&volume(&merged.id)).await);
    let reference = format!("HEAD:refs/heads/{}", branch(&pushed.agent().await));
    git(&repository.origin, &["fetch", "--quiet", &file.to_string_lossy(), &reference]);
    let cleaned = client.clean_workspaces().await.expect("looked at");
    assert_eq!(ids(&cleaned.removed), of(&[&pushed]), "{cleaned:?}");
    let kept = &cleaned.kept[0];
    assert_eq!(
        (&kept.id, kept.reason.as_deref()),
        (&lone.id, Some("1 of its commits are on no remote")),
        "{cleaned:?}"
    );
    // Whoever looks leaves no container.
    let filter = format!("label=io.parallax.workspace={}", lone.id);
    assert_eq!(docker(&["ps", "--all", "--quiet", "--filter", &filter]).await.as_deref(), Some(""));

    // Somebody works on the volume by its name: it is not looked at, and what was left there is found later.
    let heir = SpawnRequest {
        workdir: Some(volume(&lone.id)),
        workspace: None,
        ..asking(&repository, "heir", |_| {})
    };
    let heir = user.spawn_ready(heir).await;
    heir.say(format!("echo more > {}/more.txt", lone.id)).await;
    let cleaned = client.clean_workspaces().await.expect("looked at");
    let reason = cleaned.kept[0].reason.clone().unwrap_or_default();
    assert!(reason.contains("something else works in its volume"), "{cleaned:?}");
    heir.stop().await;
    container_goes(&heir).await;
    let cleaned = client.clean_workspaces().await.expect("looked at");
    assert_eq!(cleaned.kept[0].reason.as_deref(), Some("something in it is not committed"), "{cleaned:?}");
    thrown_away(&volume(&lone.id)).await;
    assert_eq!(client.clean_workspaces().await.expect("looked at").removed.len(), 1);
    backend.end_server().await;
}

/// A server that is killed between its decision and the removal, while somebody else works on the volume.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Docker engine: make test-docker"]
async fn what_a_killed_server_left_is_looked_at() {
    let backend = DockerBackend::start_with(&[], &[]).await;
    let (user, repository) = (backend.user(), Repository::new(backend.directory()));
    let client = user.client.clone();
    for leaves_work in [false, true] {
        let agent = user.spawn_ready(asking(&repository, "goes", |_| {})).await;
        let heir = SpawnRequest {
            workdir: Some(volume(&agent.id)),
            workspace: None,
            ..asking(&repository, "heir", |_| {})
        };
        let heir = user.spawn_ready(heir).await;
        assert!(!end(&agent).await.kept);
        let record = backend.directory().join(format!("state/workspaces/{}.json", agent.id));
        let noted = fs::read_to_string(&record).expect("it is there");
        assert!(noted.contains("\"ending\""), "{noted}");
        backend.kill_server().await;
        backend.start_server(Default::default()).await;
        container_goes(&agent).await;
        let cleaned = client.clean_workspaces().await.expect("looked at");
        assert!(cleaned.removed.is_empty() && is_there(&volume(&agent.id)).await, "{cleaned:?}");
        if leaves_work {
            heir.say(format!("echo work > {}/work.txt", agent.id)).await;
        }
        heir.stop().await;
        container_goes(&heir).await;
        let cleaned = client.clean_workspaces().await.expect("looked at");
        if leaves_work {
            assert!(cleaned.removed.is_empty() && is_there(&volume(&agent.id)).await, "{cleaned:?}");
            thrown_away(&volume(&agent.id)).await;
        } else {
            // By the clean-up, or by the server itself, which looks again as long.
            goes(&volume(&agent.id)).await;
        }
    }
    backend.end_server().await;
}

/// The operator's command runs with the server's store, not in the container.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Docker engine: make test-docker"]
async fn pull_requests() {
    let directory = tempfile::tempdir().expect("made");
    let (script, got) = (directory.path().join("forge.sh"), directory.path().join("got"));
    let text = format!(
        "#!/bin/sh\n{{ printf '%s\\n' \"$@\"; echo token=$GH_TOKEN; git log -1 --format='commit %s'; \
         git config --get remote.origin.url; }} > '{}'\necho https://forge.example/o/r/pull/7\n",
        got.display()
    );
    fs::write(&script, text).expect("written");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("set");
    let command = format!("{} --head={{branch}} --base={{base}} --title={{title}}", script.display());
    let backend =
        DockerBackend::start_with(&["--pull-request-command", &command], &[("GH_TOKEN", "the-token".into())])
            .await;
    let (user, repository) = (backend.user(), Repository::new(backend.directory()));
    let client = user.client.clone();
    let agent = user.spawn_ready(asking(&repository, "dev", |_| {})).await;
    let asked = PullRequestRequest::default();
    let refused = client.pull_request(&agent.id, &asked).await.expect_err("nothing is committed");
    assert!(refused.code == Code::Conflict && refused.detail.contains("commit first"), "{refused:?}");
    // What the agent writes into its clone says nothing on the server.
    let traps = "mkdir -p .git/hooks; printf '#!/bin/sh\\necho sprung > /tmp/sprung\\n' > .git/hooks/pre-push; chmod +x .git/hooks/pre-push; \
                 git config core.sshCommand /bin/false; git config remote.origin.url /etc; echo mine > mine.txt; env | grep -c the-token";
    assert_eq!(agent.say(traps).await, "0");
    let commit = committed(&client, &agent, "Add mine").await;
    let made = client.pull_request(&agent.id, &asked).await.expect("made");
    assert_eq!(made.url.as_deref(), Some("https://forge.example/o/r/pull/7"));
    let branch = branch(&agent.agent().await);
    assert_eq!(
        (made.pushed, &made.branch, &made.base, &made.commit),
        (true, &branch, &"main".into(), &commit)
    );
    assert_eq!(git(&repository.path, &["rev-parse", &branch]), commit);
    let expected = format!(
        "--head={branch}\n--base=main\n--title=Add mine\ntoken=the-token\ncommit Add mine\n{}\n",
        repository.path.display()
    );
    assert_eq!(fs::read_to_string(&got).expect("it ran"), expected);
    assert!(!client.pull_request(&agent.id, &asked).await.expect("made").pushed, "it was there");
    // Its clone knows that it was pushed.
    assert!(!end(&agent).await.kept);
    goes(&volume(&agent.id)).await;
    backend.end_server().await;
}
