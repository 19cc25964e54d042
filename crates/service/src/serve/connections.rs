//! The connections of a server, and which of them go first.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use http_body::{Frame, SizeHint};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::access::UntilClosed;

/// A request's head must be complete in this time, from its first byte; the first one from the connection's begin.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection without a request is kept this long: above the 90 s after which common clients drop theirs, so that
/// they, not we, end an idle connection.
const IDLE_TIMEOUT: Duration = Duration::from_secs(120);

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    /// It has not sent a whole request yet.
    New,
    /// A later request has begun to arrive.
    Head,
    /// It is kept alive between requests.
    Idle,
    /// A request is at work, or its response is on the way.
    Busy,
    /// It is a WebSocket.
    Upgraded,
}

/// One connection, until its socket is dropped.
#[derive(Debug)]
pub(crate) struct Connection {
    number: u64,
    state: Mutex<(Phase, Instant)>,
    dropped: CancellationToken,
    until_closed: UntilClosed,
    all: Weak<Shared>,
}

/// All connections of a server.
#[derive(Debug)]
pub(super) struct Connections(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    max: usize,
    /// By number: older ones come first.
    open: Mutex<(u64, BTreeMap<u64, Weak<Connection>>)>,
}

impl Connections {
    pub(super) fn new(max: usize) -> Self {
        Self(Arc::new(Shared { max, open: Mutex::default() }))
    }

    pub(super) fn count(&self) -> usize {
        lock(&self.0.open).1.len()
    }

    pub(super) fn add(&self) -> Arc<Connection> {
        let mut open = lock(&self.0.open);
        open.0 += 1;
        let number = open.0;
        let connection = Arc::new(Connection {
            number,
            state: Mutex::new((Phase::New, Instant::now())),
            dropped: CancellationToken::new(),
            until_closed: UntilClosed::default(),
            all: Arc::downgrade(&self.0),
        });
        open.1.insert(number, Arc::downgrade(&connection));
        connection
    }

    /// Drops idle connections while there are more than the bound: those without a request first, the oldest first.
    /// What works is never dropped.
    pub(super) fn make_room(&self) {
        let open = self.open();
        let mut surplus = open.len().saturating_sub(self.0.max);
        for phase in [Phase::New, Phase::Head, Phase::Idle] {
            // The newest one is who room is made for.
            for connection in open.iter().rev().skip(1).rev() {
                if surplus == 0 {
                    return;
                }
                if connection.phase().0 == phase {
                    surplus -= 1;
                    connection.dropped.cancel();
                }
            }
        }
    }

    /// Drops every connection that has no request: for when there are no more files.
    pub(super) fn drop_idle(&self) {
        for connection in self.open() {
            if connection.phase().0 < Phase::Busy {
                connection.dropped.cancel();
            }
        }
    }

    /// Drops connections whose head takes too long, or that were idle for too long.
    pub(super) fn drop_late(&self) {
        let now = Instant::now();
        for connection in self.open() {
            if connection.late_at().is_some_and(|at| at <= now) {
                connection.dropped.cancel();
            }
        }
        self.make_room();
    }

    /// When the first connection will be late as it looks now; at once while room is to be made. `None`: there is none.
    pub(super) fn late_at(&self) -> Option<Instant> {
        let open = self.open();
        let now = Instant::now();
        if open.len() > self.0.max {
            return Some(now);
        }
        open.iter().map(|connection| connection.late_at().unwrap_or(now + IDLE_TIMEOUT)).min()
    }

    /// Those that are open and not being dropped.
    fn open(&self) -> Vec<Arc<Connection>> {
        let open = lock(&self.0.open);
        let live = open.1.values().filter_map(Weak::upgrade);
        live.filter(|connection| !connection.dropped.is_cancelled()).collect()
    }
}

impl Connection {
    /// Cancelled when it has to go.
    pub(super) fn dropped(&self) -> CancellationToken {
        self.dropped.clone()
    }

    /// What is kept until the socket is dropped.
    pub(super) fn until_closed(&self) -> UntilClosed {
        self.until_closed.clone()
    }

    /// Bytes arrived.
    pub(super) fn received(&self) {
        let mut state = lock(&self.state);
        if state.0 == Phase::Idle {
            *state = (Phase::Head, Instant::now());
        }
    }

    /// A request has arrived.
    pub(super) fn begin_request(self: &Arc<Self>) -> Busy {
        self.enter(Phase::Busy);
        Busy(self.clone())
    }

    /// It is a WebSocket from now on.
    pub(super) fn upgraded(&self) {
        self.enter(Phase::Upgraded);
    }

    /// Whether it is a WebSocket.
    pub(super) fn is_upgraded(&self) -> bool {
        self.phase().0 == Phase::Upgraded
    }

    fn enter(&self, phase: Phase) {
        let mut state = lock(&self.state);
        if state.0 != Phase::Upgraded {
            *state = (phase, Instant::now());
        }
    }

    /// When it has to go unless it does something. Never while it works.
    fn late_at(&self) -> Option<Instant> {
        let (phase, since) = self.phase();
        match phase {
            Phase::New | Phase::Head => Some(since + HEAD_TIMEOUT),
            Phase::Idle => Some(since + IDLE_TIMEOUT),
            Phase::Busy | Phase::Upgraded => None,
        }
    }

    fn phase(&self) -> (Phase, Instant) {
        *lock(&self.state)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(all) = self.all.upgrade() {
            lock(&all.open).1.remove(&self.number);
        }
    }
}

/// A request at work. Dropped when its response has been sent, or given up.
pub(super) struct Busy(Arc<Connection>);

impl Busy {
    /// The body, which keeps the connection busy until it has been sent.
    pub(super) fn until_sent(self, body: Body) -> Sending {
        Sending { body, _busy: self }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.enter(Phase::Idle);
    }
}

/// The body of a response.
pub(super) struct Sending {
    body: Body,
    _busy: Busy,
}

impl HttpBody for Sending {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
