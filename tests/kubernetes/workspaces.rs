//! Workspaces in pods: clones on claims of their own, pushed and merged by the server.

use std::time::Duration;

use futures::future::join_all;
use parallax_api::check::CheckState;
use parallax_api::client::Client;
use parallax_api::runtime::RuntimeKind;
use parallax_api::workspace::{
    DiffQuery, MergeRequest, PushRequest, WorkspaceCredentials, WorkspaceEnd, WorkspaceKeep, WorkspaceMode,
    WorkspaceRequest,
};
use parallax_api::{Agent, AgentId, AgentStatus, Code, SpawnRequest};
use parallax_control_plane::RuntimeSpec;
use parallax_testkit::backend::TestBackend;
use parallax_testkit::docker::GIT_IMAGE;
use parallax_testkit::git_server::{GitServer, PASSWORD};
use parallax_testkit::in_process::InProcess;
use parallax_testkit::k8s::storage::{Storage, claims};
use parallax_testkit::k8s::{KubernetesBackend, Namespace, kubectl, server};
use parallax_testkit::local::Directory;
use parallax_testkit::repository::{Repository, branch, committed, git};
use parallax_testkit::user::{Spawned, User};
use parallax_testkit::wait::{PATIENCE, until};
use serde_json::{Value, json};

use crate::replicas::leader;

/// A shell in an image with git, with a workspace of the bare repository.
fn asking(repository: &Repository, name: &str, change: impl FnOnce(&mut WorkspaceRequest)) -> SpawnRequest {
    let mut request = SpawnRequest { image: Some(GIT_IMAGE.into()), ..repository.request(name) };
    let asked = request.workspace.as_mut().expect("it has one");
    asked.repo = repository.origin.to_string_lossy().into_owned();
    change(asked);
    request
}

fn claim(agent: &AgentId) -> String {
    format!("{agent}-workspace")
}

fn place(agent: &Agent) -> String {
    format!("/workspace/{}", agent.id)
}

async fn end(agent: &Spawned) -> WorkspaceEnd {
    agent.stop().await.exit.and_then(|exit| exit.workspace).expect("told")
}

async fn claims_are(namespace: &Namespace, expected: &[String]) {
    until("the claims to be as expected", PATIENCE, async || {
        let there = claims(namespace).await;
        if there == expected { Ok(()) } else { Err(there) }
    })
    .await;
}

async fn paths(client: &Client, agent: &Spawned) -> Vec<String> {
    let changes = client.changes(&agent.id).await.expect("looked at");
    changes.files.into_iter().map(|file| file.path).collect()
}

