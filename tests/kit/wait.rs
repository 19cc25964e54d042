//! Bounded waits. Every one says what it waited for.

use std::time::Duration;

use tokio::time::Instant;

/// How long a test waits for something that normally takes well under a second; a loaded machine needs the rest.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// The least time between two looks of [`until`].
const PAUSE: Duration = Duration::from_millis(20);

/// What `future` gives, within `limit`. Panics, naming `what`, when it does not come.
#[track_caller]
pub fn within<T>(what: &str, limit: Duration, future: impl Future<Output = T>) -> impl Future<Output = T> {
    let caller = std::panic::Location::caller();
    async move {
        match tokio::time::timeout(limit, future).await {
            Ok(value) => value,
            Err(_) => panic!("waited {limit:?} in vain for {what} ({caller})"),
        }
    }
}

/// Polls `look` until it finds something, within `limit`. For what has no event (a process that is
/// gone, a file that appears); what has events is awaited with [`within`]. It rests for as long as a look took: one that starts
/// `kubectl` would keep the cores from what it waits for. Panics, naming `what` and what was last seen, when it does not come.
pub async fn until<T, E: std::fmt::Debug>(
    what: &str,
    limit: Duration,
    mut look: impl AsyncFnMut() -> Result<T, E>,
) -> T {
    let deadline = Instant::now() + limit;
    loop {
        let began = Instant::now();
        match look().await {
            Ok(found) => return found,
            Err(seen) if Instant::now() >= deadline => {
                panic!("waited {limit:?} in vain for {what}; last seen: {seen:?}")
            }
            Err(_) => tokio::time::sleep(began.elapsed().max(PAUSE)).await,
        }
    }
}
