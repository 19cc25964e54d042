//! A control plane over several runtimes: which one gets an agent, and what happens when one is away.

use parallax_api::client::ListFilter;
use parallax_api::runtime::RuntimeKind;
use parallax_api::{AgentStatus, Code, SpawnRequest};
use parallax_control_plane::RuntimeSpec;
use parallax_testkit::backend::fake;
use parallax_testkit::in_process::InProcess;
use parallax_testkit::local::Directory;
use parallax_testkit::user::User;
use parallax_testkit::wait::{PATIENCE, until};

fn spec(name: &str, url: &str, priority: u32) -> RuntimeSpec {
    RuntimeSpec { name: name.into(), priority, ..RuntimeSpec::of_kind(RuntimeKind::Local, url) }
}

/// The lowest number that has room; the agent says where it is; one that is named is taken or nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lowest_number_with_room() {
    let directory = Directory::new();
    let first = InProcess::local_runtime("first", directory.path(), 1).await;
    let second = InProcess::local_runtime("second", directory.path(), 5).await;
    // Nothing listens there.
    let dead = spec("dead", "http://127.0.0.1:9", 1);
    let runtimes = vec![spec("second", &second.url, 20), dead, spec("first", &first.url, 10)];
    let plane = InProcess::control_plane(directory.path(), runtimes).await;
    let user = plane.user();

    let one = user.spawn_ready(fake("one", &[])).await;
    let two = user.spawn_ready(fake("two", &[])).await;
    assert_eq!((one.agent().await.runtime.as_str(), two.agent().await.runtime.as_str()), ("first", "second"));
    assert_eq!(two.say("hello").await, "echo: hello");

    let named = SpawnRequest { runtime: Some("first".into()), ..fake("three", &[]) };
    let problem = user.spawn_refused(&named).await;
    assert!(matches!(problem.code, Code::ResourceLimit | Code::NoRuntime), "{problem:?}");
    let away = SpawnRequest { runtime: Some("dead".into()), ..fake("three", &[]) };
    let problem = user.spawn_refused(&away).await;
    assert!(matches!(problem.code, Code::RuntimeUnavailable | Code::NoRuntime), "{problem:?}");

    let agents = user.client.list_all(&ListFilter::default()).await.expect("a list");
    assert_eq!(agents.len(), 2, "agents of all runtimes");
    stop_all(&user).await;
    plane.end().await;
    first.end().await;
    second.end().await;
}

/// A runtime that is away: its agents are shown as last known, calls to them are refused, and nothing else is touched.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_runtime_goes_away_and_comes_back() {
    let directory = Directory::new();
    let first = InProcess::local_runtime("first", directory.path(), 1).await;
    let second = InProcess::local_runtime("second", directory.path(), 5).await;
    let runtimes = vec![spec("first", &first.url, 10), spec("second", &second.url, 20)];
    let plane = InProcess::control_plane(directory.path(), runtimes).await;
    let user = plane.user();
    let lost = user.spawn_ready(fake("lost", &[])).await;
    let kept = user.spawn_ready(fake("kept", &[])).await;
    assert_eq!(lost.agent().await.runtime, "first");

    first.end().await;
    until("the agent to be shown as last known", PATIENCE, async || {
        let agent = lost.agent().await;
        if agent.stale && agent.status == AgentStatus::Ready { Ok(()) } else { Err(agent) }
    })
    .await;
    let refused = lost.client.screen(&lost.id).await.expect_err("its runtime is away");
    assert_eq!((refused.code, refused.status), (Code::RuntimeUnavailable, 503));
    assert_eq!(kept.say("hello").await, "echo: hello");
    assert!(!kept.agent().await.stale);

    // The same state on another port: to the control plane it is away; the runtime itself has the agent.
    let back = InProcess::local_runtime("first", directory.path(), 1).await;
    let mut found = User::of_runtime(&back.url).follow(lost.id.clone()).await;
    found.becomes(AgentStatus::Ready).await;
    assert_eq!(found.say("hello").await, "echo: hello");
    found.stop().await;
    kept.stop().await;
    plane.end().await;
    back.end().await;
    second.end().await;
}

async fn stop_all(user: &User) {
    for agent in user.client.list_all(&ListFilter::default()).await.expect("a list") {
        user.follow(agent.id).await.stop().await;
    }
}

/// A runtime serves one control plane: a second one is refused with the reason, and takes over when the first is gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_runtime_serves_one_control_plane() {
    let directory = Directory::new();
    let runtime = InProcess::local_runtime("only", directory.path(), 5).await;
    let runtimes = || vec![spec("only", &runtime.url, 10)];
    let first = InProcess::control_plane(directory.path(), runtimes()).await;
    let agent = first.user().spawn_ready(fake("one", &[])).await;
    let elsewhere = Directory::new();
    let second = InProcess::control_plane(elsewhere.path(), runtimes()).await;
    let user = second.user();
    let problem = user.spawn_refused(&fake("two", &[])).await;
    assert!(
        problem.to_string().contains("serves another control plane") || {
            let reasons = problem.more.get("runtimes").map(ToString::to_string).unwrap_or_default();
            reasons.contains("serves another control plane")
        },
        "{problem:?}"
    );
    let listed = user.client.runtimes().await.expect("a list");
    let reason = listed.runtimes[0].status.reason.clone().unwrap_or_default();
    assert!(!listed.runtimes[0].status.healthy && reason.contains("stop one"), "{reason}");
    assert_eq!(agent.say("hello").await, "echo: hello", "the first notices nothing");

    // The same state directory is the same control plane, at once.
    first.end().await;
    let first = InProcess::control_plane(directory.path(), runtimes()).await;
    let agent = first.user().follow(agent.id.clone()).await;
    assert_eq!(agent.say("again").await, "echo: again");
    first.end().await;
    until("the second one to have the runtime", PATIENCE * 2, async || {
        let listed = user.client.runtimes().await.expect("a list");
        if listed.runtimes[0].status.healthy { Ok(()) } else { Err(listed) }
    })
    .await;
    stop_all(&user).await;
    second.end().await;
    runtime.end().await;
}
