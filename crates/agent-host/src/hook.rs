//! `parallax-agent-host hook NAME`: the program that a CLI runs as its hook. It posts the report to the host of its agent.
//! A hook never fails its CLI and never makes it wait for long.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use anyhow::Context as _;
use parallax_api::host::HookReport;

/// The variable with the path of the host's socket.
pub const HOST_SOCKET: &str = "PARALLAX_HOST_SOCKET";
/// The variable that marks every process of an agent.
pub const AGENT_ID: &str = "PARALLAX_AGENT_ID";
/// What a CLI may write to its hook, in bytes. A longer report is lost, with an error on standard error.
const MAX_PAYLOAD: u64 = 16 * 1024 * 1024;
/// How long the host may take.
const HOST_TIMEOUT: Duration = Duration::from_secs(2);

/// Reads the report from standard input and posts it. Outside of an agent (no [`HOST_SOCKET`]) it does nothing.
pub fn run(hook: &str) -> anyhow::Result<()> {
    let mut payload = Vec::new();
    std::io::stdin().lock().take(MAX_PAYLOAD).read_to_end(&mut payload).context("reading the report")?;
    let Some(socket) = std::env::var_os(HOST_SOCKET) else { return Ok(()) };
    let payload =
        if payload.is_empty() { serde_json::Value::Null } else { serde_json::from_slice(&payload)? };
    let body = serde_json::to_vec(&HookReport { hook: hook.into(), payload })?;

    let mut stream = UnixStream::connect(socket).context("reaching the host")?;
    stream.set_read_timeout(Some(HOST_TIMEOUT))?;
    stream.set_write_timeout(Some(HOST_TIMEOUT))?;
    let head = format!(
        "POST /report HTTP/1.1\r\nHost: host\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(&body)?;
    // The status line suffices: the report was accepted.
    let mut answer = [0; 16];
    stream.read_exact(&mut answer).context("waiting for the host")?;
    Ok(())
}
