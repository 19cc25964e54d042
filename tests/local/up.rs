//! `parallax up`: the whole way from the control plane to an agent and back, with the fake agent.

use parallax_api::client::ListFilter;
use parallax_api::runtime::RuntimeKind;
use parallax_api::{AgentStatus, Code, SpawnRequest};
use parallax_testkit::backend::fake;
use parallax_testkit::local::Directory;
use parallax_testkit::processes;
use parallax_testkit::server::reqwest_client;
use parallax_testkit::up::Up;
use parallax_testkit::wait::{PATIENCE, until};
use serde_json::{Value, json};

/// The seed's two calls, word by word but for the type.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_two_calls() {
    let directory = Directory::new();
    let mut up = Up::start(&directory, &[]).await;
    let client = reqwest_client();
    let agents = format!("{}/api/managed-agents", up.server.url());
    let spawn = json!({"name": "code-reviewer", "type": "fake", "capabilities": ["code_review"]});
    let spawned = client.post(&agents).json(&spawn).send().await.expect("the control plane answers");
    assert_eq!(spawned.status(), 201);
    let agent: Value = spawned.json().await.expect("JSON");
    let send = json!({"message": "Review the latest changes", "expectResponse": true});
    let url = format!("{agents}/{}/send", agent["id"].as_str().expect("an id"));
    let sent = client.post(url).json(&send).send().await.expect("the control plane answers");
    assert_eq!(sent.status(), 200);
    let sent: Value = sent.json().await.expect("JSON");
    assert_eq!(
        (&sent["sent"], &sent["response"]["content"]),
        (&json!(true), &json!("echo: Review the latest changes"))
    );
    up.server.end().await;
}

/// The control plane shows its runtime and the runtime's agents, and honours the runtime of a request.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_address_for_all() {
    let directory = Directory::new();
    let mut up = Up::start(&directory, &[]).await;
    let user = up.user();
    let runtimes = until("the runtime to be healthy", PATIENCE, async || {
        let runtimes = user.client.runtimes().await.expect("runtimes are listed").runtimes;
        if runtimes.iter().any(|runtime| runtime.status.healthy) { Ok(runtimes) } else { Err(runtimes) }
    })
    .await;
    assert_eq!((runtimes.len(), runtimes[0].status.kind, runtimes[0].priority), (1, RuntimeKind::Local, 10));
    assert!(
        runtimes[0].status.types.iter().any(|kind| kind.name == "fake" && kind.available),
        "{runtimes:?}"
    );

    let elsewhere = SpawnRequest { runtime: Some("docker".into()), ..fake("elsewhere", &[]) };
    assert_eq!(user.spawn_refused(&elsewhere).await.code, Code::NoRuntime, "never another in silence");

    let mut agent =
        user.spawn_ready(SpawnRequest { runtime: Some("local".into()), ..fake("here", &[]) }).await;
    assert_eq!(agent.say("hello").await, "echo: hello");
    let alone = up.runtime_user().client.get(&agent.id).await.expect("the runtime has it too");
    assert_eq!(alone.name, "here");
    agent.stop().await;
    assert_eq!(agent.ends().await.reason, "stopped");
    up.server.end().await;
}

/// `kill -9` of both at once: the next start has the agents again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_up_has_them_again() {
    let directory = Directory::new();
    let mut up = Up::start(&directory, &[]).await;
    let mut agent = up.user().spawn_ready(fake("survivor", &[])).await;
    let id = agent.tell("do say half && gate && say whole").await;
    agent.becomes(AgentStatus::Busy).await;
    up.server.kill().await;
    up.server.start(&[]).await;
    agent.press(&["ctrl-g"]).await;
    assert_eq!(agent.answer_to(&id).await.content, "half\nwhole");
    let agents = up.user().client.list_all(&ListFilter::default()).await.expect("a list");
    assert_eq!(agents.len(), 1);
    agent.stop().await;
    until("everything to be gone", PATIENCE, async || {
        let mut left = processes::within_directory(directory.path());
        left.retain(|process| Some(process.pid) != up.server.pid());
        if left.is_empty() { Ok(()) } else { Err(left) }
    })
    .await;
    up.server.end().await;
}
