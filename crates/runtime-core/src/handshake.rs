//! The start of a host: its launch goes in by standard input, one line says how the start went.

use std::time::Duration;

use parallax_api::host::HostStarted;
use parallax_api::{Code, Problem};
use parallax_profile::Launch;
use parallax_profile::launch::{CHECKOUT_TIMEOUT, SETUP_TIMEOUT};

/// How long a host may take to start its agent.
pub const START_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a host may take to start this agent.
pub fn start_timeout(launch: &Launch) -> Duration {
    let setup = if launch.setup.is_some() { SETUP_TIMEOUT } else { Duration::ZERO };
    let checkout = if launch.checkout.is_some() { CHECKOUT_TIMEOUT } else { Duration::ZERO };
    START_TIMEOUT + setup + checkout
}

/// The longest line a host has for how its start went, in bytes: an agent's last words are in it.
pub const MAX_STARTED: usize = 1024 * 1024;
/// How much of the standard error of a host that failed is reported, in bytes.
pub const LAST_WORDS: usize = 4096;

/// The launch as a host reads it: one line.
///
/// # Errors
/// When it cannot be serialised.
pub fn launch_line(launch: &Launch) -> Result<Vec<u8>, Problem> {
    let mut line = serde_json::to_vec(launch).map_err(Problem::internal)?;
    line.push(b'\n');
    Ok(line)
}

/// The host's line for how its start went. `None`: it is no such line.
pub fn parse_started(line: &[u8]) -> Option<HostStarted> {
    serde_json::from_slice(line).ok()
}

/// `SPAWN_FAILED`, with the end of what the host said on standard error.
pub fn start_failed(why: &str, stderr: &[u8]) -> Problem {
    let output = String::from_utf8_lossy(&stderr[stderr.len().saturating_sub(LAST_WORDS)..]).into_owned();
    Problem::new(Code::SpawnFailed, format!("the agent's host did not start: {why}")).with("output", output)
}

/// `SPAWN_FAILED` for a host that said nothing within [`START_TIMEOUT`].
pub fn start_timed_out(stderr: &[u8]) -> Problem {
    start_failed(&format!("it said nothing within {} s", START_TIMEOUT.as_secs()), stderr)
}
