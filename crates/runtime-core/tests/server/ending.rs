//! Agents end: told once, given back, still readable.

use std::time::{Duration, Instant};

use futures::TryStreamExt;
use parallax_api::agent::StopRequest;
use parallax_api::observe::{LogFormat, LogsQuery};
use parallax_api::{AgentStatus, Code, EventData, SendRequest};

use crate::server::{TestServer, eventually, next, shell};

#[tokio::test]
async fn an_ended_agent_stays_readable() {
    let mut server = TestServer::new().await;
    let agent = server.ready_agent().await;
    let (client, id) = (server.client(), agent.id);
    client.send(&id, &SendRequest { message: "hi".into(), ..Default::default() }).await.unwrap();
    let host = server.backend.host(&id);
    host.print("first\r\nsecond\r\n\x1b[31mthird\x1b[m héllo\r\n");
    host.exit(7);
    eventually("its slot is given back", || server.backend.count() == 0).await;
    assert!(host.released());

    for restarted in [false, true] {
        if restarted {
            server.end().await;
            server.start().await;
        }
        let client = server.client();
        let agent = client.get(&id).await.unwrap();
        assert_eq!((agent.status, agent.exit.unwrap().code), (AgentStatus::Stopped, Some(7)));
        let logs = client.logs(&id, &LogsQuery { tail: Some(2), ..Default::default() }).await.unwrap();
        assert_eq!(logs.logs, ["second", "third héllo"]);
        let logs =
            client.logs(&id, &LogsQuery { since: Some("7".into()), ..Default::default() }).await.unwrap();
        assert_eq!(logs.logs, ["second", "third héllo"]);
        let raw = LogsQuery { format: Some(LogFormat::Raw), ..Default::default() };
        let raw: Vec<_> = client.log_stream(&id, &raw).await.unwrap().try_collect().await.unwrap();
        assert_eq!(raw.concat(), "first\r\nsecond\r\n\x1b[31mthird\x1b[m héllo\r\n".as_bytes());
        let cast = LogsQuery { format: Some(LogFormat::Asciicast), ..Default::default() };
        let cast: Vec<_> = client.log_stream(&id, &cast).await.unwrap().try_collect().await.unwrap();
        assert!(cast.concat().starts_with(b"{\"version\":2"));
        let messages = client.messages(&id, &Default::default()).await.unwrap();
        assert_eq!(
            messages.iter().map(|message| message.content.as_str()).collect::<Vec<_>>(),
            ["hi", "echo: hi"]
        );
        assert_eq!(client.screen(&id).await.unwrap().title, "title");
        assert_eq!(client.status(&id).await.unwrap().rule, "script");
        let metrics = client.metrics(&id).await.unwrap();
        assert_eq!((metrics.messages_sent, metrics.cpu_seconds), (7, 99.0));
        let refused =
            client.send(&id, &SendRequest { message: "hi".into(), ..Default::default() }).await.unwrap_err();
        assert_eq!((refused.code, refused.more["exit"]["code"].as_i64()), (Code::AgentStopped, Some(7)));
        let refused = client.restart(&id, &Default::default()).await.unwrap_err();
        assert_eq!(refused.code, Code::AgentStopped);
        let stopped = client.stop(&id, &StopRequest::default()).await.unwrap();
        assert_eq!(stopped.exit.unwrap().reason, "exited", "stopping what has ended changes nothing");
    }
}

#[tokio::test]
async fn a_lost_host_is_told_within_a_second() {
    let server = TestServer::new().await;
    let agent = server.ready_agent().await;
    let mut events = server.events("0").await;
    assert_eq!(next(&mut events).await.data.name(), "agent_started");
    assert_eq!(next(&mut events).await.data.name(), "agent_ready");
    server.backend.host(&agent.id).die();
    let died = Instant::now();
    let told = next(&mut events).await.data;
    assert!(died.elapsed() < Duration::from_secs(1), "{:?}", died.elapsed());
    assert!(matches!(&told, EventData::AgentStopped { reason, .. } if reason == "host_lost"), "{told:?}");
    assert_eq!(server.backend.count(), 0, "what remained was removed first");
    let agent = server.client().get(&agent.id).await.unwrap();
    assert_eq!((agent.status, agent.exit.unwrap().reason.as_str()), (AgentStatus::Stopped, "host_lost"));
    let logs = server.client().logs(&agent.id, &Default::default()).await.unwrap();
    assert_eq!(logs.logs, Vec::<String>::new());
    let refused = server.client().screen(&agent.id).await.unwrap_err();
    assert_eq!(refused.code, Code::AgentStopped);
}