/// Eight at once on one bare repository, each with its own file and a common one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Kubernetes cluster: make test-k8s"]
async fn eight_agents_on_one_repository() {
    let (storage, home) = (Storage::new(8).await, Directory::new());
    let repository = Repository::new(home.path());
    let root = home.path().to_string_lossy().into_owned();
    let backend =
        KubernetesBackend::start_with(&[&["--allow-repo", &root], &storage.args()[..]].concat()).await;
    let (user, namespace) = (backend.user(), backend.namespace());
    let client = user.client.clone();
    let setup = "echo set up by $(id -u) in $PWD; mkdir -p .git/info; echo '*.log' > .git/info/exclude";
    let spawning = (0..8).map(|number| {
        let request = asking(&repository, &format!("dev {number}"), |asked| {
            asked.setup = (number == 0).then(|| setup.into());
        });
        user.spawn_ready(request)
    });
    let agents: Vec<Spawned> = join_all(spawning).await;
    join_all(agents.iter().enumerate().map(async |(number, agent)| {
        agent.say(format!("echo 'by {number}' > own-{number}.txt; echo 'two by {number}' > common.txt")).await
    }))
    .await;
    let mut shown = Vec::new();
    for agent in &agents {
        shown.push(agent.agent().await);
    }

    // The first one in detail.
    let (first, zero) = (&agents[0], &shown[0]);
    assert_eq!(zero.workdir.as_deref(), Some(&*place(zero)));
    let looked =
        first.say("pwd; git branch --show-current; id -u; echo x > an.log; cat .git/info/exclude").await;
    assert_eq!(looked, format!("{}\n{}\n1000\n*.log", place(zero), branch(zero)), "the set-up ran");
    let log = client.logs(&first.id, &Default::default()).await.expect("read").logs.concat();
    assert!(log.contains(&format!("set up by 1000 in {}", place(zero))), "{log}");
    assert!(client.file(&first.id, "common.txt").await.is_ok(), "through the files of the agent as well");

    let head = git(&repository.origin, &["rev-parse", "main"]);
    for (number, (agent, shown)) in agents.iter().zip(&shown).enumerate() {
        assert_eq!(
            shown.workspace.as_ref().expect("it was asked for").base,
            head,
            "all begin with one commit"
        );
        assert!(branch(shown).starts_with(&format!("parallax/dev-{number}-")), "{}", branch(shown));
        assert_eq!(paths(&client, agent).await, ["common.txt".to_owned(), format!("own-{number}.txt")]);
        let diff = client.diff(&agent.id, &DiffQuery::default()).await.expect("a diff");
        let plain = agent
            .say(format!("git add --intent-to-add --all; git --no-pager diff {head} > ../d; git reset --quiet; md5sum < ../d"))
            .await;
        let own = Directory::new();
        std::fs::write(own.path().join("d"), &diff).expect("it can be written");
        let ours = std::process::Command::new("md5sum")
            .stdin(std::fs::File::open(own.path().join("d")).expect("it is there"))
            .output()
            .expect("it runs");
        assert_eq!(plain.trim(), String::from_utf8_lossy(&ours.stdout).trim(), "as plain git has it");
    }
    for other in &shown[1..] {
        let found = client.conflicts(&first.id, other.id.as_str()).await.expect("compared");
        assert_eq!((found.files, found.with), (vec!["common.txt".to_owned()], branch(other)));
    }
    assert!(client.conflicts(&first.id, "origin/main").await.expect("compared").files.is_empty());

    // Nothing of it hangs on one server's memory.
    backend.kill_server().await;
    backend.start_server(Default::default()).await;
    git(&repository.origin, &["branch", "next", "main"]);
    let merge = MergeRequest { into: "next".into(), ..MergeRequest::default() };
    assert_eq!(client.merge(&first.id, &merge).await.expect_err("it is dirty").code, Code::Conflict);
    for agent in &agents[..7] {
        let commit = committed(&client, agent, "my work").await;
        let pushed = client.push(&agent.id, &PushRequest::default()).await.expect("pushed");
        assert_eq!(git(&repository.origin, &["rev-parse", &pushed.branch]), commit);
    }
    let merged = client.merge(&first.id, &merge).await.expect("merged");
    assert_eq!(git(&repository.origin, &["rev-parse", "next"]), merged.commit);
    let refused = client.merge(&shown[1].id, &merge).await.expect_err("it conflicts");
    assert_eq!((refused.code, refused.more["files"][0].as_str()), (Code::Conflict, Some("common.txt")));
    repository.untouched();

    // Those that are pushed go, the last one stays, and is told.
    let ends = join_all(agents.iter().map(end)).await;
    let last = &agents[7];
    assert!(ends[..7].iter().all(|end| !end.kept), "{ends:#?}");
    let kept = &ends[7];
    assert_eq!((kept.kept, kept.volume.as_deref()), (true, Some(&*claim(&last.id))), "{kept:?}");
    assert_eq!(kept.reason.as_deref(), Some("something in it is not committed"));
    claims_are(namespace, &[claim(&last.id)]).await;
    let listed = client.workspaces().await.expect("listed").workspaces;
    assert_eq!(listed.iter().map(|one| (&one.id, one.in_use)).collect::<Vec<_>>(), [(&last.id, Some(false))]);
    assert_eq!(listed[0].reason, kept.reason);
    let cleaned = client.clean_workspaces().await.expect("looked at");
    assert!(cleaned.removed.is_empty(), "{cleaned:?}");
    claims_are(namespace, &[claim(&last.id)]).await;
    // It is a claim like any other.
    let heir = SpawnRequest {
        workdir: Some(claim(&last.id)),
        workspace: None,
        ..asking(&repository, "heir", |_| {})
    };
    let heir = user.spawn_ready(heir).await;
    assert_eq!(heir.say(format!("cat {}/own-7.txt", last.id)).await, "by 7");
    heir.stop().await;
    namespace.kubectl(&["delete", "pvc", &claim(&last.id)]).await.expect("it can be deleted");
    let cleaned = client.clean_workspaces().await.expect("looked at");
    assert_eq!(cleaned.removed.len(), 1, "{cleaned:?}");
    assert_eq!(client.workspaces().await.expect("listed").workspaces, []);
    until("everything to be gone", PATIENCE, async || {
        let left = backend.leftovers().await;
        if left.is_empty() { Ok(()) } else { Err(left) }
    })
    .await;
    backend.end_server().await;
}

