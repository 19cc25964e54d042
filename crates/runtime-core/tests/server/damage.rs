//! Something goes wrong with what is stored; what lies on the disk stays readable.

use std::time::Duration;

use parallax_api::AgentStatus;
use parallax_api::message::MessagesQuery;
use parallax_api::observe::LogsQuery;
use rusqlite::Connection;

use crate::bed::{Bed, eventually, shell};

fn database(bed: &Bed) -> Connection {
    Connection::open(bed.config.state_dir.join("runtime.db")).unwrap()
}

/// An agent that ended and is in the archive.
async fn ended(bed: &Bed, name: &str) -> parallax_api::Agent {
    let agent = bed.client().spawn(&shell(name)).await.unwrap();
    let host = bed.place.host(&agent.id);
    host.print("printed\r\n");
    host.say("said");
    host.exit(0);
    eventually("its host is removed", || bed.place.count() == 0).await;
    agent
}

async fn is_readable(bed: &Bed, agent: &parallax_api::Agent) {
    let client = bed.client();
    assert_eq!(client.get(&agent.id).await.unwrap().status, AgentStatus::Stopped);
    assert_eq!(client.logs(&agent.id, &LogsQuery::default()).await.unwrap().logs, ["printed"]);
    assert_eq!(client.messages(&agent.id, &MessagesQuery::default()).await.unwrap()[0].content, "said");
}

#[tokio::test]
async fn collecting_is_tried_until_it_works() {
    let bed = Bed::new().await;
    let agent = bed.ready_agent().await;
    let host = bed.place.host(&agent.id);
    for n in 0..2_500 {
        host.say(&format!("{n}"));
    }
    host.print("printed\r\n");
    host.fail_logs(8);
    host.exit(0);
    bed.until(&agent.id, "its end", |agent| agent.status == AgentStatus::Stopped).await;
    assert!(bed.place.count() == 1 && !host.released(), "the host waits");
    eventually("its host is removed", || bed.place.count() == 0).await;
    assert!(host.released() && host.failures_left() == 0);
    assert_eq!(bed.client().logs(&agent.id, &LogsQuery::default()).await.unwrap().logs, ["printed"]);
    let (mut since, mut said) = ("1970-01-01T00:00:00Z".to_owned(), vec![]);
    loop {
        let query = MessagesQuery { since: Some(since), limit: Some(1000) };
        let page = bed.client().messages(&agent.id, &query).await.unwrap();
        let Some(last) = page.last() else { break };
        since = last.id.clone();
        said.extend(page.into_iter().map(|message| message.content));
    }
    assert!(said.iter().enumerate().all(|(n, content)| *content == n.to_string()));
    assert_eq!(said.len(), 2_500, "every message, not the first page");
}

#[tokio::test]
async fn a_lost_database_takes_no_archive_with_it() {
    let mut bed = Bed::new().await;
    let agent = ended(&bed, "one").await;
    let damaged = ended(&bed, "two").await;
    bed.end().await;
    for name in ["runtime.db", "runtime.db-wal", "runtime.db-shm"] {
        // Not every one is there.
        let _ = std::fs::remove_file(bed.config.state_dir.join(name));
    }
    let archive = bed.config.state_dir.join("ended").join(damaged.id.as_str());
    std::fs::write(archive.join("agent.json"), "{\"agent\": ").unwrap();
    std::fs::write(archive.join("remains.json"), "garbage").unwrap();
    bed.start().await;
    is_readable(&bed, &agent).await;
    assert_eq!(bed.client().get(&agent.id).await.unwrap().name, "one");
    // Of the other the output is whole, and the damaged file is still there for people.
    let logs = bed.client().logs(&damaged.id, &LogsQuery::default()).await.unwrap();
    assert_eq!(logs.logs, ["printed"]);
    assert_eq!(std::fs::read(archive.join("remains.damaged")).unwrap(), b"garbage");
}

#[tokio::test]
async fn one_bad_row_costs_at_most_its_agent() {
    let mut bed = Bed::new().await;
    let whole = ended(&bed, "whole").await;
    let later = ended(&bed, "later").await;
    let broken = ended(&bed, "broken").await;
    let alive = bed.ready_agent().await;
    bed.end().await;
    let change = |sql: &str, id: &parallax_api::AgentId| {
        assert_eq!(database(&bed).execute(sql, [id.as_str()]).unwrap(), 1);
    };
    change(
        "UPDATE agents SET agent = replace(agent, '\"stopped\"', '\"hibernating\"') WHERE id = ?",
        &later.id,
    );
    change("UPDATE agents SET agent = substr(agent, 1, 40) WHERE id = ?", &broken.id);
    change("UPDATE agents SET agent = 'x' WHERE id = ?", &alive.id);
    bed.start().await;
    for agent in [&whole, &later, &broken] {
        is_readable(&bed, agent).await;
    }
    assert_eq!(bed.client().get(&later.id).await.unwrap().name, "later");
    assert_eq!(bed.client().get(&broken.id).await.unwrap().name, "broken", "the archive knows it");
    let alive = bed.client().get(&alive.id).await.unwrap();
    assert_eq!(alive.status, AgentStatus::Ready, "its host knows it");
}

/// The wall clock was wrong when the agent ended, or jumps now: the agent stays for the time that it was to stay.
#[tokio::test]
async fn a_clock_that_jumps_purges_nobody() {
    let mut bed = Bed::with(|config| config.keep.time = Duration::from_secs(3600)).await;
    let agent = ended(&bed, "one").await;
    bed.end().await;
    let exit = "UPDATE agents SET agent = json_set(agent, '$.exit.at', '2001-01-01T00:00:00Z') WHERE id = ?";
    assert_eq!(database(&bed).execute(exit, [agent.id.as_str()]).unwrap(), 1);
    bed.start().await;
    is_readable(&bed, &agent).await;
    // Another agent's end is when ended agents are purged.
    ended(&bed, "two").await;
    is_readable(&bed, &agent).await;
}