#[tokio::test]
async fn a_slot_is_given_back_at_the_end() {
    let server = TestServer::with(|settings| settings.max_agents = 2).await;
    let client = server.client();
    let first = client.spawn(&shell("1")).await.unwrap();
    let second = client.spawn(&shell("2")).await.unwrap();
    let refused = client.spawn(&shell("3")).await.unwrap_err();
    assert_eq!((refused.code, refused.more["limit"].as_u64()), (Code::ResourceLimit, Some(2)));
    client.stop(&first.id, &StopRequest::default()).await.unwrap();
    let third =
        client.spawn(&shell("3")).await.expect("the slot of a stopped agent is free when stop answers");
    server.backend.host(&second.id).die();
    server.until(&second.id, "its end", |agent| agent.status == AgentStatus::Stopped).await;
    client.spawn(&shell("4")).await.expect("the slot of a lost agent is free");
    assert_eq!(client.spawn(&shell("5")).await.unwrap_err().code, Code::ResourceLimit);
    client.stop(&third.id, &StopRequest { force: true, grace_ms: 0 }).await.unwrap();
    client.spawn(&shell("5")).await.unwrap();
}

#[tokio::test]
async fn ended_agents_are_forgotten_in_time() {
    let server = TestServer::with(|settings| settings.keep.count = 2).await;
    let client = server.client();
    let mut agents = vec![];
    for name in ["1", "2", "3"] {
        let agent = client.spawn(&shell(name)).await.unwrap();
        client.stop(&agent.id, &StopRequest::default()).await.unwrap();
        eventually("its slot is given back", || server.backend.count() == 0).await;
        agents.push(agent);
    }
    server.until_unknown(&agents[0].id).await;
    let archive = server.config.state_dir.join("ended");
    eventually("only two remain on disk", || archive.read_dir().unwrap().count() == 2).await;
    assert_eq!(client.get(&agents[2].id).await.unwrap().name, "3");

    let server = TestServer::with(|settings| settings.keep.time = Duration::from_millis(200)).await;
    let agent = server.client().spawn(&shell("short")).await.unwrap();
    server.client().stop(&agent.id, &StopRequest::default()).await.unwrap();
    let archive = server.config.state_dir.join("ended");
    eventually("it is forgotten", || server.backend.count() == 0 && archive.read_dir().unwrap().count() == 0)
        .await;
    assert_eq!(server.client().get(&agent.id).await.unwrap_err().code, Code::AgentNotFound);
}

#[tokio::test]
async fn an_agent_whose_host_is_dead_can_be_stopped() {
    let server = TestServer::new().await;
    let agent = server.ready_agent().await;
    server.backend.host(&agent.id).die();
    let stopped = server.client().stop(&agent.id, &StopRequest::default()).await.unwrap();
    assert_eq!(stopped.status, AgentStatus::Stopped);
}

#[tokio::test]
async fn a_host_does_not_answer_with_another_agent() {
    let server = TestServer::new().await;
    let (agent, other) = (server.ready_agent().await, server.ready_agent().await);
    let host = server.backend.host(&agent.id);
    host.answer_with(other.clone());
    let stopped = server.client().stop(&agent.id, &StopRequest::default()).await.unwrap();
    assert_eq!((&stopped.id, stopped.status), (&agent.id, AgentStatus::Stopped));
    assert!(!host.lives(), "it did not end its agent");
    assert_eq!(server.client().get(&other.id).await.unwrap().status, AgentStatus::Ready);
}

/// Its node was drained: it has ended for everybody who asks, and would come back.
#[tokio::test]
async fn an_agent_that_is_moved_can_be_stopped() {
    let server = TestServer::new().await;
    let agent = server.ready_agent().await;
    *server.backend.moves.lock().unwrap() = true;
    server.backend.host(&agent.id).die();
    eventually("it is moved", || server.backend.returning.lock().unwrap().contains(&agent.id)).await;
    server.until(&agent.id, "it has ended", |agent| agent.status == AgentStatus::Stopped).await;
    let stopped = server.client().stop(&agent.id, &StopRequest::default()).await.unwrap();
    assert_eq!(stopped.exit.unwrap().reason, "stopped");
    assert!(server.backend.returning.lock().unwrap().is_empty(), "it does not come back");
    let mut events = server.events("0").await;
    loop {
        let event = next(&mut events).await;
        if matches!(&event.data, EventData::AgentStopped { reason, .. } if reason == "stopped") {
            return;
        }
    }
}
