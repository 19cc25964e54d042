//! What only a local runtime refuses: programs and directories of this machine.

use std::fs;

use parallax_api::agent::Resources;
use parallax_api::{Code, SpawnRequest};
use parallax_testkit::backend::{TestBackend, fake};
use parallax_testkit::local::LocalBackend;

/// A CLI that is not installed: which, and how to get it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_cli() {
    let backend = LocalBackend::start_with(&[], &[("PATH", "/nonexistent".into())], |_| {}).await;
    for kind in ["claude", "codex", "gemini"] {
        let request = SpawnRequest { r#type: kind.into(), ..fake("missing", &[]) };
        let problem = backend.user().spawn_refused(&request).await;
        assert_eq!((problem.code, problem.status), (Code::CliNotFound, 422), "{problem:?}");
        assert!(
            problem.more["install"].as_str().is_some_and(|how| how.contains("npm install")),
            "{problem:?}"
        );
    }
    backend.end_server().await;
}

/// Directories that are not there, no directories, or not allowed: also through links and dots.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_workdirs() {
    let backend = LocalBackend::start().await;
    let home = backend.directory();
    fs::write(home.join("a-file"), "").expect("the home can be written");
    std::os::unix::fs::symlink("/etc", home.join("a-link")).expect("the home can be written");
    let path = |rest: &str| format!("{}/{rest}", home.display());
    for (workdir, code) in [
        (path("nowhere"), Code::WorkdirNotFound),
        (path("a-file"), Code::WorkdirNotFound),
        ("/etc".into(), Code::WorkdirForbidden),
        (path("../../../etc"), Code::WorkdirForbidden),
        (path("a-link"), Code::WorkdirForbidden),
        ("relative".into(), Code::Validation),
    ] {
        let request = SpawnRequest { workdir: Some(workdir.clone()), ..fake("lost", &[]) };
        assert_eq!(backend.user().spawn_refused(&request).await.code, code, "{workdir}");
    }
    fs::create_dir(home.join("project")).expect("the home can be written");
    let request = SpawnRequest { workdir: Some(path("project")), ..fake("found", &[]) };
    let agent = backend.user().spawn_ready(request).await;
    assert_eq!(agent.say("do cwd").await, path("project"));
    agent.stop().await;
    backend.end_server().await;
}

/// What processes of this machine cannot be given is refused, not ignored.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_it_cannot_honour() {
    let backend = LocalBackend::start().await;
    let image = SpawnRequest { image: Some("debian:12".into()), ..fake("contained", &[]) };
    let problem = backend.user().spawn_refused(&image).await;
    assert_eq!(
        (problem.code, problem.more["field"].as_str()),
        (Code::Unsupported, Some("image")),
        "{problem:?}"
    );
    let resources = Resources { memory: Some("512m".into()), ..Resources::default() };
    let limited = SpawnRequest { resources: Some(resources), ..fake("limited", &[]) };
    match backend.user().client.spawn(&limited).await {
        // Where the system lets it make control groups, it can.
        Ok(agent) => drop(backend.user().follow(agent.id).await.stop().await),
        Err(problem) => assert_eq!(problem.code, Code::Unsupported, "{problem:?}"),
    }
    backend.end_server().await;
}
