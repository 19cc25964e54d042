//! Where agents work: directories of the machine, volumes, and what they may not have.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};

use parallax_api::{Code, SpawnRequest};
use parallax_testkit::backend::TestBackend;
use parallax_testkit::docker::{DockerBackend, docker};
use parallax_testkit::wait::{PATIENCE, until};

use super::containers::shell;

fn working_in(workdir: &str) -> SpawnRequest {
    SpawnRequest { workdir: Some(workdir.into()), ..shell("worker") }
}

/// A directory of the machine: the agent is its owner there, and writes only where it may.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Docker engine: make test-docker"]
async fn a_directory_of_the_machine() {
    let backend = DockerBackend::start_with(&[], &[]).await;
    let project = backend.directory().join("project");
    fs::create_dir(&project).expect("the directory can be written");
    let asked = project.to_string_lossy().into_owned();
    let user = backend.user();

    let problem = user.spawn_refused(&working_in(&asked)).await;
    assert_eq!(problem.code, Code::WorkdirForbidden, "it is root's, and agents are not root: {problem:?}");
    assert!(problem.detail.contains("chown"), "{problem:?}");

    chown(&project, Some(4321), Some(4321)).expect("tests run as root");
    fs::write(project.join("there"), "already").expect("the directory can be written");
    let agent = user.spawn_ready(working_in(&asked)).await;
    assert_eq!(agent.agent().await.workdir.as_deref(), Some(asked.as_str()));
    assert_eq!(
        agent.say("pwd && cat there && echo made > made && id -u").await,
        "/agent/workspace\nalready4321"
    );
    let made = fs::metadata(project.join("made")).expect("what it made is here");
    assert_eq!((made.uid(), made.gid()), (4321, 4321));
    agent.stop().await;

    let reader = user.spawn_ready(working_in(&format!("{asked}:ro"))).await;
    let answer = reader.say("cat made; echo again > made").await;
    assert!(answer.starts_with("made\n") && answer.contains("Read-only file system"), "{answer}");
    reader.stop().await;

    for (workdir, code) in [
        ("/etc".to_owned(), Code::WorkdirForbidden),
        (format!("{asked}/../../.."), Code::WorkdirForbidden),
        (format!("{asked}/none"), Code::WorkdirNotFound),
        ("./project".to_owned(), Code::Validation),
    ] {
        let problem = user.spawn_refused(&working_in(&workdir)).await;
        assert_eq!(problem.code, code, "{workdir}: {problem:?}");
    }
    backend.end_server().await;
}

/// A named volume outlives the agents that work in it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Docker engine: make test-docker"]
async fn a_volume() {
    let backend = DockerBackend::start_with(&[], &[]).await;
    let volume = format!("parallax-test-{}", std::process::id());
    let user = backend.user();
    let nothing = user.spawn_refused(&working_in(&format!("{volume}:ro"))).await;
    assert_eq!(nothing.code, Code::WorkdirNotFound, "{nothing:?}");

    let first = user.spawn_ready(working_in(&volume)).await;
    assert_eq!(first.say("echo kept > file && ls").await, "file");
    first.stop().await;
    let second = user.spawn_ready(working_in(&volume)).await;
    assert_eq!(second.say("cat file && echo too > other && ls -1").await, "kept\nfile\nother");
    second.stop().await;
    // One that is made with the agent.
    let new = format!("{volume}-new");
    let third = user.spawn_ready(working_in(&new)).await;
    assert_eq!(third.say("touch mine && ls").await, "mine");
    third.stop().await;
    free_again(&new).await;
    backend.end_server().await;
    free_again(&volume).await;
}

/// A login that was made once is there for every agent of the type.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Docker engine: make test-docker"]
async fn credentials_of_a_type() {
    let volume = format!("parallax-test-login-{}", std::process::id());
    let login = format!("shell={volume}:.config/login");
    let backend = DockerBackend::start_with(&["--credentials", &login], &[]).await;
    let user = backend.user();
    let first = user.spawn_ready(shell("first")).await;
    let answer =
        first.say("cd; pwd; echo in > .config/login/key && touch .config/other other && echo ok").await;
    assert_eq!(answer, "/agent/home\nok");
    first.stop().await;
    let second = user.spawn_ready(shell("second")).await;
    assert_eq!(second.say("cat ~/.config/login/key; ls -A ~").await, "in\n.config");
    second.stop().await;
    backend.end_server().await;
    free_again(&volume).await;
}

/// A volume stays when its agents are gone.
async fn free_again(volume: &str) {
    docker(&["volume", "inspect", volume]).await.expect("the volume is kept");
    until("the volume to be free", PATIENCE, async || {
        docker(&["volume", "rm", volume]).await.ok_or("in use")
    })
    .await;
}