/// From a URL, with a password that neither the agent nor the cluster gets; as `keep` says; and what cannot be is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Kubernetes cluster: make test-k8s"]
async fn of_a_url() {
    let (storage, home) = (Storage::new(8).await, Directory::new());
    let repository = Repository::new(home.path());
    let git_server = GitServer::start(&home.path().canonicalize().expect("it is there"));
    let backend = KubernetesBackend::start_with(
        &[&["--allow-repo-host", &git_server.host], &storage.args()[..]].concat(),
    )
    .await;
    let (user, namespace) = (backend.user(), backend.namespace());
    let asked = |password: &str, keep, depth| {
        asking(&repository, "cloned", |asked| {
            asked.repo = git_server.url("origin.git");
            (asked.keep, asked.depth) = (keep, depth);
            asked.credentials = Some(WorkspaceCredentials { username: None, password: password.into() });
        })
    };
    let problem = user.spawn_refused(&asked("wrong", WorkspaceKeep::Changed, None)).await;
    assert_eq!(problem.code, Code::Conflict, "{problem:?}");
    let failing = "echo the last words; exit 7";
    for (change, code, field) in [
        (
            &(|one: &mut WorkspaceRequest| {
                one.repo = repository.origin.to_string_lossy().into_owned();
                one.mode = Some(WorkspaceMode::Worktree);
            }) as &dyn Fn(&mut WorkspaceRequest),
            Code::Unsupported,
            "workspace.mode",
        ),
        (
            &|one| (one.reuse, one.repo) = (Some(AgentId::generate()), String::new()),
            Code::Unsupported,
            "workspace.reuse",
        ),
        (&|one| one.repo = "https://git.example/x".into(), Code::WorkdirForbidden, "workspace.repo"),
        (
            &|one| one.repo = repository.origin.to_string_lossy().into_owned(),
            Code::WorkdirForbidden,
            "workspace.repo",
        ),
        (&|one| one.setup = Some(failing.into()), Code::SpawnFailed, "workspace.setup"),
    ] {
        let mut request = asked(PASSWORD, WorkspaceKeep::Changed, None);
        let workspace = request.workspace.as_mut().expect("it has one");
        change(workspace);
        if !workspace.repo.starts_with("http") {
            workspace.credentials = None;
        }
        let problem = user.spawn_refused(&request).await;
        assert_eq!((problem.code, problem.more["field"].as_str()), (code, Some(field)), "{problem:?}");
        let output = problem.more.get("output").map(ToString::to_string).unwrap_or_default();
        assert_eq!(output.contains("the last words"), field == "workspace.setup", "{problem:?}");
    }
    let no_git = SpawnRequest { image: None, ..asked(PASSWORD, WorkspaceKeep::Changed, None) };
    let problem = user.spawn_refused(&no_git).await;
    assert_eq!(
        (problem.code, problem.more["field"].as_str()),
        (Code::SpawnFailed, Some("image")),
        "{problem:?}"
    );
    assert_eq!(user.client.workspaces().await.expect("listed").workspaces, []);
    claims_are(namespace, &[]).await;

    let agent = user.spawn_ready(asked(PASSWORD, WorkspaceKeep::Changed, Some(1))).await;
    let found = agent
        .say(format!(
            "git rev-list --count HEAD; git remote get-url origin; env | grep -c {PASSWORD}; grep -rsl {PASSWORD} /workspace /run/parallax | wc -l"
        ))
        .await;
    // The last message stands in the host's log, on the same claim.
    let found: Vec<&str> = found.lines().collect();
    assert_eq!(found[..3], ["1", &git_server.url("origin.git"), "0"]);
    let in_clone = format!("grep -rsl {PASSWORD} /workspace/{} /run/parallax | wc -l", agent.id);
    assert_eq!(agent.say(in_clone).await, "0");
    let kinds = "pods,pvc,secrets,parallaxagents,configmaps,events";
    let shown = namespace.kubectl(&["get", kinds, "-o", "yaml"]).await.expect("it can be read");
    assert!(shown.contains("parallax.io/workspace-seal") && !shown.contains(PASSWORD), "{shown}");
    agent.say("echo four >> common.txt; git config remote.origin.url http://elsewhere.example/").await;
    let commit = committed(&user.client, &agent, "four").await;
    let pushed = user.client.push(&agent.id, &PushRequest::default()).await.expect("pushed");
    assert_eq!(
        (git(&repository.origin, &["rev-parse", &pushed.branch]), pushed.commit),
        (commit.clone(), commit)
    );
    assert!(!end(&agent).await.kept);
    claims_are(namespace, &[]).await;

    for (keep, kept) in [(WorkspaceKeep::Never, false), (WorkspaceKeep::Always, true)] {
        let agent = user.spawn_ready(asked(PASSWORD, keep, None)).await;
        agent.say("echo lost > lost").await;
        let end = end(&agent).await;
        assert_eq!(end.kept, kept, "{keep:?}: {end:?}");
        let left = if kept { vec![claim(&agent.id)] } else { vec![] };
        claims_are(namespace, &left).await;
    }
    backend.end_server().await;
}

