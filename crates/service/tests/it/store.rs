//! One server per state directory; what was committed is there again.

use std::os::unix::fs::PermissionsExt;

use parallax_service::store::{Store, StoreError};

const ONE: &[&str] = &["CREATE TABLE words (word TEXT)"];
const TWO: &[&str] = &["CREATE TABLE words (word TEXT)", "ALTER TABLE words ADD COLUMN length INTEGER"];

async fn words(store: &Store) -> i64 {
    store.with(|db| db.query_row("SELECT count(*) FROM words", [], |row| row.get(0))).await.unwrap()
}

#[tokio::test]
async fn what_was_written_is_there_again_after_migrations() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("state/here");
    let store = Store::open(&dir, "test", ONE).await.unwrap();
    store.with(|db| db.execute("INSERT INTO words VALUES ('a')", [])).await.unwrap();
    drop(store);
    let store = Store::open(&dir, "test", TWO).await.unwrap();
    assert_eq!(words(&store).await, 1);
    store.with(|db| db.execute("INSERT INTO words VALUES ('b', 1)", [])).await.unwrap();
    drop(store);
    let error = Store::open(&dir, "test", ONE).await.unwrap_err();
    assert!(matches!(error, StoreError::Newer { found: 2, known: 1, .. }), "{error}");
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir), 0o700);
    assert_eq!(mode(&dir.join("test.db")), 0o600);
}

#[tokio::test]
async fn a_second_server_is_told_who_has_the_directory() {
    let dir = tempfile::tempdir().unwrap();
    let first = Store::open(dir.path(), "test", ONE).await.unwrap();
    let error = Store::open(dir.path(), "test", ONE).await.unwrap_err().to_string();
    assert!(error.contains(&std::process::id().to_string()) && error.contains("--state-dir"), "{error}");
    drop(first);
    Store::open(dir.path(), "test", ONE).await.unwrap();
}

#[tokio::test]
async fn work_that_fails_leaves_nothing_and_harms_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), "test", ONE).await.unwrap();
    let failed = store
        .with(|db| {
            db.execute("INSERT INTO words VALUES ('a')", [])?;
            db.execute("INSERT INTO nowhere VALUES ('a')", [])
        })
        .await;
    assert!(matches!(failed, Err(StoreError::Sqlite(_))));
    let panicked = store
        .with(|db| {
            db.execute("INSERT INTO words VALUES ('a')", [])?;
            if true {
                panic!("a bug");
            }
            Ok(())
        })
        .await;
    assert!(matches!(panicked, Err(StoreError::Stopped)));
    assert_eq!(words(&store).await, 0);
}
