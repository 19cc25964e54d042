//! What reaches the fake agent: keys, new sizes, the end of the terminal.

use std::collections::VecDeque;
use std::io::Read;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use super::keys::{Key, Keys};

/// An escape that nothing follows for so long is the Esc key.
const ESCAPE_WAIT: Duration = Duration::from_millis(50);
/// Chunks read ahead; then the terminal's own buffer fills.
const READ_AHEAD: usize = 64;

#[derive(Debug)]
pub(super) enum Event {
    Key(Key),
    Resized,
    /// The terminal is gone.
    End,
}

/// The stream of [`Event`]s.
pub(super) struct Input {
    bytes_rx: mpsc::Receiver<Vec<u8>>,
    resized: Signal,
    keys: Keys,
    ready: VecDeque<Key>,
}

impl Input {
    pub(super) fn open() -> std::io::Result<Self> {
        let (bytes_tx, bytes_rx) = mpsc::channel(READ_AHEAD);
        // Ends with the process or with the terminal.
        std::thread::spawn(move || {
            let mut stdin = std::io::stdin().lock();
            let mut buffer = [0; 64 * 1024];
            while let Ok(count @ 1..) = stdin.read(&mut buffer) {
                if bytes_tx.blocking_send(buffer[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        Ok(Self {
            bytes_rx,
            resized: signal(SignalKind::window_change())?,
            keys: Keys::default(),
            ready: VecDeque::new(),
        })
    }

    pub(super) async fn next(&mut self) -> Event {
        loop {
            if let Some(key) = self.ready.pop_front() {
                return Event::Key(key);
            }
            tokio::select! {
                bytes = self.bytes_rx.recv() => match bytes {
                    Some(bytes) => self.ready.extend(self.keys.feed(&bytes)),
                    None => return Event::End,
                },
                _ = self.resized.recv() => return Event::Resized,
                () = tokio::time::sleep(ESCAPE_WAIT), if self.keys.is_waiting() => {
                    self.ready.extend(self.keys.give_up());
                }
            }
        }
    }
}
