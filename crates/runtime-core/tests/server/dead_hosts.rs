//! A host dies; what it wrote to its disk is published, and stays readable.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;

use futures::TryStreamExt;
use parallax_api::host::HostEvent;
use parallax_api::observe::{LogFormat, LogsQuery};
use parallax_api::{Agent, AgentExit, AgentStatus, EventData, Message, Time};
use serde_json::json;
use tokio::sync::Semaphore;

use crate::server::{TestServer, eventually, next};

/// An index record of a host's log.
fn index(offset: u64, at: i64, cols: u16, rows: u16) -> Vec<u8> {
    [&offset.to_be_bytes()[..], &at.to_be_bytes(), &cols.to_be_bytes(), &rows.to_be_bytes()].concat()
}

fn line(seq: u64, data: EventData) -> String {
    serde_json::to_string(&HostEvent { seq, data, timestamp: Time::now() }).unwrap() + "\n"
}

fn message(agent: &Agent, id: &str, content: &str) -> Message {
    let message = json!({
        "id": id, "agentId": agent.id, "role": "agent", "content": content, "timestamp": Time::now(),
    });
    serde_json::from_value(message).unwrap()
}

/// The directory of a host that was killed: whole segments, half a line, and what a hostile agent adds.
fn write_files(dir: &Path, agent: &Agent) {
    std::fs::create_dir(dir.join("log")).unwrap();
    let log = |name: &str, bytes: &[u8]| std::fs::write(dir.join("log").join(name), bytes).unwrap();
    log("00000000000000000100.log", b"first\r\nsecond\r\n");
    log("00000000000000000100.idx", &[index(100, 1_000, 80, 24), index(107, 2_000, 80, 24)].concat());
    log("00000000000000000115.log", b"third h\xc3\xa9llo\r\n");
    log("00000000000000000115.idx", &[index(115, 3_000, 100, 30), vec![1, 2, 3]].concat());
    symlink("/etc/passwd", dir.join("log/00000000000000000129.log")).unwrap();
    symlink("/dev/zero", dir.join("messages.ndjson.1")).unwrap();
    let mut other = message(agent, "x", "of another agent");
    other.agent_id = "another".parse().unwrap();
    let asked = json!({
        "id": "u1", "agentId": agent.id, "role": "user", "content": "hello", "timestamp": "2026-11-26T10:00:00Z",
        "state": "answered",
    });
    let journal = [
        line(3, EventData::Message { message: message(agent, "m1", "said before it died") }),
        line(4, EventData::Message { message: other }),
        line(5, EventData::Message { message: message(agent, "m2", "its last word") }),
        "{\"seq\": 6, \"event\": \"message\", \"da".to_owned(),
    ];
    std::fs::write(dir.join("journal.ndjson"), journal.concat()).unwrap();
    let asked = format!("{asked}\n{}\n", asked.to_string().replace("hello", "hello again"));
    std::fs::write(dir.join("messages.ndjson"), asked).unwrap();
}

#[tokio::test]
async fn what_lies_on_its_disk_stays_readable() {
    for server_sees_it in [true, false] {
        let mut server = TestServer::new().await;
        let agent = server.ready_agent().await;
        let id = agent.id.clone();
        let files = tempfile::tempdir().unwrap();
        write_files(files.path(), &agent);
        server.backend.files.lock().unwrap().insert(id.clone(), files.path().into());
        let mut events = server.events("0").await;
        for name in ["agent_started", "agent_ready"] {
            assert_eq!(next(&mut events).await.data.name(), name);
        }
        if server_sees_it {
            server.backend.host(&id).die();
        } else {
            server.kill();
            server.backend.host(&id).die();
            server.start().await;
            events = server.events("0").await;
            next(&mut events).await;
            next(&mut events).await;
        }
        let said = |data: &EventData| match data {
            EventData::Message { message } => message.content.clone(),
            other => other.name().to_owned(),
        };
        assert_eq!(said(&next(&mut events).await.data), "said before it died");
        assert_eq!(said(&next(&mut events).await.data), "its last word");
        let stopped = next(&mut events).await.data;
        assert!(
            matches!(&stopped, EventData::AgentStopped { reason, .. } if reason == "host_lost"),
            "{stopped:?}"
        );
        eventually("its host is removed", || server.backend.count() == 0).await;

        for restarted in [false, true] {
            if restarted {
                server.end().await;
                server.start().await;
            }
            let client = server.client();
            let ended = client.get(&id).await.unwrap();
            assert_eq!(
                (ended.status, ended.exit.unwrap().reason.as_str()),
                (AgentStatus::Stopped, "host_lost")
            );
            let logs = client.logs(&id, &LogsQuery::default()).await.unwrap();
            assert_eq!(logs.logs, ["first", "second", "third héllo"]);
            let since = LogsQuery { since: Some("107".into()), ..Default::default() };
            assert_eq!(client.logs(&id, &since).await.unwrap().logs, ["second", "third héllo"]);
            let cast = LogsQuery { format: Some(LogFormat::Asciicast), ..Default::default() };
            let cast: Vec<_> = client.log_stream(&id, &cast).await.unwrap().try_collect().await.unwrap();
            let cast = String::from_utf8(cast.concat()).unwrap();
            let mut lines = cast.lines();
            assert!(lines.next().unwrap().contains("\"width\":80"), "{cast}");
            assert_eq!(lines.next(), Some("[0.0,\"o\",\"first\\r\\n\"]"));
            assert_eq!(lines.next(), Some("[1.0,\"o\",\"second\\r\\n\"]"));
            assert_eq!(lines.next(), Some("[2.0,\"r\",\"100x30\"]"));
            let messages = client.messages(&id, &Default::default()).await.unwrap();
            let said: Vec<&str> = messages.iter().map(|message| message.content.as_str()).collect();
            assert_eq!(said, ["hello again", "said before it died", "its last word"]);
            let screen = client.screen(&id).await.unwrap();
            assert_eq!((screen.lines[2].as_str(), screen.size.cols), ("third héllo", 100));
            assert_eq!(client.metrics(&id).await.unwrap().output_bytes, 129);
        }
    }
}

