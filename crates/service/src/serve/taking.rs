//! Whether a client takes what there is for it.

use std::io;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};

use crate::os;

/// A response of which a client takes nothing from one look to the next is given up: after as long as a viewer of a terminal has, or twice
/// as long.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A socket that is full, or one that is not.
#[derive(Default)]
pub(super) struct Taking(Option<Full>);

struct Full {
    /// Bytes that the client had not taken when it was looked at last.
    left: Option<u32>,
    look_at: Pin<Box<Sleep>>,
}

impl Taking {
    /// The socket has no room. Ready with an error when nothing has been taken since the last look: that there is room again the system tells
    /// only when a third of its megabytes is free, and a slow client may take longer for that.
    pub(super) fn poll_stuck(&mut self, stream: &TcpStream, cx: &mut Context<'_>) -> Poll<io::Error> {
        let full = self.0.get_or_insert_with(|| Full {
            left: os::unsent(stream.as_fd()),
            look_at: Box::pin(sleep(TIMEOUT)),
        });
        loop {
            ready!(full.look_at.as_mut().poll(cx));
            let left = os::unsent(stream.as_fd());
            if left.is_none() || left >= full.left {
                return Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, "the client takes nothing"));
            }
            full.left = left;
            full.look_at.as_mut().reset(Instant::now() + TIMEOUT);
        }
    }
}
