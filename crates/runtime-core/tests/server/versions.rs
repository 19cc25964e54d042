//! Hosts outlive servers: those of earlier and later versions are followed as far as they are known.

use parallax_api::{AgentStatus, SendRequest};
use serde_json::json;

use crate::server::{TestServer, next, shell};

#[tokio::test]
async fn what_a_host_of_a_later_version_says_is_passed_over() {
    let mut server = TestServer::new().await;
    let agent = server.client().spawn(&shell("newer")).await.unwrap();
    let host = server.backend.host(&agent.id);
    server.kill();
    let mut odd = serde_json::to_value(&agent).unwrap();
    odd["status"] = json!("dreaming");
    odd["attention"] = json!({"kind": "telepathy", "text": "?", "since": "2026-11-26T10:00:00Z"});
    odd["colour"] = json!("red");
    let at = "2026-11-26T10:00:00Z";
    let unknown =
        json!({"seq": 9, "event": "agent_dreamt", "data": {"agent": odd}, "timestamp": at}).to_string();
    let state = json!({"agent": odd, "mood": "fine"}).to_string();
    host.say_first(&[
        "{\"weather\": {\"wind\": 3}}",
        &unknown,
        "[1, 2]",
        "not even JSON",
        &state,
        "{\"alive\": true, \"since\": 5}",
    ]);
    server.start().await;
    let mut events = server.events("0").await;
    assert_eq!(next(&mut events).await.data.name(), "agent_started");
    host.become_ready();
    assert_eq!(next(&mut events).await.data.name(), "agent_ready");
    host.say("still heard");
    assert_eq!(next(&mut events).await.data.name(), "message");
    server.until(&agent.id, "it is ready", |agent| agent.status == AgentStatus::Ready).await;
    let send = SendRequest { message: "hi".into(), expect_response: true, ..Default::default() };
    assert_eq!(server.client().send(&agent.id, &send).await.unwrap().response.unwrap().content, "echo: hi");
    let metrics = server.get("/metrics").await.text().await.unwrap();
    let counted = metrics.lines().find_map(|line| line.strip_prefix("parallax_host_unknown_lines_total "));
    assert!(counted.is_some_and(|counted| counted.parse::<u64>().unwrap() >= 4), "{counted:?}");
    // Its end is one as any other.
    host.exit(0);
    let told = next(&mut events).await;
    let stopped = if told.data.name() == "message" { next(&mut events).await } else { told };
    assert_eq!(stopped.data.name(), "agent_stopped");
}
