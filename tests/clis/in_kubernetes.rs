//! The real CLIs, each in a pod, through the control plane with `"runtime": "kubernetes"`: `make test-k8s-clis`.

use parallax_api::runtime::RuntimeKind;
use parallax_api::workspace::PushRequest;
use parallax_api::{AgentStatus, Approvals, AttentionKind, SpawnRequest};
use parallax_control_plane::RuntimeSpec;
use parallax_testkit::backend::TestBackend;
use parallax_testkit::docker::scripted_models;
use parallax_testkit::in_process::InProcess;
use parallax_testkit::k8s::KubernetesBackend;
use parallax_testkit::k8s::storage::Storage;
use parallax_testkit::local::Directory;
use parallax_testkit::models::Models;
use parallax_testkit::models::scenario::{Reply, Step, ToolStep};
use parallax_testkit::real_cli::RealCli;
use parallax_testkit::real_cli::images::sees_images;
use parallax_testkit::repository::{Repository, committed, git};
use parallax_testkit::user::Spawned;
use parallax_testkit::wait::{PATIENCE, until, within};

/// A message is answered, and a tool is asked for and permitted.
async fn answers_and_asks(cli: RealCli) {
    let models = scripted_models(cli.reviews_and_makes()).await;
    let backend = KubernetesBackend::start().await;
    let runtimes = vec![RuntimeSpec::of_kind(RuntimeKind::Kubernetes, backend.url())];
    let plane = InProcess::control_plane(backend.directory(), runtimes).await;
    plane.finds("kubernetes").await;
    let request = SpawnRequest { runtime: Some("kubernetes".into()), ..request(cli, &models) };
    let mut agent = plane.user().spawn_ready(request).await;
    assert_eq!(agent.agent().await.runtime, "kubernetes");
    assert_eq!(agent.say("Review the latest changes").await, "The change is **sound**.");

    let asked = agent.tell("make the file").await;
    let attention = agent.asks(AttentionKind::Question).await;
    assert!(attention.options.iter().any(|option| option.id == "yes"), "{attention:?}");
    agent.chooses("yes").await;
    assert_eq!(agent.answer_to(&asked).await.content, "It is done.");
    agent.stop().await;
    plane.end().await;
    backend.end_server().await;
}

/// Images reach the model of an agent in a pod: its host has them from the control plane.
async fn images_reach_the_model(cli: RealCli) {
    let models = scripted_models(vec![Reply::text("I see.")]).await;
    let backend = KubernetesBackend::start().await;
    let runtimes = vec![RuntimeSpec::of_kind(RuntimeKind::Kubernetes, backend.url())];
    let plane = InProcess::control_plane(backend.directory(), runtimes).await;
    plane.finds("kubernetes").await;
    let request = SpawnRequest { runtime: Some("kubernetes".into()), ..request(cli, &models) };
    let agent = plane.user().spawn_ready(request).await;
    sees_images(&agent, &models).await;
    agent.stop().await;
    plane.end().await;
    backend.end_server().await;
}

/// Without credentials a login is asked for, and the agent never is ready. Claude on a home it does not know would go to its
/// provider first.
async fn a_stranger_must_log_in(cli: RealCli) {
    let backend = KubernetesBackend::start().await;
    let mut agent = backend.user().spawn(cli.request()).await;
    let login = agent.asks(AttentionKind::Login).await;
    assert!(login.login_url.is_some_and(|url| url.starts_with("https://")));
    agent.stop().await;
    assert!(agent.seen().iter().all(|event| event.data.name() != "agent_ready"), "{:#?}", agent.seen());
    backend.end_server().await;
}