/// Its files take longer than the event of its end waits.
#[tokio::test]
async fn what_is_saved_after_the_end_was_told_is_told_too() {
    saved_late(false).await;
}

/// And the server that told it is killed meanwhile.
#[tokio::test]
async fn the_next_server_tells_no_second_end() {
    saved_late(true).await;
}

async fn saved_late(is_killed: bool) {
    let mut server = TestServer::new().await;
    let agent = server.ready_agent().await;
    let files = tempfile::tempdir().unwrap();
    let exit = AgentExit::for_reason("lifetime", Time::now());
    let own = Agent { status: AgentStatus::Stopped, exit: Some(exit), ..agent.clone() };
    let journal = [
        line(3, EventData::AgentBusy { agent: Box::new(agent.clone()) }),
        line(4, EventData::Message { message: message(&agent, "m1", "its last word") }),
        line(5, EventData::AgentStopped { agent: Box::new(own), reason: "lifetime".into() }),
    ];
    std::fs::write(files.path().join("journal.ndjson"), journal.concat()).unwrap();
    server.backend.files.lock().unwrap().insert(agent.id.clone(), files.path().into());
    let gate = Arc::new(Semaphore::new(0));
    *server.backend.files_gate.lock().unwrap() = Some(gate.clone());
    let mut events = server.events("0").await;
    for name in ["agent_started", "agent_ready"] {
        assert_eq!(next(&mut events).await.data.name(), name);
    }
    server.backend.host(&agent.id).die();
    let reason = |data: EventData| match data {
        EventData::AgentStopped { reason, .. } => reason,
        other => panic!("{other:?}"),
    };
    assert_eq!(reason(next(&mut events).await.data), "host_lost");
    if is_killed {
        server.kill();
        server.start().await;
        events = server.events("0").await;
        for name in ["agent_started", "agent_ready", "agent_stopped"] {
            assert_eq!(next(&mut events).await.data.name(), name);
        }
    }
    gate.add_permits(1);
    let said = next(&mut events).await.data;
    assert!(
        matches!(&said, EventData::Message { message } if message.content == "its last word"),
        "{said:?}"
    );
    eventually("its host is removed", || server.backend.count() == 0).await;
    let next_one = server.ready_agent().await;
    loop {
        let event = next(&mut events).await.data;
        assert_ne!(event.name(), "agent_stopped", "it ends once: {event:?}");
        if event.agent_id() == Some(&next_one.id) {
            break;
        }
    }
    for restarted in [false, true] {
        if restarted {
            server.end().await;
            server.start().await;
        }
        let ended = server.client().get(&agent.id).await.unwrap();
        assert_eq!((ended.status, ended.exit.unwrap().reason.as_str()), (AgentStatus::Stopped, "lifetime"));
    }
}

/// The database is gone, and the host died meanwhile: its journal says whose it was.
#[tokio::test]
async fn a_dead_host_without_a_row_is_adopted() {
    let mut server = TestServer::new().await;
    let agent = server.ready_agent().await;
    let files = tempfile::tempdir().unwrap();
    write_files(files.path(), &agent);
    let journal = std::fs::read_to_string(files.path().join("journal.ndjson")).unwrap();
    let ready = line(2, EventData::AgentReady { agent: Box::new(agent.clone()) });
    std::fs::write(files.path().join("journal.ndjson"), ready + &journal).unwrap();
    server.backend.files.lock().unwrap().insert(agent.id.clone(), files.path().into());
    server.kill();
    server.backend.host(&agent.id).die();
    eventually("the state can be taken away", || std::fs::remove_dir_all(&server.config.state_dir).is_ok())
        .await;
    server.start().await;
    let ended = server.until(&agent.id, "its end", |agent| agent.status == AgentStatus::Stopped).await;
    assert_eq!(ended.name, agent.name);
    eventually("its host is removed", || server.backend.count() == 0).await;
    let logs = server.client().logs(&agent.id, &LogsQuery::default()).await.unwrap();
    assert_eq!(logs.logs, ["first", "second", "third héllo"]);
}

#[tokio::test]
async fn stopping_a_host_that_does_not_answer_keeps_what_it_wrote() {
    let server = TestServer::new().await;
    let agent = server.ready_agent().await;
    let files = tempfile::tempdir().unwrap();
    write_files(files.path(), &agent);
    server.backend.files.lock().unwrap().insert(agent.id.clone(), files.path().into());
    server.backend.host(&agent.id).die();
    let stopped = server.client().stop(&agent.id, &Default::default()).await.unwrap();
    assert_eq!(stopped.status, AgentStatus::Stopped);
    eventually("its host is removed", || server.backend.count() == 0).await;
    let logs = server.client().logs(&agent.id, &LogsQuery::default()).await.unwrap();
    assert_eq!(logs.logs, ["first", "second", "third héllo"]);
}
