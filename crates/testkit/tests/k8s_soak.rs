//! Kills without end: agents print and answer while their server dies again and again, and every byte, event and message is
//! accounted for.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parallax_api::agent::StopRequest;
use parallax_api::client::{TerminalItem, TerminalOptions, TerminalSocket};
use parallax_api::{AgentStatus, EventData, SendRequest};
use parallax_testkit::conformance::terminal::raw_log;
use parallax_testkit::k8s::KubernetesPlace;
use parallax_testkit::place::{Place, ServerOptions, fake};
use parallax_testkit::user::Spawned;
use parallax_testkit::wait::{PATIENCE, until, within};

/// How often the server is killed, unless `PARALLAX_TEST_KILLS` says otherwise.
const KILLS: usize = 5;
const AGENTS: usize = 3;

/// Sends numbered messages, each until it is answered, and gives how many were.
async fn converses(agent: &Spawned, enough: &AtomicBool) -> usize {
    let mut number = 0;
    while !enough.load(Ordering::Relaxed) {
        number += 1;
        let request = SendRequest {
            message: format!("do print line {number} && say answer {number}"),
            expect_response: true,
            timeout_ms: Some(60_000),
            ..SendRequest::default()
        };
        let key = format!("{}-{number}", agent.id);
        let answer = until("an answer", PATIENCE * 3, async || {
            agent.client.send_once(&key, &agent.id, &request).await.map_err(|problem| problem.to_string())
        })
        .await;
        assert_eq!(answer.response.expect("an answer").content, format!("answer {number}"));
    }
    number
}

/// Everything that comes to a terminal until the agent ends.
async fn follows(mut terminal: TerminalSocket) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some(item) = terminal.next().await.expect("the connection is made again") {
        match item {
            TerminalItem::Output { offset, bytes: more } => {
                assert_eq!(offset, bytes.len() as u64, "no gap and no double");
                bytes.extend_from_slice(&more);
            }
            TerminalItem::Skip { from, to } => panic!("{from} to {to} were passed over"),
            _ => {}
        }
    }
    bytes
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Kubernetes cluster: make test-k8s"]
async fn everything_is_accounted_for() {
    let kills =
        std::env::var("PARALLAX_TEST_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(KILLS);
    let place = KubernetesPlace::start().await;
    let user = place.user();
    let enough = Arc::new(AtomicBool::new(false));
    let mut working = Vec::new();
    for number in 0..AGENTS {
        let mut agent = user.spawn_ready(fake(&format!("soaked-{number}"), &[])).await;
        let enough = enough.clone();
        let options = TerminalOptions { since: Some(0), ..TerminalOptions::default() };
        let terminal = agent.client.terminal(&agent.id, options).await.expect("a terminal");
        let following = tokio::spawn(follows(terminal));
        working.push(async move {
            let answered = converses(&agent, &enough).await;
            until("the agent to be stopped", PATIENCE, async || {
                let stop = StopRequest::default();
                agent.client.stop(&agent.id, &stop).await.map_err(|problem| problem.to_string())
            })
            .await;
            let ended = |event: &EventData| matches!(event, EventData::AgentStopped { .. }).then_some(());
            agent.event("the end", ended).await;
            (agent, answered, following.await.expect("nothing was lost"))
        });
    }
    let killing = async {
        for _ in 0..kills {
            let pause = 100 + uuid::Uuid::new_v4().as_u128() % 900;
            tokio::time::sleep(Duration::from_millis(u64::try_from(pause).expect("less than a second")))
                .await;
            place.kill_server().await;
            place.start_server(ServerOptions::default()).await;
        }
        enough.store(true, Ordering::Relaxed);
    };
    let working = futures::future::join_all(working);
    let limit = PATIENCE * u32::try_from(kills).expect("not so many");
    let ((), worked) = within("the agents to be done", limit, async { tokio::join!(killing, working) }).await;
    for (agent, answered, bytes) in worked {
        assert_eq!(agent.agent().await.status, AgentStatus::Stopped);
        assert!(bytes == raw_log(&agent).await, "what was followed is what the log has");
        let text = String::from_utf8_lossy(&bytes);
        assert!((1..=answered).all(|number| text.contains(&format!("answer {number}"))), "{answered}");
        assert_eq!(agent.messages().await.len(), 2 * answered);
        let ids: HashSet<&str> = agent.seen().iter().map(|event| event.id.as_str()).collect();
        assert_eq!(ids.len(), agent.seen().len(), "no event came twice");
        let told =
            agent.seen().iter().filter(|event| matches!(event.data, EventData::Message { .. })).count();
        assert_eq!(told, answered, "each answer was told once");
        println!("{answered} answers, {} bytes, {} events over {kills} kills", bytes.len(), ids.len());
    }
    place.end_server().await;
}
