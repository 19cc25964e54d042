//! What is typed, as bytes.

use std::io::Read;

use tokio::sync::mpsc;

/// Reads ahead at most so many chunks; then the keyboard waits in the terminal's own buffer.
const CHUNKS: usize = 16;

/// The keyboard. Reading blocks, so it has a thread of its own, which ends with the process.
pub(super) struct Keyboard(mpsc::Receiver<Vec<u8>>);

impl Keyboard {
    pub fn start() -> Self {
        let (typed_tx, typed) = mpsc::channel(CHUNKS);
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            // The end of input, a failure and a reader that left all mean the same: nothing more is typed.
            while let Ok(count @ 1..) = std::io::stdin().lock().read(&mut buffer) {
                if typed_tx.blocking_send(buffer[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self(typed)
    }

    /// The next bytes; none when the keyboard is gone.
    pub async fn next(&mut self) -> Option<Vec<u8>> {
        self.0.recv().await
    }
}
