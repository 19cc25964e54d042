//! Networks: agents do not see each other, and need none to be reached.

use parallax_testkit::backend::TestBackend;
use parallax_testkit::conformance::{attention, survival, talk, terminal};
use parallax_testkit::docker::{DockerBackend, docker};
use tokio::net::TcpStream;

use super::containers::shell;

/// Agents reach the machine, not each other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Docker engine: make test-docker"]
async fn agents_do_not_see_each_other() {
    let backend = DockerBackend::start_with(&[], &[]).await;
    let user = backend.user();
    let (one, two) = (user.spawn_ready(shell("one")).await, user.spawn_ready(shell("two")).await);
    let address = backend.inspect(&two.id, "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}").await;
    let seen = TcpStream::connect(format!("{address}:3110")).await;
    assert!(seen.is_ok(), "the machine reaches {address}: {seen:?}");
    let knock =
        |address: &str| format!("timeout 1 bash -c '</dev/tcp/{address}/3110' && echo open || echo shut");
    // Its own host answers (and wants a token); the other's is not to be seen.
    assert_eq!(one.say(knock("127.0.0.1")).await, "open");
    assert!(one.say(knock(&address)).await.ends_with("shut"));
    one.stop().await;
    two.stop().await;
    backend.end_server().await;
}

/// Without any network the host is reached all the same: everything that crosses its socket.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Docker engine: make test-docker"]
async fn without_a_network() {
    let backend = DockerBackend::start_with(&["--network", "none"], &[]).await;
    talk::answers(&backend).await;
    attention::permission_is_asked_and_given(&backend).await;
    terminal::a_late_viewer_sees_the_same(&backend).await;
    survival::every_byte_across_a_kill(&backend).await;
    let agent = backend.user().spawn_ready(shell("alone")).await;
    assert_eq!(agent.say("ls /sys/class/net").await, "lo");
    for agent in backend.user().client.list_all(&Default::default()).await.expect("a list") {
        backend.user().follow(agent.id).await.stop().await;
    }
    backend.end_server().await;
}

/// A network of the operator's; a missing one is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Docker engine: make test-docker"]
async fn a_network_that_is_chosen() {
    let name = format!("parallax-test-{}", std::process::id());
    let backend = DockerBackend::start_with(&["--network", &name], &[]).await;
    let problem = backend.user().spawn_refused(&shell("early")).await;
    assert!(problem.detail.contains(&format!("docker network create {name}")), "{problem:?}");
    docker(&["network", "create", &name]).await.expect("a network can be made");
    let agent = backend.user().spawn_ready(shell("connected")).await;
    assert_eq!(
        backend.inspect(&agent.id, "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}}{{end}}").await,
        name
    );
    assert_eq!(agent.say("echo here").await, "here");
    agent.stop().await;
    backend.end_server().await;
    docker(&["network", "rm", &name]).await.expect("nobody is on it any more");
}
