//! One server per state directory.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use parallax_store::sqlite::{open_control_plane, open_runtime};

#[tokio::test]
async fn a_second_server_is_told_who_has_the_directory() {
    let dir = tempfile::tempdir().unwrap();
    let first = open_runtime(dir.path()).await.unwrap();
    let error = open_runtime(dir.path()).await.unwrap_err().to_string();
    assert!(error.contains(&std::process::id().to_string()) && error.contains("--state-dir"), "{error}");
    drop(first);
    open_runtime(dir.path()).await.unwrap();
}

#[tokio::test]
async fn what_was_written_is_there_again_for_its_owner_only() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("state/here");
    let stores = open_control_plane(&dir).await.unwrap();
    stores.patterns.put("a", "name: a", false, 10).await.unwrap();
    drop(stores);
    let stores = open_control_plane(&dir).await.unwrap();
    assert_eq!(stores.patterns.get("a").await.unwrap().unwrap().source, "name: a");
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir), 0o700);
    assert_eq!(mode(&dir.join("control-plane.db")), 0o600);
}

#[tokio::test]
async fn after_the_machine_went_down_event_ids_are_new() {
    let dir = tempfile::tempdir().unwrap();
    let epoch = async || open_runtime(dir.path()).await.unwrap().events.head().await.unwrap().epoch;
    let first = epoch().await;
    assert_eq!(epoch().await, first);
    // Another server opens only when the last one let go: the mark is gone by then.
    let lock = std::fs::File::open(dir.path().join("lock")).unwrap();
    while lock.try_lock().is_err() {
        tokio::task::yield_now().await;
    }
    let mark = dir.path().join("runtime.boot");
    assert!(!mark.exists());
    std::fs::write(&mark, "another boot\n").unwrap();
    drop(lock);
    assert_ne!(epoch().await, first);
}
