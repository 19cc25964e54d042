//! Suspended and back: the container stays with all its files, and the conversation goes on under the same id.

use std::fs;

use parallax_api::agent::StopRequest;
use parallax_api::{AgentStatus, Code, SpawnRequest};
use parallax_testkit::backend::{TestBackend, fake};
use parallax_testkit::conformance::terminal::raw_log;
use parallax_testkit::docker::{DockerBackend, container, docker};
use parallax_testkit::wait::{PATIENCE, until, within};

use super::containers::shell;

/// Twice, the second time with another server in between; the agent's secret is in no file that others can read, and in none at
/// all once the agent is back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Docker engine: make test-docker"]
async fn the_conversation_goes_on() {
    let backend = DockerBackend::start().await;
    let user = backend.user();
    let secret = [("SECRET".to_owned(), "sk-kept-while-suspended".into())].into();
    let asked = SpawnRequest { prompt: Some("first".into()), env: secret, ..fake("sleeper", &[]) };
    let mut agent = user.spawn_ready(asked).await;
    until("the prompt to be answered", PATIENCE, async || {
        if agent.messages().await.len() == 2 { Ok(()) } else { Err(()) }
    })
    .await;
    let before = raw_log(&agent).await;
    let kept = backend.directory().join(format!("state/suspended/{}.json", agent.id));
    for round in 0..2 {
        let suspended = within("the suspension", PATIENCE, user.client.suspend(&agent.id)).await;
        let suspended = suspended.expect("it can be suspended");
        let exit = suspended.exit.clone().expect("it has ended");
        assert_eq!((suspended.status, exit.reason.as_str()), (AgentStatus::Stopped, "suspended"));
        assert_eq!(backend.inspect(&agent.id, "{{.State.Running}}").await, "false");
        let again = user.client.suspend(&agent.id).await.expect("once more is no error");
        assert_eq!(again.exit, suspended.exit);
        let refused = user.client.interrupt(&agent.id).await.expect_err("nothing runs");
        assert!(refused.code == Code::AgentStopped && refused.detail.contains("resume"), "{refused:?}");
        assert_eq!(agent.messages().await.len(), 2 + 2 * round, "the archive answers meanwhile");
        let launch = fs::read_to_string(&kept).expect("the launch is kept");
        assert!(launch.contains("sk-kept-while-suspended"));
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(&kept).expect("it is there").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
        if round == 1 {
            // Nothing of it hangs on one server's memory.
            backend.kill_server().await;
            backend.start_server(Default::default()).await;
            let listed = user.client.get(&agent.id).await.expect("it is known");
            assert!(listed.is_suspended(), "{listed:?}");
        }
        let back = within("the agent", PATIENCE, user.client.resume(&agent.id)).await.expect("it comes back");
        assert_eq!(back.id, agent.id);
        assert_ne!(back.status, AgentStatus::Stopped);
        assert!(!kept.exists(), "its secrets are on no disk any more");
        agent = user.follow(agent.id.clone()).await;
        agent.is("ready", |agent| (agent.status == AgentStatus::Ready).then_some(())).await;
        let recalled = agent.say("do recall").await;
        assert!(recalled.starts_with(&format!("{} before", 1 + round)), "the CLI remembers: {recalled}");
        assert_eq!(agent.messages().await.len(), 4 + 2 * round, "the prompt was not sent again");
    }
    assert!(raw_log(&agent).await.starts_with(&before), "offsets go on where they were");
    let running = user.client.resume(&agent.id).await.expect("one that runs is no error");
    assert_ne!(running.status, AgentStatus::Stopped);
    agent.stop().await;
    until("nothing to be left", PATIENCE, async || {
        let left = backend.leftovers().await;
        if left.is_empty() { Ok(()) } else { Err(left) }
    })
    .await;
    backend.end_server().await;
}

