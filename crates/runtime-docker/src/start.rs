//! Starting a container: its launch goes in by standard input, and how the host's start went comes out.

use bollard::Docker;
use bollard::container::{AttachContainerResults, LogOutput};
use bollard::models::ContainerState;
use bollard::query_parameters::AttachContainerOptionsBuilder;
use futures::StreamExt;
use parallax_api::host::HostStarted;
use parallax_api::{Code, Problem};
use parallax_profile::Launch;
use parallax_runtime_core::handshake::{
    LAST_WORDS, MAX_STARTED, START_TIMEOUT, launch_line, parse_started, start_failed, start_timed_out,
    start_timeout,
};
use tokio::io::AsyncWriteExt;

use crate::engine;

/// Starts the container `name` and gives its host the launch. Answers when the agent runs.
pub(crate) async fn start(docker: &Docker, name: &str, launch: &Launch) -> Result<(), Problem> {
    let attached = tokio::time::timeout(START_TIMEOUT, attach(docker, name)).await;
    let attached = attached.unwrap_or_else(|_| Err(start_timed_out(&[])))?;
    hand_over(docker, name, attached, launch).await
}

/// Gives the launch to the host of a container that was started. Answers when the agent runs.
pub(crate) async fn hand_over(
    docker: &Docker,
    name: &str,
    attached: Attached,
    launch: &Launch,
) -> Result<(), Problem> {
    let said = tokio::time::timeout(start_timeout(launch), converse(attached, launch)).await;
    let said = said.unwrap_or_else(|_| Err(start_timed_out(&[])))?;
    match parse_started(&said.out) {
        Some(HostStarted::Ready { .. }) => Ok(()),
        Some(HostStarted::Failed(problem)) => Err(problem),
        None => Err(why_not(docker, name, &said).await),
    }
}

/// What a host said, on standard output and error.
#[derive(Default)]
struct Said {
    out: Vec<u8>,
    err: Vec<u8>,
}

/// Standard input and output of a container's host.
pub(crate) type Attached = AttachContainerResults;

/// Starts the container `name`, connected to its host, which waits for a launch.
pub(crate) async fn attach(docker: &Docker, name: &str) -> Result<Attached, Problem> {
    let options =
        AttachContainerOptionsBuilder::default().stream(true).stdin(true).stdout(true).stderr(true).build();
    let attached = docker.attach_container(name, Some(options)).await;
    let attached = attached.map_err(|error| engine::problem("connect to the container", &error))?;
    docker.start_container(name, None).await.map_err(|error| match engine::status(&error) {
        Some(_) => start_failed("the engine could not start the container", engine::words(&error).as_bytes()),
        None => engine::away(&error),
    })?;
    Ok(attached)
}

async fn converse(mut attached: Attached, launch: &Launch) -> Result<Said, Problem> {
    let line = launch_line(launch)?;
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
        Some(code) => {
            start_failed(&format!("it ended with code {code} before it said how its start went"), &said.err)
        }
        None => start_failed("it ended before it said how its start went", &said.err),
    }
}