/// What a CLI changed in its git workspace is seen from outside; it goes on there in another pod when the first one is taken away, and
/// after a suspension.
async fn works_in_a_workspace(cli: RealCli) {
    let (storage, home) = (Storage::new(1).await, Directory::new());
    let repository = Repository::new(home.path());
    let tool = Step::tool(ToolStep::All(cli.unasked_command("echo 'by a model' > own.txt")));
    let replies = vec![
        Reply::steps(vec![Step::text("I will. "), tool]).to("Do the work"),
        Reply::text("It is done.").after_tool(),
        Reply::text("I am back.").to("Are you there?"),
    ];
    let models = scripted_models(replies).await;
    let root = home.path().to_string_lossy().into_owned();
    let backend =
        KubernetesBackend::start_with(&[&["--allow-repo", &root], &storage.args()[..]].concat()).await;
    let (user, namespace) = (backend.user(), backend.namespace());
    let workspace = repository.request("").workspace;
    let asked = SpawnRequest { workspace, approvals: Some(Approvals::All), ..request(cli, &models) };
    let mut agent = user.spawn_ready(asked).await;
    let changed = async |agent: &Spawned| {
        let files = user.client.changes(&agent.id).await.expect("looked at").files;
        files.into_iter().map(|file| (file.status, file.path)).collect::<Vec<_>>()
    };
    assert_eq!(agent.say("Do the work").await, "It is done.");
    assert_eq!(changed(&agent).await, [('A', "own.txt".to_owned())]);

    let pod = format!("pod/{}", agent.id);
    let first = namespace.field(&pod, "{.metadata.uid}").await;
    namespace.evict(agent.id.as_str()).await;
    assert!(agent.ends_its_workspace().await.kept);
    until("another pod", PATIENCE * 2, async || {
        let uid = namespace.field(&pod, "{.metadata.uid}").await;
        if uid.is_empty() || uid == first { Err(uid) } else { Ok(()) }
    })
    .await;
    agent.is("ready", |agent| (agent.status == AgentStatus::Ready).then_some(())).await;
    assert_eq!(agent.say("Are you there?").await, "I am back.");
    assert_eq!(changed(&agent).await, [('A', "own.txt".to_owned())]);
    within("the suspension", PATIENCE * 2, user.client.suspend(&agent.id))
        .await
        .expect("it can be suspended");
    within("the agent", PATIENCE * 2, user.client.resume(&agent.id)).await.expect("it comes back");
    agent = user.follow(agent.id.clone()).await;
    agent.is("ready", |agent| (agent.status == AgentStatus::Ready).then_some(())).await;
    let commit = committed(&user.client, &agent, "by a model").await;
    let pushed = user.client.push(&agent.id, &PushRequest::default()).await.expect("pushed");
    assert_eq!(git(&repository.path, &["rev-parse", &pushed.branch]), commit);
    repository.untouched();
    let end = agent.stop().await.exit.and_then(|exit| exit.workspace).expect("told");
    assert!(!end.kept, "{end:?}");
    until("nothing to be left", PATIENCE, async || {
        let left = backend.leftovers().await;
        if left.is_empty() { Ok(()) } else { Err(left) }
    })
    .await;
    backend.end_server().await;
}

/// A request with everything in it: a pod has no home of its user's.
fn request(cli: RealCli, models: &Models) -> SpawnRequest {
    let env = cli.env(models).into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
    let provider = format!(
        "model_providers.scripted={{name=\"Scripted\",base_url=\"{}/v1\",env_key=\"CODEX_TEST_KEY\",wire_api=\"responses\"}}",
        models.url()
    );
    let settings = ["model=\"gpt-6-sol\"", "model_provider=\"scripted\"", &provider];
    let args = match cli {
        RealCli::Codex => {
            settings.iter().flat_map(|setting| ["-c".to_owned(), (*setting).to_owned()]).collect()
        }
        RealCli::Claude | RealCli::Gemini => Vec::new(),
    };
    SpawnRequest { env, args, ..cli.request() }
}

macro_rules! clis {
    ($($name:ident: $case:ident($cli:expr)),+ $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            #[ignore = "needs a Kubernetes cluster and the images of the CLIs: make test-k8s-clis"]
            async fn $name() {
                $case($cli).await;
            }
        )+
    };
}

clis! {
    claude: answers_and_asks(RealCli::Claude),
    codex: answers_and_asks(RealCli::Codex),
    gemini: answers_and_asks(RealCli::Gemini),
    claude_sees_images: images_reach_the_model(RealCli::Claude),
    codex_sees_images: images_reach_the_model(RealCli::Codex),
    gemini_sees_images: images_reach_the_model(RealCli::Gemini),
    claude_in_a_workspace: works_in_a_workspace(RealCli::Claude),
    codex_in_a_workspace: works_in_a_workspace(RealCli::Codex),
    codex_logs_in: a_stranger_must_log_in(RealCli::Codex),
    gemini_logs_in: a_stranger_must_log_in(RealCli::Gemini),
}
