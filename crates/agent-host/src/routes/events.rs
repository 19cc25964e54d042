//! `GET /events`: the agent's events by sequence number, as lines of JSON.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::Stream;
use parallax_api::Agent;
use parallax_api::host::HostLine;
use serde::Deserialize;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::host::Host;
use crate::journal::Journal;

/// Events read from the journal at once.
const BATCH: usize = 256;
/// How often a silent stream sends `alive`: it is all that wakes an idle host. Servers wait 30 s for it, also older ones.
const ALIVE_INTERVAL: Duration = Duration::from_secs(20);

/// Where to resume.
#[derive(Deserialize)]
pub struct Since {
    /// The last sequence number that the reader has.
    #[serde(default)]
    since: u64,
}

/// Every kept event after `since`, then each as it comes; the agent as it is, first and whenever it changes.
pub async fn events(State(host): State<Host>, Query(Since { since }): Query<Since>) -> Response {
    let follower = Follower {
        journal: host.session.journal().clone(),
        head_rx: host.session.journal().head(),
        agent_rx: host.session.agent_changes(),
        released: host.released.clone(),
        since,
        sent_state: false,
    };
    ([(CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(follower.lines())).into_response()
}

struct Follower {
    journal: Journal,
    head_rx: watch::Receiver<u64>,
    agent_rx: watch::Receiver<Agent>,
    released: CancellationToken,
    since: u64,
    sent_state: bool,
}

impl Follower {
    fn lines(self) -> impl Stream<Item = Result<Bytes, std::convert::Infallible>> {
        futures::stream::unfold(self, |mut follower| async move {
            let lines = follower.next().await?;
            Some((Ok(write(&lines)), follower))
        })
    }

    async fn next(&mut self) -> Option<Vec<HostLine>> {
        if !self.sent_state {
            self.sent_state = true;
            let agent = Box::new(self.agent_rx.borrow_and_update().clone());
            return Some(vec![HostLine::State { agent }]);
        }
        loop {
            // Marked as seen before the journal is read: an event appended in between wakes the loop again.
            self.head_rx.mark_unchanged();
            let (events, gap) = self.journal.after(self.since, BATCH);
            if let Some(oldest) = gap {
                self.since = oldest - 1;
                return Some(vec![HostLine::Gap { oldest }]);
            }
            if let Some(last) = events.last() {
                self.since = last.seq;
                return Some(events.into_iter().map(HostLine::Event).collect());
            }
            tokio::select! {
                changed = self.head_rx.changed() => changed.ok()?,
                changed = self.agent_rx.changed() => {
                    changed.ok()?;
                    let agent = Box::new(self.agent_rx.borrow_and_update().clone());
                    return Some(vec![HostLine::State { agent }]);
                }
                () = self.released.cancelled() => return None,
                () = tokio::time::sleep(ALIVE_INTERVAL) => return Some(vec![HostLine::Alive { alive: true }]),
            }
        }
    }
}

fn write(lines: &[HostLine]) -> Bytes {
    let mut bytes = Vec::new();
    for line in lines {
        serde_json::to_writer(&mut bytes, line).expect("wire types are JSON");
        bytes.push(b'\n');
    }
    bytes.into()
}
