//! The real CLIs, each in its own image, through the control plane with `"runtime": "docker"`: `make test-docker-clis`.

use std::fs;
use std::os::unix::fs::chown;
use std::path::Path;

use parallax_api::runtime::RuntimeKind;
use parallax_api::{AttentionKind, SpawnRequest};
use parallax_control_plane::RuntimeSpec;
use parallax_testkit::backend::TestBackend;
use parallax_testkit::docker::{DockerBackend, container, docker, gateway, scripted_models};
use parallax_testkit::in_process::InProcess;
use parallax_testkit::local::Directory;
use parallax_testkit::models::scenario::Reply;
use parallax_testkit::real_cli::RealCli;
use parallax_testkit::real_cli::images::{sees_an_image_that_is_sent_by_the_command, sees_images};

/// Who agents are in the images.
const AGENT: u32 = 1000;

/// A message is answered, and a tool is asked for and permitted.
async fn answers_and_asks(cli: RealCli) {
    let models = scripted_models(cli.reviews_and_makes()).await;
    let home = home(|home| cli.prepare(home, &models));
    let backend = backend(cli, &home).await;
    let plane = InProcess::control_plane(
        backend.directory(),
        vec![RuntimeSpec::of_kind(RuntimeKind::Docker, backend.url())],
    )
    .await;
    plane.finds("docker").await;
    let env = cli.env(&models).into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
    let request = SpawnRequest { runtime: Some("docker".into()), env, ..cli.request() };
    let mut agent = plane.user().spawn_ready(request).await;
    assert_eq!(agent.agent().await.runtime, "docker");
    assert_eq!(agent.say("Review the latest changes").await, "The change is **sound**.");

    let asked = agent.tell("make the file").await;
    let attention = agent.asks(AttentionKind::Question).await;
    assert!(attention.options.iter().any(|option| option.id == "yes"), "{attention:?}");
    agent.chooses("yes").await;
    assert_eq!(agent.answer_to(&asked).await.content, "It is done.");
    let made = ["exec", &container(&agent.id), "test", "-f", "/agent/workspace/made.txt"];
    assert!(docker(&made).await.is_some(), "the file is there");
    agent.stop().await;
    plane.end().await;
    backend.end_server().await;
}

/// Images reach the model of an agent in a container: its host has them from the control plane.
async fn images_reach_the_model(cli: RealCli) {
    let models = scripted_models(vec![Reply::text("I see.")]).await;
    let home = home(|home| cli.prepare(home, &models));
    let backend = backend(cli, &home).await;
    let plane = InProcess::control_plane(
        backend.directory(),
        vec![RuntimeSpec::of_kind(RuntimeKind::Docker, backend.url())],
    )
    .await;
    plane.finds("docker").await;
    let env = cli.env(&models).into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
    let request = SpawnRequest { runtime: Some("docker".into()), env, ..cli.request() };
    let agent = plane.user().spawn_ready(request).await;
    sees_images(&agent, &models).await;
    sees_an_image_that_is_sent_by_the_command(&agent, &models, &plane.url).await;
    agent.stop().await;
    plane.end().await;
    backend.end_server().await;
}

/// Without credentials a login is asked for, with its address, and the agent never is ready.
async fn a_stranger_must_log_in(cli: RealCli) {
    let models = scripted_models(Vec::new()).await;
    let home = home(|home| cli.prepare_stranger(home));
    let backend = backend(cli, &home).await;
    // The provider's address is no credential.
    let env = cli.env(&models).into_iter().filter(|(name, _)| name.ends_with("_BASE_URL"));
    let env = env.map(|(name, value)| (name.to_owned(), value.into())).collect();
    let mut agent = backend.user().spawn(SpawnRequest { env, ..cli.request() }).await;
    let login = agent.asks(AttentionKind::Login).await;
    let url = login.login_url.expect("a login that is asked for has its address");
    assert!(url.starts_with("https://") && url.len() >= 60, "{url}");
    agent.stop().await;
    assert!(agent.seen().iter().all(|event| event.data.name() != "agent_ready"), "{:#?}", agent.seen());
    backend.end_server().await;
}

/// A home that the agent may write in.
fn home(prepare: impl FnOnce(&Path)) -> Directory {
    let directory = Directory::new();
    let home = directory.path().join("home");
    fs::create_dir(&home).expect("the directory can be written");
    prepare(&home);
    give(&home);
    directory
}

fn give(path: &Path) {
    chown(path, Some(AGENT), Some(AGENT)).expect("tests run as root");
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        give(&entry.path());
    }
}

async fn backend(cli: RealCli, home: &Directory) -> DockerBackend {
    let credentials = format!("{}={}", cli.name(), home.path().join("home").display());
    DockerBackend::start_with(&["--credentials", &credentials, "--egress", &gateway("bridge").await], &[])
        .await
}

macro_rules! clis {
    ($($name:ident: $cli:expr),+ $(,)?) => {
        $(
            mod $name {
                use super::RealCli;

                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                #[ignore = "needs the images of the CLIs: make test-docker-clis"]
                async fn answers_and_asks() {
                    super::answers_and_asks($cli).await;
                }

                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                #[ignore = "needs the images of the CLIs: make test-docker-clis"]
                async fn images_reach_the_model() {
                    super::images_reach_the_model($cli).await;
                }

                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                #[ignore = "needs the images of the CLIs: make test-docker-clis"]
                async fn a_stranger_must_log_in() {
                    super::a_stranger_must_log_in($cli).await;
                }
            }
        )+
    };
}

clis!(claude: RealCli::Claude, codex: RealCli::Codex, gemini: RealCli::Gemini);
