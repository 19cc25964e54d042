//! How long keys and attempts are kept: by running time, not by the wall clock.

use std::time::Duration;

use parallax_store::KeyState;
use parallax_store::sqlite::open_control_plane;

use crate::fixture::{CONTROL_PLANE, directory};

async fn key(stores: &parallax_store::ControlPlaneStores, key: &str, id: &str) -> KeyState {
    stores.idempotency.claim(key, [1; 32], id).await.unwrap()
}

/// The keys in the fixture carry a time in the far future, as after a clock that jumped and was set right, and others one
/// of 1970.
#[tokio::test]
async fn a_wall_clock_that_jumps_forgets_nothing() {
    let dir = directory("control-plane.db", CONTROL_PLANE);
    let stores = open_control_plane(dir.path()).await.unwrap();
    key(&stores, "mine", "first").await;
    stores.attempts.begin("first", "local").await.unwrap();
    drop(stores);
    for at in ["0", "99999999999999"] {
        // Opened by itself once before, so that the server has let go of the file.
        drop(open_control_plane(dir.path()).await.unwrap());
        let lock = std::fs::File::open(dir.path().join("lock")).unwrap();
        while lock.try_lock().is_err() {
            tokio::task::yield_now().await;
        }
        let db = rusqlite::Connection::open(dir.path().join("control-plane.db")).unwrap();
        db.execute_batch(&format!("UPDATE idempotency SET at = {at}; UPDATE spawn_attempts SET at = {at}"))
            .unwrap();
        db.close().unwrap();
        drop(lock);
        let stores = open_control_plane(dir.path()).await.unwrap();
        key(&stores, &format!("new {at}"), "second").await;
        stores.attempts.begin("second", "local").await.unwrap();
        assert_eq!(key(&stores, "mine", "third").await, KeyState::Open("first".into()));
        assert_eq!(stores.attempts.pending("first").await.unwrap().as_deref(), Some("local"));
    }
}

#[tokio::test]
async fn a_key_is_forgotten_after_a_day_of_running() {
    let dir = tempfile::tempdir().unwrap();
    let stores = open_control_plane(dir.path()).await.unwrap();
    tokio::time::pause();
    assert_eq!(key(&stores, "old", "a").await, KeyState::Open("a".into()));
    tokio::time::advance(Duration::from_secs(23 * 60 * 60)).await;
    assert_eq!(key(&stores, "newer", "b").await, KeyState::Open("b".into()));
    assert_eq!(key(&stores, "old", "c").await, KeyState::Open("a".into()));
    tokio::time::advance(Duration::from_secs(2 * 60 * 60)).await;
    // A new key is what makes the old ones go.
    key(&stores, "newest", "d").await;
    assert_eq!(key(&stores, "old", "e").await, KeyState::Open("e".into()));
    assert_eq!(key(&stores, "newer", "f").await, KeyState::Open("b".into()));
}
