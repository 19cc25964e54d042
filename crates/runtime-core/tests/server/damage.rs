//! Something goes wrong with what is stored; what lies on the disk stays readable.

use std::time::Duration;

use parallax_api::AgentStatus;
use parallax_api::message::MessagesQuery;
use parallax_api::observe::LogsQuery;
use rusqlite::Connection;

use crate::server::{TestServer, eventually, shell};

fn database(server: &TestServer) -> Connection {
    Connection::open(server.config.state_dir.join("runtime.db")).unwrap()
}

/// An agent that ended and is in the archive.
async fn ended(server: &TestServer, name: &str) -> parallax_api::Agent {
    let agent = server.client().spawn(&shell(name)).await.unwrap();
    let host = server.backend.host(&agent.id);
    host.print("printed\r\n");
    host.say("said");
    host.exit(0);
    eventually("its host is removed", || server.backend.count() == 0).await;
    agent
}

async fn is_readable(server: &TestServer, agent: &parallax_api::Agent) {
    let client = server.client();
    assert_eq!(client.get(&agent.id).await.unwrap().status, AgentStatus::Stopped);
    assert_eq!(client.logs(&agent.id, &LogsQuery::default()).await.unwrap().logs, ["printed"]);
    assert_eq!(client.messages(&agent.id, &MessagesQuery::default()).await.unwrap()[0].content, "said");
}

#[tokio::test]
async fn collecting_is_tried_until_it_works() {
    let server = TestServer::new().await;
    let agent = server.ready_agent().await;
    let host = server.backend.host(&agent.id);
    for n in 0..2_500 {
        host.say(&format!("{n}"));
    }
    host.print("printed\r\n");
    host.fail_logs(8);
    host.exit(0);
    server.until(&agent.id, "its end", |agent| agent.status == AgentStatus::Stopped).await;
    assert!(server.backend.count() == 1 && !host.released(), "the host waits");
    eventually("its host is removed", || server.backend.count() == 0).await;
    assert!(host.released() && host.failures_left() == 0);
    assert_eq!(server.client().logs(&agent.id, &LogsQuery::default()).await.unwrap().logs, ["printed"]);
    let (mut since, mut said) = ("1970-01-01T00:00:00Z".to_owned(), vec![]);
    loop {
        let query = MessagesQuery { since: Some(since), limit: Some(1000) };
        let page = server.client().messages(&agent.id, &query).await.unwrap();
        let Some(last) = page.last() else { break };
        since = last.id.clone();
        said.extend(page.into_iter().map(|message| message.content));
    }
    assert!(said.iter().enumerate().all(|(n, content)| *content == n.to_string()));
    assert_eq!(said.len(), 2_500, "every message, not the first page");
}

#[tokio::test]
async fn a_lost_database_takes_no_archive_with_it() {
    let mut server = TestServer::new().await;
    let agent = ended(&server, "one").await;
    let damaged = ended(&server, "two").await;
    server.end().await;
    for name in ["runtime.db", "runtime.db-wal", "runtime.db-shm"] {
        // Not every one is there.
        let _ = std::fs::remove_file(server.config.state_dir.join(name));
    }
    let archive = server.config.state_dir.join("ended").join(damaged.id.as_str());
    std::fs::write(archive.join("agent.json"), "{\"agent\": ").unwrap();
    std::fs::write(archive.join("remains.json"), "garbage").unwrap();
    server.start().await;
    is_readable(&server, &agent).await;
    assert_eq!(server.client().get(&agent.id).await.unwrap().name, "one");
    // Of the other the output is whole, and the damaged file is still there for people.
    let logs = server.client().logs(&damaged.id, &LogsQuery::default()).await.unwrap();
    assert_eq!(logs.logs, ["printed"]);
    assert_eq!(std::fs::read(archive.join("remains.damaged")).unwrap(), b"garbage");
}

#[tokio::test]
async fn one_bad_row_costs_at_most_its_agent() {
    let mut server = TestServer::new().await;
    let whole = ended(&server, "whole").await;
    let later = ended(&server, "later").await;
    let broken = ended(&server, "broken").await;
    let alive = server.ready_agent().await;
    server.end().await;
    let change = |sql: &str, id: &parallax_api::AgentId| {
        assert_eq!(database(&server).execute(sql, [id.as_str()]).unwrap(), 1);
    };
    change(
        "UPDATE agents SET agent = replace(agent, '\"stopped\"', '\"hibernating\"') WHERE id = ?",
        &later.id,
    );
    change("UPDATE agents SET agent = substr(agent, 1, 40) WHERE id = ?", &broken.id);
    change("UPDATE agents SET agent = 'x' WHERE id = ?", &alive.id);
    server.start().await;
    for agent in [&whole, &later, &broken] {
        is_readable(&server, agent).await;
    }
    assert_eq!(server.client().get(&later.id).await.unwrap().name, "later");
    assert_eq!(server.client().get(&broken.id).await.unwrap().name, "broken", "the archive knows it");
    let alive = server.client().get(&alive.id).await.unwrap();
    assert_eq!(alive.status, AgentStatus::Ready, "its host knows it");
}

/// The wall clock was wrong when the agent ended, or jumps now: the agent stays for the time that it was to stay.
#[tokio::test]
async fn a_clock_that_jumps_purges_nobody() {
    let mut server = TestServer::with(|config| config.keep.time = Duration::from_secs(3600)).await;
    let agent = ended(&server, "one").await;
    server.end().await;
    let exit = "UPDATE agents SET agent = json_set(agent, '$.exit.at', '2001-01-01T00:00:00Z') WHERE id = ?";
    assert_eq!(database(&server).execute(exit, [agent.id.as_str()]).unwrap(), 1);
    server.start().await;
    is_readable(&server, &agent).await;
    // Another agent's end is when ended agents are purged.
    ended(&server, "two").await;
    is_readable(&server, &agent).await;
}
