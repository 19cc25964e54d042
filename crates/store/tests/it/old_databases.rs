//! Databases of earlier and of later versions.

use parallax_api::execution::ExecutionStatus;
use parallax_store::sqlite::{open_control_plane, open_runtime};
use parallax_store::{KeyState, RunFilter, SourcePosition};

use crate::fixture::{CONTROL_PLANE, RUNTIME, directory, set_aside};

/// The request of the keys in the fixtures.
const DIGEST: [u8; 32] = [
    0x1f, 0x58, 0xb9, 0x14, 0x5b, 0x24, 0xd1, 0x08, 0xd7, 0xac, 0x38, 0x88, 0x73, 0x38, 0xb3, 0xea, 0x32,
    0x29, 0x83, 0x3b, 0x9c, 0x1e, 0x41, 0x82, 0x50, 0x34, 0x3f, 0x90, 0x7b, 0xfd, 0x10, 0x47,
];

#[tokio::test]
async fn a_control_plane_takes_over_everything() {
    let dir = directory("control-plane.db", CONTROL_PLANE);
    let stores = open_control_plane(dir.path()).await.unwrap();
    assert_eq!(stores.health.status(), None);
    let head = stores.events.head().await.unwrap();
    assert_eq!((head.epoch.as_str(), head.seq), ("0a1b2c3d4e5f", 60));
    let page = stores.events.page(0, None).await.unwrap();
    assert_eq!((page.floor, page.events.len(), page.events[0].seq), (3, 57, 4));
    let position = stores.events.position("local").await.unwrap();
    assert_eq!(position, Some(SourcePosition::Cursor("ffeeddccbbaa-57".into())));
    assert_eq!(stores.published.of("local").await.unwrap().len(), 3);
    let open = "0193a000-0000-7000-8000-000000000002";
    assert_eq!(stores.attempts.pending(open).await.unwrap().as_deref(), Some("local"));
    assert_eq!(stores.idempotency.claim("open", DIGEST, "new").await.unwrap(), KeyState::Open(open.into()));
    let done = stores.idempotency.claim("done", DIGEST, "new").await.unwrap();
    let KeyState::Done { outcome, .. } = done else { panic!("{done:?}") };
    assert!(outcome.contains("/api/agents/agent1"));
    assert!(stores.patterns.get("review").await.unwrap().is_some());
    let runs = stores.runs.list(RunFilter { limit: 10, ..RunFilter::default() }).await.unwrap();
    let runs: Vec<_> = runs.iter().map(|run| (run.id.as_str(), run.status)).collect();
    assert_eq!(runs, [("run2", ExecutionStatus::Running), ("run1", ExecutionStatus::Completed)]);
    assert_eq!(stores.runs.events("run1", 0, 10).await.unwrap().len(), 2);
    assert_eq!(stores.runs.unfinished().await.unwrap()[0].id, "run2");
}

#[tokio::test]
async fn a_runtime_takes_over_everything() {
    let dir = directory("runtime.db", RUNTIME);
    let stores = open_runtime(dir.path()).await.unwrap();
    let agents = stores.agents.all().await.unwrap();
    let agents: Vec<_> = agents.iter().map(|row| (row.agent.id.as_str(), row.launched)).collect();
    assert_eq!(agents, [("agent1", true), ("agent2", true), ("agent3", true), ("agent4", false)]);
    assert_eq!(stores.events.position("agent1").await.unwrap(), Some(SourcePosition::Seq(20)));
    assert_eq!(stores.events.page(0, None).await.unwrap().events.len(), 57);
    assert_eq!(stores.health.status(), None);
}

#[tokio::test]
async fn a_newer_database_is_copied_and_set_aside() {
    let dir = directory("runtime.db", RUNTIME);
    let path = dir.path().join("runtime.db");
    let newer = rusqlite::Connection::open(&path).unwrap();
    newer
        .execute_batch(
            "ALTER TABLE agents ADD COLUMN future TEXT; CREATE TABLE more (a TEXT);
             UPDATE parts SET version = 9 WHERE name = 'main';",
        )
        .unwrap();
    newer.close().unwrap();
    let stores = open_runtime(dir.path()).await.unwrap();
    assert_eq!(stores.agents.all().await.unwrap().len(), 4);
    assert_eq!(stores.events.page(0, None).await.unwrap().events.len(), 57);
    // Nothing is lost, so ids stay good.
    assert_eq!(stores.events.head().await.unwrap().epoch, "0a1b2c3d4e5f");
    let damaged = stores.health.status().unwrap().damaged;
    assert!(damaged[0].contains("version 9"), "{damaged:?}");
    let aside = set_aside(dir.path());
    let kept = rusqlite::Connection::open(&aside[0]).unwrap();
    let version: i64 =
        kept.query_row("SELECT version FROM parts WHERE name = 'main'", [], |row| row.get(0)).unwrap();
    assert_eq!((aside.len(), version), (1, 9));
}