/// Files in its workspace, home and the image's own directories are there again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Docker engine: make test-docker"]
async fn what_cannot_come_back_is_refused_before() {
    let backend = DockerBackend::start().await;
    let user = backend.user();
    let mut agent = user.spawn_ready(shell("s1")).await;
    agent.say("echo work > file").await;
    let refused = user.client.suspend(&agent.id).await.expect_err("a shell has no conversation");
    assert_eq!(refused.code, Code::Unsupported, "{refused:?}");
    assert!(refused.detail.contains("`shell`") && refused.detail.contains("resume"), "{refused:?}");
    assert_eq!(agent.say("cat file").await, "work", "it goes on");
    agent.becomes(AgentStatus::Ready).await;
    agent.stop().await;
    let ended = user.client.resume(&agent.id).await.expect_err("it was not suspended");
    assert_eq!(ended.code, Code::AgentStopped, "{ended:?}");
    backend.end_server().await;
}

/// The reason is told, nothing that is kept goes, and the next try works.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Docker engine: make test-docker"]
async fn a_resume_that_fails_says_why() {
    let backend = DockerBackend::start().await;
    let user = backend.user();
    let agent = user.spawn_ready(fake("unlucky", &[])).await;
    user.client.suspend(&agent.id).await.expect("it can be suspended");
    let kept = backend.directory().join(format!("state/suspended/{}.json", agent.id));
    let launch = fs::read_to_string(&kept).expect("the launch is kept");
    let broken = launch.replace("parallax-fake-agent", "no-such-program");
    assert_ne!(broken, launch, "the profile names the program: {launch}");
    fs::write(&kept, broken).expect("it can be written");
    let problem = user.client.resume(&agent.id).await.expect_err("there is no such program");
    assert_eq!(problem.code, Code::CliNotFound, "{problem:?}");
    let listed = user.client.get(&agent.id).await.expect("it is known");
    assert!(listed.is_suspended(), "{listed:?}");
    let error = listed.error.expect("it says why");
    assert!(error.code == "resume_failed" && error.message.contains("no-such-program"), "{error:?}");
    fs::write(&kept, launch).expect("it can be written");
    user.client.resume(&agent.id).await.expect("it comes back");
    let agent = user.follow(agent.id.clone()).await;
    assert_eq!(agent.say("hello").await, "echo: hello");
    user.client.suspend(&agent.id).await.expect("it can be suspended");
    let stopped = user.client.stop(&agent.id, &StopRequest::default()).await.expect("it can be stopped");
    assert_eq!(stopped.exit.expect("it has ended").reason, "stopped");
    assert_eq!(backend.leftovers().await, Vec::<String>::new());
    assert!(!kept.exists());
    backend.end_server().await;
}

/// Somebody removed the container.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Docker engine: make test-docker"]
async fn a_container_that_was_removed() {
    let backend = DockerBackend::start().await;
    let user = backend.user();
    let agent = user.spawn_ready(fake("lost", &[])).await;
    user.client.suspend(&agent.id).await.expect("it can be suspended");
    let kept = backend.directory().join(format!("state/suspended/{}.json", agent.id));
    assert!(kept.exists());
    docker(&["rm", "--force", "--volumes", &container(&agent.id)]).await.expect("it can be removed");
    let gone = user.client.resume(&agent.id).await.expect_err("nothing is left");
    assert!(gone.code == Code::AgentStopped && gone.detail.contains("removed"), "{gone:?}");
    // The next server looks when it starts.
    backend.end_server().await;
    backend.start_server(Default::default()).await;
    until("the end to be told", PATIENCE, async || {
        let agent = user.client.get(&agent.id).await.expect("it is known");
        let reason = agent.exit.map(|exit| exit.reason).unwrap_or_default();
        if reason == "removed" { Ok(()) } else { Err(reason) }
    })
    .await;
    assert!(!kept.exists(), "its secrets are on no disk any more");
    backend.end_server().await;
}