/// Its host is killed, its pod is deleted, its server is killed in the middle: what is not known to be elsewhere stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Kubernetes cluster: make test-k8s"]
async fn what_nobody_looked_at_stays() {
    let (storage, home) = (Storage::new(4).await, Directory::new());
    let repository = Repository::new(home.path());
    let root = home.path().to_string_lossy().into_owned();
    let backend =
        KubernetesBackend::start_with(&[&["--allow-repo", &root], &storage.args()[..]].concat()).await;
    let (user, namespace) = (backend.user(), backend.namespace());
    let mut killed = user.spawn_ready(asking(&repository, "killed", |_| {})).await;
    let mut deleted = user.spawn_ready(asking(&repository, "deleted", |_| {})).await;
    let mut unseen = user.spawn_ready(asking(&repository, "unseen", |_| {})).await;
    for agent in [&killed, &deleted, &unseen] {
        agent.say("echo kept > kept").await;
    }
    backend.kill_process(&killed.id, 1).await;
    let ended = killed.ends_its_workspace().await;
    assert!(ended.kept, "{ended:?}");
    namespace
        .kubectl(&["delete", "pod", deleted.id.as_str(), "--wait=false"])
        .await
        .expect("it can be deleted");
    let ended = deleted.ends_its_workspace().await;
    assert!(ended.kept, "{ended:?}");
    // One more type of agents, that comes back.
    let comes_back = include_str!("../../examples/profiles/shell.toml")
        .replace("name = \"shell\"", "name = \"stayer\"")
        .replace("program = \"bash\"", "program = \"bash\"\nresume = [\"-i\"]");
    std::fs::write(backend.directory().join("profiles/stayer.toml"), comes_back).expect("it can be written");
    backend.kill_server().await;
    backend.kill_process(&unseen.id, 1).await;
    backend.start_server(Default::default()).await;
    let ended = unseen.ends_its_workspace().await;
    assert!(ended.kept, "{ended:?}");
    let mut all = [&killed, &deleted, &unseen].map(|agent| claim(&agent.id));
    all.sort();
    claims_are(namespace, &all).await;
    let cleaned = user.client.clean_workspaces().await.expect("looked at");
    assert_eq!((cleaned.removed.len(), cleaned.kept.len()), (0, 3), "{cleaned:?}");
    claims_are(namespace, &all).await;

    // All of it is to go, but not before its agent has ended for good.
    let asked = SpawnRequest {
        r#type: "stayer".into(),
        ..asking(&repository, "mover", |asked| asked.keep = WorkspaceKeep::Never)
    };
    let mut mover = user.spawn_ready(asked).await;
    mover.say("echo work > work").await;
    namespace.evict(mover.id.as_str()).await;
    mover.ends().await;
    // Its server dies in the middle; the next one knows it from the resource.
    for _ in 0..2 {
        let cleaned = user.client.clean_workspaces().await.expect("looked at");
        let kept = cleaned.kept.iter().find(|one| one.id == mover.id);
        assert!(kept.is_some_and(|kept| kept.in_use == Some(true)), "{cleaned:?}");
        backend.kill_server().await;
        backend.start_server(Default::default()).await;
    }
    mover.is("ready", |agent| (agent.status == AgentStatus::Ready).then_some(())).await;
    assert_eq!(mover.say("cat work").await, "work");
    assert!(!end(&mover).await.kept);
    claims_are(namespace, &all).await;
    backend.end_server().await;
}

