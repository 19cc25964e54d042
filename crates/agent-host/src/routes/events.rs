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
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::host::Host;
use crate::journal::{Journal, JournalLine};

/// Events read from the journal at once.
const BATCH: usize = 256;
/// The least time between two pieces of the journal: what comes in quick succession goes out together, and costs every server on the
/// way one read, one transaction and one wake-up. An event after a pause is not held up.
const PACE: Duration = Duration::from_millis(5);
/// How often a stream without news sends `alive` to a reader that did not ask for silence. Servers wait 30 s for it, also older ones.
const ALIVE_INTERVAL: Duration = Duration::from_secs(20);

/// Where to resume, and how.
#[derive(Deserialize)]
pub struct Following {
    /// The last sequence number that the reader has.
    #[serde(default)]
    since: u64,
    /// Say nothing when there is nothing new: the reader is on this machine, where a connection ends with the process at its other end. An
    /// idle host is woken by nothing then.
    #[serde(default)]
    quiet: bool,
}

/// Every kept event after `since`, then each as it comes; the agent as it is, first and whenever it changes.
pub async fn events(State(host): State<Host>, Query(following): Query<Following>) -> Response {
    let Following { since, quiet } = following;
    let follower = Follower {
        journal: host.session.journal().clone(),
        head_rx: host.session.journal().head(),
        agent_rx: host.session.agent_changes(),
        released: host.released.clone(),
        since,
        alive_every: (!quiet).then_some(ALIVE_INTERVAL),
        sent_state: false,
        sent_at: None,
    };
    ([(CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(follower.lines())).into_response()
}

struct Follower {
    journal: Journal,
    head_rx: watch::Receiver<u64>,
    agent_rx: watch::Receiver<Agent>,
    released: CancellationToken,
    since: u64,
    /// How often a stream without news says that it lives.
    alive_every: Option<Duration>,
    sent_state: bool,
    /// When a piece of the journal was sent last.
    sent_at: Option<Instant>,
}

impl Follower {
    fn lines(self) -> impl Stream<Item = Result<Bytes, std::convert::Infallible>> {
        futures::stream::unfold(self, |mut follower| async move {
            let lines = follower.next().await?;
            Some((Ok(lines), follower))
        })
    }

    fn state(&mut self) -> Bytes {
        let agent = Box::new(self.agent_rx.borrow_and_update().clone());
        write(&HostLine::State { agent })
    }

    /// Whole lines.
    async fn next(&mut self) -> Option<Bytes> {
        if !self.sent_state {
            self.sent_state = true;
            return Some(self.state());
        }
        loop {
            // Marked as seen before the journal is read: an event appended in between wakes the loop again.
            self.head_rx.mark_unchanged();
            let (lines, gap) = self.journal.after(self.since, BATCH);
            if let Some(oldest) = gap {
                self.since = oldest - 1;
                return Some(write(&HostLine::Gap { oldest }));
            }
            let paced_until = self
                .sent_at
                .map(|at| at + PACE)
                .filter(|until| !lines.is_empty() && lines.len() < BATCH && *until > Instant::now());
            if let (Some(last), None) = (lines.last(), paced_until) {
                self.since = last.seq;
                self.sent_at = Some(Instant::now());
                return Some(joined(lines));
            }
            let wake = paced_until.or_else(|| Some(Instant::now() + self.alive_every?));
            tokio::select! {
                changed = self.head_rx.changed(), if paced_until.is_none() => changed.ok()?,
                changed = self.agent_rx.changed() => {
                    changed.ok()?;
                    return Some(self.state());
                }
                () = self.released.cancelled() => return None,
                () = sleep_until(wake) => if paced_until.is_none() {
                    return Some(write(&HostLine::Alive { alive: true }));
                },
            }
        }
    }
}

/// Without a time there is nothing to wait for.
async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

fn write(line: &HostLine) -> Bytes {
    let mut bytes = serde_json::to_vec(line).expect("wire types are JSON");
    bytes.push(b'\n');
    bytes.into()
}

/// The lines as one piece.
fn joined(mut lines: Vec<JournalLine>) -> Bytes {
    match lines.len() {
        1 => lines.remove(0).json,
        _ => lines.iter().map(|line| &line.json[..]).collect::<Vec<_>>().concat().into(),
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;
    use parallax_api::{EventData, Time};

    use super::*;

    /// An agent that does what the test says, and its stream after its state was told.
    struct Agency {
        journal: Journal,
        agent_tx: watch::Sender<Agent>,
        _dir: tempfile::TempDir,
    }

    impl Agency {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let journal = Journal::open(&dir.path().join("journal.ndjson")).unwrap();
            let agent = Agent::new("a".parse().unwrap(), "a", "shell", "local", Time::from_millis(0));
            Self { journal, agent_tx: watch::Sender::new(agent), _dir: dir }
        }

        fn follower(&self, alive_every: Option<Duration>) -> Follower {
            Follower {
                journal: self.journal.clone(),
                head_rx: self.journal.head(),
                agent_rx: self.agent_tx.subscribe(),
                released: CancellationToken::new(),
                since: 0,
                alive_every,
                sent_state: true,
                sent_at: None,
            }
        }

        fn happens(&self) {
            let agent = Box::new(self.agent_tx.borrow().clone());
            self.journal.append(
                EventData::AgentReady { agent },
                Time::from_millis(1),
                std::time::Instant::now(),
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_in_quick_succession_goes_out_together() {
        let agency = Agency::new();
        let happens = || agency.happens();
        let mut pieces = Box::pin(agency.follower(None).lines());
        let mut next = async || {
            let piece = pieces.next().await.unwrap().unwrap();
            piece.iter().filter(|byte| **byte == b'\n').count()
        };
        let start = Instant::now();
        let (pace, elapsed) = (PACE.as_millis(), || start.elapsed().as_millis());
        happens();
        assert_eq!((next().await, elapsed()), (1, 0), "the first is not held up");
        (0..3).for_each(|_| happens());
        assert_eq!((next().await, elapsed()), (3, pace));
        tokio::time::sleep(PACE).await;
        happens();
        assert_eq!((next().await, elapsed()), (1, pace * 2), "nor is one after a pause");
        (0..BATCH).for_each(|_| happens());
        assert_eq!((next().await, elapsed()), (BATCH, pace * 2), "nor is what fills a piece");
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_for_silence_is_told_nothing_but_news() {
        let agency = Agency::new();
        let start = Instant::now();
        let mut pieces = Box::pin(agency.follower(Some(ALIVE_INTERVAL)).lines());
        let alive = pieces.next().await.unwrap().unwrap();
        assert_eq!((&alive[..], start.elapsed()), (&b"{\"alive\":true}\n"[..], ALIVE_INTERVAL));

        let mut quiet = Box::pin(agency.follower(None).lines());
        let silence = tokio::time::timeout(ALIVE_INTERVAL * 1000, quiet.next()).await;
        assert!(silence.is_err(), "{silence:?}");
        agency.happens();
        assert!(quiet.next().await.is_some());
    }
}
