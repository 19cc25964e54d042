//! Damaged databases: the store opens with what is whole, says what is not, and deletes nothing.

use std::path::Path;

use parallax_api::{EventData, Time};
use parallax_store::sqlite::{open_control_plane, open_runtime};
use parallax_store::{EventBatch, EventRow, WrittenEvent};

use crate::fixture::{CONTROL_PLANE, RUNTIME, directory, set_aside};

/// A generator that gives the same numbers on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).unwrap()
    }
}

fn reset(seq: u64) -> EventRow {
    let data = EventData::Reset { reason: "x".repeat(2000) };
    EventRow { seq, event: WrittenEvent::new(data).into(), at: Time::from_millis(1) }
}

fn batch(rows: Vec<EventRow>) -> EventBatch {
    EventBatch { rows, keep_events: 100_000, keep_bytes: 1 << 30, ..EventBatch::default() }
}

#[tokio::test]
async fn one_row_that_cannot_be_read_costs_itself() {
    let dir = directory("runtime.db", RUNTIME);
    let db = rusqlite::Connection::open(dir.path().join("runtime.db")).unwrap();
    db.execute_batch(
        "UPDATE agents SET agent = replace(agent, '\"name\"', '\"nom\"') WHERE id = 'agent3';
         UPDATE agents SET agent = '' WHERE id = 'agent2';
         UPDATE events SET data = CAST(x'ff00' AS TEXT) WHERE seq = 30;",
    )
    .unwrap();
    db.close().unwrap();
    let stores = open_runtime(dir.path()).await.unwrap();
    let agents = stores.agents.all().await.unwrap();
    let ids: Vec<_> = agents.iter().map(|row| row.agent.id.as_str()).collect();
    assert_eq!(ids, ["agent1", "agent4"]);
    assert_eq!(stores.events.page(0, None).await.unwrap().events.len(), 56);
    let damaged = stores.health.status().unwrap().damaged.join("\n");
    for part in ["agent2", "agent3", "event 30"] {
        assert!(damaged.contains(part), "{part} in {damaged}");
    }
    // The rows are left for a program that can read them.
    drop(stores);
    let db = rusqlite::Connection::open(dir.path().join("runtime.db")).unwrap();
    let rows: i64 = db.query_row("SELECT count(*) FROM agents", [], |row| row.get(0)).unwrap();
    assert_eq!((rows, set_aside(dir.path()).len()), (4, 0));
}

#[tokio::test]
async fn a_file_that_is_no_database_is_set_aside() {
    for content in [&b"not a database, but longer than its header would be........................................................"[..], &RUNTIME[..100], &RUNTIME[..5000]] {
        let dir = directory("runtime.db", content);
        let stores = open_runtime(dir.path()).await.unwrap();
        stores.agents.all().await.unwrap();
        stores.events.append(batch(vec![reset(1000)])).await.unwrap();
        let aside = set_aside(dir.path());
        assert_eq!(aside.len(), 1);
        assert_eq!(std::fs::read(&aside[0]).unwrap(), content);
        assert!(stores.health.status().unwrap().damaged[0].contains("set aside"));
    }
}

#[tokio::test]
async fn an_empty_file_is_a_new_database() {
    let dir = directory("runtime.db", b"");
    let stores = open_runtime(dir.path()).await.unwrap();
    assert_eq!((stores.health.status(), set_aside(dir.path()).len()), (None, 0));
}

#[tokio::test]
async fn what_surrounds_a_damaged_page_is_read() {
    let dir = directory("runtime.db", b"");
    std::fs::remove_file(dir.path().join("runtime.db")).unwrap();
    let stores = open_runtime(dir.path()).await.unwrap();
    let epoch = stores.events.head().await.unwrap().epoch;
    stores.events.append(batch((1..=300).map(reset).collect())).await.unwrap();
    drop(stores);
    // Wait for the file to be closed: the lock is free then.
    drop(open_runtime(dir.path()).await.unwrap());
    wait_for_close(dir.path()).await;
    let path = dir.path().join("runtime.db");
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 4096].fill(0xa5);
    std::fs::write(&path, &bytes).unwrap();
    let stores = open_runtime(dir.path()).await.unwrap();
    let mut seqs = Vec::new();
    loop {
        let page = stores.events.page(seqs.last().copied().unwrap_or_default(), None).await.unwrap();
        seqs.extend(page.events.iter().map(|row| row.seq));
        if page.events.is_empty() || page.reached >= page.head {
            break;
        }
    }
    assert!(seqs.len() >= 280 && seqs.contains(&1) && seqs.contains(&300), "{} events", seqs.len());
    assert_eq!(std::fs::read(&set_aside(dir.path())[0]).unwrap(), bytes);
    // Numbers that were given out before may come again: ids must not.
    assert_ne!(stores.events.head().await.unwrap().epoch, epoch);
}

