//! `parallax-agent-host relay`: standard input and output become a connection to a host's socket.
//!
//! For places where a server can run a program beside the host but not reach it: a container without a network.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;

use anyhow::Context as _;

/// Bytes moved at once.
const CHUNK: usize = 64 * 1024;

/// Carries bytes both ways until the host closes the connection.
pub fn run(dir: &Path) -> anyhow::Result<()> {
    let socket = dir.join(crate::serve::SOCKET);
    let stream = UnixStream::connect(&socket).with_context(|| format!("reaching {}", socket.display()))?;
    let mut to_host = stream.try_clone()?;
    // Ends with the process: nobody can be made to stop waiting for standard input.
    std::thread::spawn(move || {
        // A host that is gone ends the other direction.
        drop(carry(&mut std::io::stdin().lock(), &mut to_host));
        drop(to_host.shutdown(Shutdown::Write));
    });
    carry(&mut &stream, &mut std::io::stdout().lock()).context("the connection broke")
}

/// Each chunk goes on as soon as it is there: keys are single bytes.
fn carry(from: &mut impl Read, to: &mut impl Write) -> std::io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    loop {
        match from.read(&mut chunk)? {
            0 => return Ok(()),
            count => to.write_all(&chunk[..count])?,
        }
        to.flush()?;
    }
}
