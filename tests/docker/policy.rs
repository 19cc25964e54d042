//! What an operator sets: maxima and defaults, images, variables, classes; and that disk space is limited.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use parallax_api::agent::Resources;
use parallax_api::{Code, SpawnRequest};
use parallax_testkit::backend::{ServerOptions, TestBackend, fake};
use parallax_testkit::conformance::{nothing_is_left, run};
use parallax_testkit::docker::DockerBackend;
use parallax_testkit::wait::within;
use serde_json::{Value, json};

use super::containers::shell;

const POLICY: &str = r#"
[policy]
max = {memory = "256Mi", disk = "1Gi", pids = 200, lifetime = "1h"}
allow-image = ["debian:*"]
agent-env = {TEAM = "blue"}
https-proxy = "http://proxy.example:3128"
container-label = {cost = "research"}

[classes.tiny]
description = "for reading"
max = {cpu = "250m", memory = "64Mi"}
default = {lifetime = "10m"}
agent-env = {TEAM = "red"}
"#;

/// A configuration file with this text.
fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("a file can be made");
    file.write_all(text.as_bytes()).expect("it can be written");
    file
}

fn of_class(name: &str, class: &str) -> SpawnRequest {
    SpawnRequest { class: Some(class.into()), ..shell(name) }
}

async fn end(backend: &DockerBackend) {
    nothing_is_left(backend).await;
    backend.end_server().await;
}

/// The engine keeps to what the policy says, and a request that asks for more is refused with the maximum.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Docker engine: make test-docker"]
async fn a_policy_is_what_the_engine_keeps_to() {
    let config = file(POLICY);
    let bundle = file("-----BEGIN CERTIFICATE-----\n");
    // Agents are other users.
    let readable = fs::Permissions::from_mode(0o644);
    fs::set_permissions(bundle.path(), readable).expect("it is ours");
    let path = |file: &tempfile::NamedTempFile| file.path().to_string_lossy().into_owned();
    let (config_path, bundle_path) = (path(&config), path(&bundle));
    let backend =
        DockerBackend::start_with(&["--config", &config_path, "--ca-bundle", &bundle_path], &[]).await;
    let user = backend.user();
    let limits = "{{.HostConfig.NanoCpus}} {{.HostConfig.Memory}} {{.HostConfig.PidsLimit}}";
    let agent = user.spawn_ready(of_class("reader", "tiny")).await;
    assert_eq!(backend.inspect(&agent.id, limits).await, "250000000 67108864 200");
    assert_eq!(backend.inspect(&agent.id, "{{index .Config.Labels \"cost\"}}").await, "research");
    assert_eq!(
        agent.say("echo $TEAM $https_proxy $HTTPS_PROXY").await,
        "red http://proxy.example:3128 http://proxy.example:3128"
    );
    assert_eq!(agent.say("head -c 10 $SSL_CERT_FILE; echo").await, "-----BEGIN");
    let mount =
        "{{range .Mounts}}{{if eq .Destination \"/etc/parallax/ca-bundle.crt\"}}{{.RW}}{{end}}{{end}}";
    assert_eq!(backend.inspect(&agent.id, mount).await, "false", "it is not the agent's to change");
    assert_eq!(agent.agent().await.class.as_deref(), Some("tiny"));
    agent.stop().await;

    let own = SpawnRequest { env: [("TEAM".to_owned(), "mine".into())].into(), ..shell("plain") };
    let agent = user.spawn_ready(own).await;
    assert_eq!(agent.say("echo $TEAM").await, "mine", "a request's own variable");
    assert_eq!(
        backend.inspect(&agent.id, limits).await.split(' ').nth(1),
        Some("268435456"),
        "the maximum is less than 2 GiB"
    );
    agent.stop().await;

    let asks = |resources: Value| serde_json::from_value::<Resources>(resources).expect("well-formed");
    for (request, field, maximum) in [
        (
            SpawnRequest { resources: Some(asks(json!({"memory": "257Mi"}))), ..shell("a") },
            "resources.memory",
            "256Mi",
        ),
        (
            SpawnRequest { resources: Some(asks(json!({"memory": "65Mi"}))), ..of_class("b", "tiny") },
            "resources.memory",
            "64Mi",
        ),
        (
            SpawnRequest { resources: Some(asks(json!({"disk": "2Gi"}))), ..shell("c") },
            "resources.disk",
            "1Gi",
        ),
        (SpawnRequest { max_lifetime_seconds: Some(3601), ..shell("d") }, "maxLifetimeSeconds", "3600"),
    ] {
        let problem = user.spawn_refused(&request).await;
        assert_eq!(
            (problem.code, &problem.more["field"]),
            (Code::PolicyDenied, &json!(field)),
            "{problem:?}"
        );
        assert_eq!(problem.more["maximum"], maximum);
    }
    let image = SpawnRequest { image: Some("evil.example/x:1".into()), ..shell("e") };
    let problem = user.spawn_refused(&image).await;
    assert_eq!((problem.code, &problem.more["field"]), (Code::PolicyDenied, &json!("image")), "{problem:?}");
    let problem = user.spawn_refused(&of_class("f", "huge")).await;
    assert_eq!((problem.code, &problem.more["classes"]), (Code::Validation, &json!(["tiny"])), "{problem:?}");
    end(&backend).await;
}

/// An agent that writes more than it may is ended, and its end says why.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Docker engine: make test-docker"]
async fn disk_space_is_limited() {
    run(async |backend: &DockerBackend| {
        let resources = Resources { disk: Some("20Mi".into()), ..Resources::default() };
        let request = |name| SpawnRequest { resources: Some(resources.clone()), ..shell(name) };
        let modest = backend.user().spawn_ready(request("modest")).await;
        assert_eq!(modest.say("head -c 5M /dev/zero > some && echo wrote").await, "wrote");
        for place in [".", "/tmp"] {
            let mut greedy = backend.user().spawn_ready(request("greedy")).await;
            greedy.tell(format!("head -c 40M /dev/zero > {place}/much")).await;
            let exit = within("the end", Duration::from_secs(60), greedy.ends()).await;
            assert_eq!(exit.reason, "disk_limit", "{place}: {exit:?}");
        }
        assert_eq!(modest.say("echo still here").await, "still here");
    })
    .await;
}

/// A deadline is the host's: the server may be killed meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Docker engine: make test-docker"]
async fn a_lifetime_outlives_the_server() {
    let backend = DockerBackend::start_with(&["--default", "lifetime=8s"], &[]).await;
    let agent = backend.user().spawn_ready(fake("mortal", &[])).await;
    backend.kill_server().await;
    backend.start_server(ServerOptions::default()).await;
    let mut agent = backend.user().follow(agent.id).await;
    let exit = within("the end", Duration::from_secs(40), agent.ends()).await;
    assert_eq!(exit.reason, "lifetime", "{exit:?}");
    end(&backend).await;
}
