//! `GET /events`: the agent's events by sequence number, as lines of JSON.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::Stream;
use parallax_api::host::HostLine;
use parallax_api::pace::Pace;
use parallax_api::{Agent, Time};
use serde::Deserialize;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::host::Host;
use crate::journal::{Journal, JournalLine};

/// Events read from the journal at once.
const BATCH: usize = 256;
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

/// Every kept event after `since`, then each as it comes; the agent as it is, first and whenever it is not as the last event shows it.
pub async fn events(State(host): State<Host>, Query(following): Query<Following>) -> Response {
    let Following { since, quiet } = following;
    let follower = Follower {
        journal: host.session.journal().clone(),
        head_rx: host.session.journal().head(),
        agent_rx: host.session.agent_changes(),
        released: host.released.clone(),
        since,
        alive_every: (!quiet).then_some(ALIVE_INTERVAL),
        told: None,
        pace: Pace::default(),
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
    /// The age of the state that was sent last.
    told: Option<(Time, Option<Time>)>,
    /// That of pieces of the journal: each costs every server on the way a read, a transaction and a wake-up.
    pace: Pace,
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
        self.told = Some(agent.age());
        write(&HostLine::State { agent })
    }

    /// Whether the agent is as the reader knows it, who has every event.
    fn is_told(&mut self) -> bool {
        let age = Some(self.agent_rx.borrow_and_update().age());
        age == self.told || age == self.journal.shown()
    }

    /// Whole lines.
    async fn next(&mut self) -> Option<Bytes> {
        if self.told.is_none() {
            return Some(self.state());
        }
        loop {
            // Marked as seen before the journal is read: an event appended in between wakes the loop again.
            self.head_rx.mark_unchanged();
            let (lines, gap) = self.journal.after(self.since, BATCH);
            if let Some(oldest) = gap {
                self.since = oldest - 1;
                // What was forgotten may have shown how the agent is.
                self.told = None;
                return Some(write(&HostLine::Gap { oldest }));
            }
            if let Some(last) = lines.last() {
                let now = Instant::now();
                if let Some(until) = self.pace.until(now).filter(|_| lines.len() < BATCH) {
                    tokio::select! {
                        () = tokio::time::sleep_until(until) => continue,
                        () = self.released.cancelled() => return None,
                    }
                }
                self.since = last.seq;
                self.pace.went(now);
                return Some(joined(lines));
            }
            if !self.is_told() {
                return Some(self.state());
            }
            let alive_every = self.alive_every;
            tokio::select! {
                changed = self.head_rx.changed() => changed.ok()?,
                changed = self.agent_rx.changed() => changed.ok()?,
                () = self.released.cancelled() => return None,
                () = tokio::time::sleep(alive_every.unwrap_or_default()), if alive_every.is_some() => {
                    return Some(write(&HostLine::Alive { alive: true }));
                }
            }
        }
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
    use std::pin::Pin;

    use futures::StreamExt;
    use parallax_api::EventData;
    use tempfile::TempDir;

    use super::*;

    /// The least time between two pieces.
    const PACE: Duration = Duration::from_millis(5);

    /// An agent and who follows it.
    struct Followed {
        journal: Journal,
        agent_tx: watch::Sender<Agent>,
        pieces: Pin<Box<dyn Stream<Item = Result<Bytes, std::convert::Infallible>>>>,
        start: Instant,
        _dir: TempDir,
    }

    impl Followed {
        /// One whose state has been told.
        async fn new() -> Self {
            Self::with_alive(Some(ALIVE_INTERVAL)).await
        }

        async fn with_alive(alive_every: Option<Duration>) -> Self {
            let dir = tempfile::tempdir().unwrap();
            let journal = Journal::open(&dir.path().join("journal.ndjson")).unwrap();
            let agent = Agent::new("a".parse().unwrap(), "a", "shell", "local", Time::from_millis(0));
            let (agent_tx, agent_rx) = watch::channel(agent);
            let follower = Follower {
                journal: journal.clone(),
                head_rx: journal.head(),
                agent_rx,
                released: CancellationToken::new(),
                since: 0,
                alive_every,
                told: None,
                pace: Pace::default(),
            };
            let pieces = Box::pin(follower.lines());
            let mut followed = Self { journal, agent_tx, pieces, start: Instant::now(), _dir: dir };
            assert_eq!(followed.next().await, "state");
            followed
        }

        /// The agent changes.
        fn changes(&self, change: impl FnOnce(&mut Agent)) {
            self.agent_tx.send_modify(|agent| {
                agent.updated_at = Time::from_millis(agent.updated_at.as_millis() + 1);
                change(agent);
            });
        }

        /// It is as it is, and an event says so.
        fn happens(&self, event: impl FnOnce(Box<Agent>) -> EventData) {
            let agent = Box::new(self.agent_tx.borrow().clone());
            self.journal.append(event(agent), Time::from_millis(1), std::time::Instant::now());
        }

        /// It becomes ready.
        fn is_ready(&self) {
            self.changes(|_| {});
            self.happens(|agent| EventData::AgentReady { agent });
        }

        /// What the next piece has: `state`, or how many events.
        async fn next(&mut self) -> String {
            let piece = self.pieces.next().await.unwrap().unwrap();
            let lines: Vec<_> = std::str::from_utf8(&piece)
                .unwrap()
                .lines()
                .map(|line| HostLine::read(line).unwrap())
                .collect();
            match &lines[..] {
                [HostLine::State { .. }] => "state".into(),
                [HostLine::Alive { .. }] => "alive".into(),
                [HostLine::Gap { .. }] => "gap".into(),
                lines => {
                    assert!(lines.iter().all(|line| matches!(line, HostLine::Event(_))), "{lines:?}");
                    lines.len().to_string()
                }
            }
        }

        fn elapsed(&self) -> Duration {
            self.start.elapsed()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_in_quick_succession_goes_out_together() {
        let mut followed = Followed::new().await;
        followed.is_ready();
        assert_eq!(
            (followed.next().await.as_str(), followed.elapsed()),
            ("1", Duration::ZERO),
            "not held up"
        );
        (0..3).for_each(|_| followed.is_ready());
        assert_eq!((followed.next().await.as_str(), followed.elapsed()), ("3", PACE));
        tokio::time::sleep(PACE).await;
        followed.is_ready();
        assert_eq!((followed.next().await.as_str(), followed.elapsed()), ("1", PACE * 2), "after a pause");
        (0..BATCH).for_each(|_| followed.is_ready());
        let full = BATCH.to_string();
        assert_eq!(
            (followed.next().await, followed.elapsed()),
            (full, PACE * 2),
            "nor is what fills a piece"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_for_silence_is_told_nothing_but_news() {
        let mut followed = Followed::new().await;
        assert_eq!((followed.next().await.as_str(), followed.elapsed()), ("alive", ALIVE_INTERVAL));
        let mut quiet = Followed::with_alive(None).await;
        let silence = tokio::time::timeout(ALIVE_INTERVAL * 1000, quiet.next()).await;
        assert!(silence.is_err(), "{silence:?}");
        quiet.is_ready();
        assert_eq!(quiet.next().await, "1");
    }

    #[tokio::test(start_paused = true)]
    async fn a_state_is_told_when_no_event_shows_it() {
        let mut followed = Followed::new().await;
        followed.is_ready();
        assert_eq!(followed.next().await, "1");
        assert_eq!(followed.next().await, "alive", "the event has shown it");
        followed.changes(|agent| agent.queued = 1);
        assert_eq!(followed.next().await, "state");
        assert_eq!(followed.next().await, "alive");
        followed.changes(|agent| agent.last_activity_at = Some(agent.updated_at));
        assert_eq!(followed.next().await, "state");
        // An event comes first, what has changed since then after it.
        followed.is_ready();
        followed.changes(|agent| agent.queued = 0);
        assert_eq!(followed.next().await, "1");
        assert_eq!(followed.next().await, "state");
        // By these a server decides what becomes of the workspace, from the state.
        for event in [
            |agent| EventData::AgentStopped { agent, reason: "exited".into() },
            |agent| EventData::AgentStarted { agent },
        ] {
            followed.changes(|_| {});
            followed.happens(event);
            assert_eq!(followed.next().await, "1");
            assert_eq!(followed.next().await, "state");
        }
    }

    /// What showed how the agent is was forgotten before it was read.
    #[tokio::test(start_paused = true)]
    async fn after_a_gap_the_state_is_told() {
        let mut followed = Followed::new().await;
        followed.is_ready();
        for _ in 0..=10_000 {
            followed.happens(|_| EventData::Reset { reason: String::new() });
        }
        assert_eq!(followed.next().await, "gap");
        assert_eq!(followed.next().await, "state");
    }
}