/// Waits until no server has the directory.
async fn wait_for_close(dir: &Path) {
    let lock = std::fs::File::open(dir.join("lock")).unwrap();
    while lock.try_lock().is_err() {
        tokio::task::yield_now().await;
    }
}

/// Bytes changed, pages overwritten, tails cut, at random places: a server starts, reads what there is, and writes.
#[tokio::test]
async fn random_damage_never_keeps_a_server_from_starting() {
    for seed in 1..=60_u64 {
        // Shown when the test fails: this seed is the one.
        eprintln!("seed {seed}");
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut bytes = CONTROL_PLANE.to_vec();
        match seed % 4 {
            0 => bytes.truncate(random.below(bytes.len())),
            1 => {
                for _ in 0..=random.below(40) {
                    let at = random.below(bytes.len());
                    bytes[at] = bytes[at].wrapping_add(1 + u8::try_from(random.below(254)).unwrap());
                }
            }
            2 => {
                let (from, length) = (random.below(bytes.len()), 1 + random.below(8192));
                let until = (from + length).min(bytes.len());
                bytes[from..until]
                    .iter_mut()
                    .for_each(|byte| *byte = u8::try_from(random.below(256)).unwrap());
            }
            _ => {
                let page = random.below(bytes.len() / 4096) * 4096;
                bytes[page..page + 4096].fill(0);
            }
        }
        let dir = directory("control-plane.db", &bytes);
        let stores = open_control_plane(dir.path()).await.unwrap();
        stores.published.all().await.unwrap();
        stores.patterns.list().await.unwrap();
        for run in stores.runs.unfinished().await.unwrap() {
            stores.runs.events(&run.id, 0, 100).await.unwrap();
        }
        stores.idempotency.claim("new", [7; 32], "id").await.unwrap();
        let head = stores.events.head().await.unwrap();
        stores.events.page(0, None).await.unwrap();
        stores.events.append(batch(vec![reset(head.seq + 1)])).await.unwrap();
        if let Some(aside) = set_aside(dir.path()).first() {
            assert!(std::fs::read(aside).unwrap() == bytes, "seed {seed}: the damaged file was changed");
            assert!(stores.health.status().is_some(), "seed {seed}: damage was not reported");
        }
    }
}

/// A file that is damaged under a running server costs the call that finds it, and is replaced.
#[tokio::test]
async fn damage_that_shows_later_is_repaired_while_running() {
    let dir = tempfile::tempdir().unwrap();
    let stores = open_runtime(dir.path()).await.unwrap();
    for hundred in 0..40 {
        stores.events.append(batch((1..=100).map(|n| reset(hundred * 100 + n)).collect())).await.unwrap();
    }
    let path = dir.path().join("runtime.db");
    // What is in the database file is no longer read from the write-ahead log.
    let checkpoint = rusqlite::Connection::open(&path).unwrap();
    checkpoint.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    checkpoint.close().unwrap();
    let length = path.metadata().unwrap().len();
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    let garbage = vec![0xa5; 64 * 4096];
    std::os::unix::fs::FileExt::write_all_at(&file, &garbage, length / 2 / 4096 * 4096).unwrap();
    let (mut failed, mut seqs): (usize, Vec<u64>) = (0, Vec::new());
    loop {
        match stores.events.page(seqs.last().copied().unwrap_or_default(), None).await {
            Ok(page) => {
                seqs.extend(page.events.iter().map(|row| row.seq));
                if page.events.is_empty() || page.reached >= page.head {
                    break;
                }
            }
            Err(_) => failed += 1,
        }
        assert!(failed < 3, "the database was not repaired");
    }
    assert_eq!(failed, 1);
    assert!(seqs.len() > 3000 && seqs.contains(&1) && seqs.contains(&4000), "{} events", seqs.len());
    assert_eq!(set_aside(dir.path()).len(), 1);
    stores.events.append(batch(vec![reset(5000)])).await.unwrap();
    assert!(stores.health.status().unwrap().damaged[0].contains("set aside"));
}
