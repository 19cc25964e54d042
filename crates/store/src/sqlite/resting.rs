//! What a database keeps of its file in memory, up to 2 MB: pages that the next call may need. Some time after the last call nobody does, and
//! the system has read them, too.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc};

use super::database::Work;

/// How long after a call they go; calls that never pause have them go as often. Less than a server waits before it gives back what is free.
const PAUSE: Duration = Duration::from_secs(3);

/// Has the thread give back pages a while after `worked` was notified. Ends with the database.
pub(super) async fn give_back_pages(work_tx: mpsc::WeakSender<Work>, worked: Arc<Notify>) {
    loop {
        worked.notified().await;
        tokio::time::sleep(PAUSE).await;
        // Not held while waiting: the database ends with its last user.
        let Some(sender) = work_tx.upgrade() else { return };
        let rest: Work = Box::new(|opened| {
            if let Err(error) = opened.connection.release_memory() {
                tracing::debug!(%error, "the database keeps its pages in memory");
            }
        });
        if sender.send(rest).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pages_go_once_after_work() {
        let (work_tx, mut work_rx) = mpsc::channel(1);
        let worked = Arc::new(Notify::new());
        let resting = tokio::spawn(give_back_pages(work_tx.downgrade(), worked.clone()));
        worked.notify_one();
        tokio::time::sleep(PAUSE / 2).await;
        assert!(work_rx.try_recv().is_err(), "the next call may need them");
        tokio::time::sleep(PAUSE).await;
        assert!(work_rx.try_recv().is_ok());
        tokio::time::sleep(PAUSE * 10).await;
        assert!(work_rx.try_recv().is_err(), "nothing wakes a database that nobody asks");
        worked.notify_one();
        assert!(work_rx.recv().await.is_some());
        drop(work_tx);
        worked.notify_one();
        resting.await.unwrap();
    }
}
