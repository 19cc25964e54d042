//! Starting a container: its launch goes in by standard input, and how the host's start went comes out.

use std::time::Duration;

use bollard::Docker;
use bollard::container::LogOutput;
use bollard::models::ContainerState;
use bollard::query_parameters::AttachContainerOptionsBuilder;
use futures::StreamExt;
use parallax_api::host::HostStarted;
use parallax_api::{Code, Problem};
use parallax_profile::Launch;
use tokio::io::AsyncWriteExt;

use crate::engine;

/// How long a host may take to start its agent.
const START_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest word a host has for how its start went, in bytes: an agent's last words are in it.
const MAX_STARTED: usize = 1024 * 1024;
/// How much of what a host that failed said is told, in bytes.
const LAST_WORDS: usize = 4096;

/// Starts the container `name` and gives its host the launch. Answers when the agent runs.
pub(crate) async fn start(docker: &Docker, name: &str, launch: &Launch) -> Result<(), Problem> {
    let said = tokio::time::timeout(START_TIMEOUT, converse(docker, name, launch)).await;
    let said = said.unwrap_or_else(|_| {
        Err(failed(&format!("it said nothing within {} s", START_TIMEOUT.as_secs()), String::new()))
    })?;
    match serde_json::from_slice(&said.out) {
        Ok(HostStarted::Ready { .. }) => Ok(()),
        Ok(HostStarted::Failed(problem)) => Err(problem),
        Err(_) => Err(why_not(docker, name, &said).await),
    }
}

/// What a host said, on standard output and error.
#[derive(Default)]
struct Said {
    out: Vec<u8>,
    err: Vec<u8>,
}

async fn converse(docker: &Docker, name: &str, launch: &Launch) -> Result<Said, Problem> {
    let options =
        AttachContainerOptionsBuilder::default().stream(true).stdin(true).stdout(true).stderr(true).build();
    let attached = docker.attach_container(name, Some(options)).await;
    let mut attached = attached.map_err(|error| engine::problem("connect to the container", &error))?;
    docker.start_container(name, None).await.map_err(|error| match engine::status(&error) {
        Some(_) => failed("the engine could not start the container", engine::words(&error)),
        None => engine::away(&error),
    })?;
    let mut line = serde_json::to_vec(launch).map_err(Problem::internal)?;
    line.push(b'\n');
    let mut said = Said::default();
    // A host that ends before it has read everything breaks the pipe; what it says tells why.
    let hand_over = async {
        attached.input.write_all(&line).await?;
        attached.input.flush().await
    };
    if let Err(error) = hand_over.await {
        tracing::debug!(%error, "the launch was not taken");
    }
    while let Some(output) = attached.output.next().await {
        // The engine went away, and with it what the host may have said.
        match output.map_err(|error| engine::away(&error))? {
            LogOutput::StdErr { message } => said.err.extend_from_slice(&message),
            other => said.out.extend_from_slice(&other.into_bytes()),
        }
        said.err.drain(..said.err.len().saturating_sub(LAST_WORDS));
        if said.out.ends_with(b"\n") || said.out.len() > MAX_STARTED {
            break;
        }
    }
    Ok(said)
}

/// Why a host ended before it said how its start went.
async fn why_not(docker: &Docker, name: &str, said: &Said) -> Problem {
    let words = String::from_utf8_lossy(&said.err).into_owned();
    let state = match docker.inspect_container(name, None).await {
        Ok(found) => found.state.unwrap_or_default(),
        Err(error) if engine::status(&error).is_none() => return engine::away(&error),
        Err(_) => ContainerState::default(),
    };
    if state.oom_killed == Some(true) {
        return Problem::new(
            Code::ResourceLimit,
            "the agent's memory is too small for its host; give it more",
        )
        .with("field", "resources.memory");
    }
    match state.exit_code {
        Some(code) => failed(&format!("it ended with code {code} before it said how its start went"), words),
        None => failed("it ended before it said how its start went", words),
    }
}

/// `SPAWN_FAILED` with what was said last.
fn failed(why: &str, output: String) -> Problem {
    Problem::new(Code::SpawnFailed, format!("the agent's host did not start: {why}")).with("output", output)
}
