//! A team whose roles run in different backends.

use parallax_api::client::ListFilter;
use parallax_api::execution::ExecutionStatus;
use parallax_api::runtime::RuntimeKind;
use parallax_control_plane::RuntimeSpec;
use parallax_testkit::backend::TestBackend;
use parallax_testkit::docker::DockerBackend;
use parallax_testkit::in_process::InProcess;
use parallax_testkit::local::Directory;
use parallax_testkit::pattern_run::FollowedRun;
use serde_json::json;

const TEAM: &str = "name: two-backends
structure:
  roles:
    writer: {agentType: fake, managed: true, runtime: local}
    tester: {agentType: fake, managed: true, runtime: docker, reportsTo: writer}
workflow:
  steps:
    - {id: written, type: assign, role: writer, task: 'write ${input.what}'}
    - {id: tested, type: assign, role: tester, task: 'test what was answered: ${written}'}
  output: ${tested}
inputs:
  what: {description: What to write}
";

/// What a role in one backend answers is the task of a role in another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Docker engine: make test-docker"]
async fn one_role_local_and_one_docker() {
    let directory = Directory::new();
    let backend = DockerBackend::start().await;
    let local = InProcess::local_runtime("local", directory.path(), 5).await;
    let runtimes = vec![
        RuntimeSpec::of_kind(RuntimeKind::Local, local.url.clone()),
        RuntimeSpec::of_kind(RuntimeKind::Docker, backend.url()),
    ];
    let plane = InProcess::control_plane(directory.path(), runtimes).await;
    let client = plane.user().client;
    let mut run = FollowedRun::start(&client, TEAM, json!({"what": "a sonnet"})).await;
    let done = run.ends().await;
    assert_eq!(done.status, ExecutionStatus::Completed, "{done:#?}");
    let output = done.output.expect("an output").to_string();
    assert!(output.contains("test what was answered") && output.contains("write a sonnet"), "{output}");

    let agents = client.list_all(&ListFilter::default()).await.expect("a list");
    let mut backends: Vec<(Option<&str>, &str)> =
        agents.iter().map(|agent| (agent.role.as_deref(), agent.runtime.as_str())).collect();
    backends.sort_unstable();
    assert_eq!(backends, [(Some("tester"), "docker"), (Some("writer"), "local")]);
    run.was_said_once().await;
    plane.end().await;
    local.end().await;
    backend.end_server().await;
}