/// A replica with a state of its own goes on where another one was killed: it has the credentials, and knows what became of each.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Kubernetes cluster: make test-k8s"]
async fn another_replica_takes_over() {
    let (storage, home, namespace) = (Storage::new(3).await, Directory::new(), Namespace::create().await);
    let repository = Repository::new(home.path());
    let git_server = GitServer::start(&home.path().canonicalize().expect("it is there"));
    let args = [&["--allow-repo-host", &git_server.host], &storage.args()[..]].concat();
    let mut replicas = Vec::new();
    for _ in 0..2 {
        let directory = Directory::new();
        let mut replica = server("parallax-runtime-k8s", &directory, &namespace, &args);
        replica.start(&[]).await;
        replicas.push((replica, directory));
    }
    let first = leader(&replicas).await;
    let user = User::of_runtime(&replicas[first].0.url());
    let request = |name| {
        asking(&repository, name, |asked| {
            asked.repo = git_server.url("origin.git");
            asked.credentials = Some(WorkspaceCredentials { username: None, password: PASSWORD.into() });
        })
    };
    let (pushed, dirty, early) = tokio::join!(
        user.spawn_ready(request("pushed")),
        user.spawn_ready(request("dirty")),
        user.spawn_ready(request("early"))
    );
    early.say("echo early > early").await;
    assert!(end(&early).await.kept);
    pushed.say("echo four >> common.txt").await;
    dirty.say("echo five >> common.txt").await;
    replicas[first].0.kill().await;

    let second = leader(&replicas).await;
    assert_ne!(first, second);
    let user = User::of_runtime(&replicas[second].0.url());
    let adopted = user.follow(pushed.id.clone()).await;
    assert_eq!(paths(&user.client, &adopted).await, ["common.txt"]);
    let found = user.client.conflicts(&pushed.id, dirty.id.as_str()).await.expect("compared");
    assert_eq!(found.files, ["common.txt"]);
    let commit = committed(&user.client, &adopted, "four").await;
    let told = user.client.push(&pushed.id, &PushRequest::default()).await.expect("pushed");
    assert_eq!(git(&repository.origin, &["rev-parse", &told.branch]), commit);
    let listed = user.client.workspaces().await.expect("listed").workspaces;
    let mut known: Vec<_> = listed.iter().map(|one| (one.name.as_str(), one.in_use)).collect();
    known.sort_unstable();
    assert_eq!(known, [("dirty", Some(true)), ("early", Some(false)), ("pushed", Some(true))]);
    let reason = |name: &str| listed.iter().find(|one| one.name == name).and_then(|one| one.reason.clone());
    assert_eq!(reason("early").as_deref(), Some("something in it is not committed"));
    assert!(!end(&adopted).await.kept);
    let adopted = user.follow(dirty.id.clone()).await;
    assert!(end(&adopted).await.kept);
    namespace.kubectl(&["delete", "pvc", &claim(&early.id)]).await.expect("it can be deleted");
    claims_are(&namespace, &[claim(&dirty.id)]).await;

    // Back to the first one, which knew all three.
    replicas[first].0.start(&[]).await;
    replicas[second].0.kill().await;
    assert_eq!(leader(&replicas).await, first);
    let user = User::of_runtime(&replicas[first].0.url());
    let listed =
        until("the workspaces to be as the second one left them", Duration::from_secs(60), async || {
            let listed = user.client.workspaces().await.map_err(|error| error.to_string())?.workspaces;
            let known: Vec<_> = listed.iter().map(|one| (&one.id, one.in_use)).collect();
            if known == [(&dirty.id, Some(false))] { Ok(listed) } else { Err(format!("{known:?}")) }
        })
        .await;
    assert_eq!(listed[0].reason.as_deref(), Some("something in it is not committed"));
    replicas[first].0.end().await;
}

