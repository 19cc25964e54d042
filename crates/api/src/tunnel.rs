//! Two streams of bytes joined to one connection.

use std::io;
use std::sync::Mutex;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::time::Instant;

/// A connection over which nothing was carried for this long is given up: nobody may be there any more.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(15 * 60);
/// Bytes that are on their way in each direction.
const BUFFER: usize = 16 * 1024;

/// Carries bytes both ways until one side ends or takes nothing more, or for [`IDLE_TIMEOUT`] nothing comes and goes. What the side that
/// ends had sent arrives.
pub async fn join(one: impl AsyncRead + AsyncWrite, other: impl AsyncRead + AsyncWrite) {
    let (from_one, to_one) = split(one);
    let (from_other, to_other) = split(other);
    let moved = Mutex::new(Instant::now());
    // How it ended is of no use to anybody: both sides are told by the end itself.
    let _ = tokio::select! {
        ended = carry(from_one, to_other, &moved) => ended,
        ended = carry(from_other, to_one, &moved) => ended,
        () = idle(&moved) => Ok(()),
    };
}

async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    moved: &Mutex<Instant>,
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return to.shutdown().await;
        }
        to.write_all(&buffer[..read]).await?;
        to.flush().await?;
        *moved.lock().expect("nothing panics while it is locked") = Instant::now();
    }
}

/// Until nothing has been carried for [`IDLE_TIMEOUT`].
async fn idle(moved: &Mutex<Instant>) {
    loop {
        let until = *moved.lock().expect("nothing panics while it is locked") + IDLE_TIMEOUT;
        if until <= Instant::now() {
            return;
        }
        tokio::time::sleep_until(until).await;
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::duplex;

    use super::*;

    #[tokio::test]
    async fn what_was_sent_arrives_before_the_end() {
        let ((mut near, one), (mut far, other)) = (duplex(64), duplex(64));
        let joined = tokio::spawn(join(one, other));
        near.write_all(b"asked").await.unwrap();
        let mut asked = [0; 5];
        far.read_exact(&mut asked).await.unwrap();
        far.write_all(b"answered").await.unwrap();
        drop(far);
        let mut answer = String::new();
        near.read_to_string(&mut answer).await.unwrap();
        assert_eq!((&asked, answer.as_str()), (b"asked", "answered"));
        joined.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_connection_is_given_up() {
        let ((mut near, one), (mut far, other)) = (duplex(64), duplex(64));
        let began = Instant::now();
        let joined = tokio::spawn(join(one, other));
        tokio::time::sleep(IDLE_TIMEOUT / 2).await;
        near.write_all(b"x").await.unwrap();
        far.read_exact(&mut [0]).await.unwrap();
        joined.await.unwrap();
        assert_eq!(began.elapsed(), IDLE_TIMEOUT / 2 + IDLE_TIMEOUT);
    }
}
