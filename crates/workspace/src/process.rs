//! Programs that are run in bounded time, with bounded output, and end with all that they started.

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Child;

/// Ends a program and what it started, unless it has ended. It must lead a process group of its own.
pub(crate) struct Group(pub(crate) Child);

impl Drop for Group {
    fn drop(&mut self) {
        // None once it was waited for: the number may be somebody else's then.
        let id = self.0.id().and_then(|id| i32::try_from(id).ok());
        if let Some(group) = id.and_then(rustix::process::Pid::from_raw) {
            // It may have ended by itself.
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    }
}

/// Reads up to `most` bytes, and says whether that was all. Whoever says more is left with it.
pub(crate) async fn read_up_to(
    from: Option<impl AsyncRead + Unpin>,
    most: usize,
) -> std::io::Result<(Vec<u8>, bool)> {
    let Some(mut from) = from else { return Ok((Vec::new(), true)) };
    let bytes = read_first(&mut from, most).await?;
    let is_whole = from.read(&mut [0]).await? == 0;
    Ok((bytes, is_whole))
}

/// Reads the first `most` bytes, and drops what follows: a pipe that nobody reads would hold the program up.
pub(crate) async fn read_and_drop(
    from: Option<impl AsyncRead + Unpin>,
    most: usize,
) -> std::io::Result<Vec<u8>> {
    let Some(mut from) = from else { return Ok(Vec::new()) };
    let bytes = read_first(&mut from, most).await?;
    tokio::io::copy(&mut from, &mut tokio::io::sink()).await?;
    Ok(bytes)
}

async fn read_first(from: &mut (impl AsyncRead + Unpin), most: usize) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(u64::try_from(most).unwrap_or(u64::MAX)).read_to_end(&mut bytes).await?;
    Ok(bytes)
}