/// As the runtime's own account: the role of the deployment has every right that a workspace needs, and doctor finds none missing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Kubernetes cluster: make test-k8s"]
async fn with_the_rights_of_the_role() {
    let (storage, home, namespace) = (Storage::new(2).await, Directory::new(), Namespace::create().await);
    let repository = Repository::new(home.path());
    let root = home.path().to_string_lossy().into_owned();
    // A kustomization names the namespace of subjects.
    let subject = format!("subjects:\n- kind: ServiceAccount\n  namespace: {}\n", namespace.name());
    let role = include_str!("../../deploy/kubernetes/rbac.yaml")
        .replace("subjects:\n- kind: ServiceAccount\n", &subject);
    namespace.apply(&role).await.expect("the role is taken");
    let token = namespace.kubectl(&["create", "token", "parallax-runtime"]).await.expect("it has one");
    let view = ["config", "view", "--raw", "--minify", "--output", "json"];
    let mut config: Value =
        serde_json::from_str(&kubectl(&view).await.expect("there is a kubeconfig")).expect("it is JSON");
    config["users"][0]["user"] = json!({"token": token});
    let own = home.path().join("kubeconfig");
    std::fs::write(&own, config.to_string()).expect("it can be written");

    let directory = Directory::new();
    let args = [&["--allow-repo", &root], &storage.args()[..]].concat();
    let mut runtime = server("parallax-runtime-k8s", &directory, &namespace, &args)
        .env("KUBECONFIG", own.to_string_lossy());
    runtime.start(&[]).await;
    let runtimes = vec![RuntimeSpec::of_kind(RuntimeKind::Kubernetes, runtime.url())];
    let plane = InProcess::control_plane(home.path(), runtimes).await;
    let found = plane.user().client.check_runtime("kubernetes").await.expect("it finds something").checks;
    let rights = found.iter().find(|check| check.what == "rights").expect("it looks at them");
    assert_eq!(rights.state, CheckState::Good, "{rights:?}");

    let user = User::of_runtime(&runtime.url());
    let clean = user.spawn_ready(asking(&repository, "clean", |_| {})).await;
    let dirty = user.spawn_ready(asking(&repository, "dirty", |_| {})).await;
    dirty.say("echo kept > kept").await;
    assert!(!end(&clean).await.kept);
    assert!(end(&dirty).await.kept);
    claims_are(&namespace, &[claim(&dirty.id)]).await;
    // What became of it stands with the claim.
    let record = "{.metadata.annotations.parallax\\.io/workspace-record}";
    let record = namespace.field(&format!("pvc/{}", claim(&dirty.id)), record).await;
    assert!(record.contains("something in it is not committed"), "{record}");
    plane.end().await;
    runtime.end().await;
}
