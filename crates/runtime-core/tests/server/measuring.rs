//! What all agents use is told without waking hosts that have nothing new to count.

use std::time::Duration;

use parallax_api::{AgentStatus, EventData};

use crate::server::{TestServer, within};

#[tokio::test]
async fn the_host_of_an_idle_agent_is_not_asked_again() {
    let server = TestServer::new().await;
    let agent = server.ready_agent().await;
    let host = server.backend.host(&agent.id);
    let only = async || {
        let mut agents = server.client().all_metrics().await.unwrap().agents;
        assert_eq!(agents.len(), 1);
        let only = agents.remove(0);
        assert_eq!(only.agent_id, agent.id);
        only.metrics
    };
    let metrics = only().await;
    assert_eq!((metrics.messages_sent, metrics.processes, metrics.memory_bytes), (7, 2, 4096));
    within("nothing new to count", async {
        loop {
            let before = host.counted();
            only().await;
            if host.counted() == before {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    let before = host.counted();
    let idle = only().await;
    assert_eq!((idle.messages_sent, idle.output_bytes, idle.cpu_seconds), (7, 0, 1.5));
    assert!(idle.uptime_seconds > metrics.uptime_seconds, "{idle:?}");
    assert_eq!(host.counted(), before);

    // Who asks for one agent is told what its host counts now.
    host.print("more");
    assert_eq!(server.client().metrics(&agent.id).await.unwrap().output_bytes, 4);
    // It works.
    host.print(" and more");
    host.tell(|agent| agent.status = AgentStatus::Busy, |agent| EventData::AgentBusy { agent });
    server.until(&agent.id, "it works", |agent| agent.status == AgentStatus::Busy).await;
    assert_eq!(only().await.output_bytes, 13);
    host.become_ready();
    server.until(&agent.id, "it is idle", |agent| agent.status == AgentStatus::Ready).await;
    host.print("!");
    assert_eq!(only().await.output_bytes, 14, "what it did last may not have been told");

    host.exit(0);
    server.until(&agent.id, "its end", |agent| agent.status == AgentStatus::Stopped).await;
    assert!(server.client().all_metrics().await.unwrap().agents.is_empty());
}
