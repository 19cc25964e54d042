//! Several servers on one engine, and what none of them owns.

use std::fs;

use parallax_testkit::backend::{ServerOptions, TestBackend, fake};
use parallax_testkit::docker::{DockerBackend, container, docker};
use parallax_testkit::programs;
use tokio::process::Command;

/// Two servers with one engine: each has its own agents, also after a restart.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Docker engine: make test-docker"]
async fn two_servers_do_not_touch() {
    let (one, two) = tokio::join!(DockerBackend::start(), DockerBackend::start());
    let first = one.user().spawn_ready(fake("first", &[])).await;
    let second = two.user().spawn_ready(fake("second", &[])).await;
    two.kill_server().await;
    one.kill_server().await;
    one.start_server(ServerOptions::default()).await;
    let known = one.user().client.list_all(&Default::default()).await.expect("a list");
    assert_eq!(known.iter().map(|agent| &agent.id).collect::<Vec<_>>(), [&first.id]);
    two.start_server(ServerOptions::default()).await;
    assert_eq!(second.say("still there?").await, "echo: still there?");
    assert_eq!(first.say("and you?").await, "echo: and you?");
    first.stop().await;
    second.stop().await;
    one.end_server().await;
    two.end_server().await;
}

/// `--gc` removes what no server owns, and nothing that one does, though it is not running. In a test of its own: it would
/// take the network from under agents that are just being made.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Docker engine: make test-docker"]
async fn gc_alone_removes_what_nobody_owns() {
    let (owned, orphaned) = (DockerBackend::start().await, DockerBackend::start().await);
    let kept = owned.user().spawn_ready(fake("kept", &[])).await;
    let lost = orphaned.user().spawn_ready(fake("lost", &[])).await;
    owned.kill_server().await;
    orphaned.kill_server().await;
    fs::remove_dir_all(orphaned.directory().join("state")).expect("the state can be removed");

    let gc = || async {
        let done = Command::new(programs::program("parallax-runtime-docker"))
            .args(["--gc", "--state-dir"])
            .arg(owned.directory().join("elsewhere"))
            .output()
            .await
            .expect("the program can be run");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8_lossy(&done.stdout).into_owned()
    };
    let removed = gc().await;
    assert!(removed.contains("(lost)") && !removed.contains("(kept)"), "{removed}");
    assert_eq!(docker(&["inspect", &container(&lost.id)]).await, None);
    owned.start_server(ServerOptions::default()).await;
    assert_eq!(kept.say("still there?").await, "echo: still there?");
    kept.stop().await;
    owned.end_server().await;
}
