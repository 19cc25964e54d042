//! `parallax-agent-host relay`: connects standard input and output to a host's socket.
//!
//! For a server that can run a program beside the host but not connect to it: a container without a network.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;

use anyhow::Context as _;

/// Bytes copied at once.
const CHUNK: usize = 64 * 1024;

/// Copies bytes both ways until the host closes the connection.
pub fn run(dir: &Path) -> anyhow::Result<()> {
    let socket = dir.join(crate::serve::SOCKET);
    let stream = UnixStream::connect(&socket).with_context(|| format!("reaching {}", socket.display()))?;
    let mut to_host = stream.try_clone()?;
    // Ends with the process: a read of standard input cannot be cancelled.
    std::thread::spawn(move || {
        // When the host is gone the other direction ends.
        drop(copy(&mut std::io::stdin().lock(), &mut to_host));
        drop(to_host.shutdown(Shutdown::Write));
    });
    copy(&mut &stream, &mut std::io::stdout().lock()).context("the connection broke")
}

/// Flushes after each chunk: keys are single bytes.
fn copy(from: &mut impl Read, to: &mut impl Write) -> std::io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    loop {
        match from.read(&mut chunk)? {
            0 => return Ok(()),
            count => to.write_all(&chunk[..count])?,
        }
        to.flush()?;
    }
}
