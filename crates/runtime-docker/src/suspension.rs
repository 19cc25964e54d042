//! Suspended agents: their containers stay, ended, and their launches wait in the state directory.
//!
//! A container is made without its launch, which holds secrets and goes in by standard input. So that the same container can be
//! started again, the launch is kept in a file of the server's while the agent is suspended, readable by the server's user only.

use bollard::models::{ContainerInspectResponse, ContainerStateStatusEnum};
use bollard::query_parameters::StopContainerOptionsBuilder;
use parallax_api::{AgentId, Code, Problem};
use parallax_profile::Launch;
use parallax_runtime_core::HostAddress;
use parallax_runtime_core::host::HostClient;

use crate::context::Context;
use crate::layout::{PROGRAM_DIR, container_name};
use crate::{engine, removal, start};

/// How long a host that was released may take to end, in seconds.
const END_SECONDS: i32 = 5;

/// Keeps the launch, then has the host end its agent. A refusal leaves nothing behind.
pub(crate) async fn suspend(context: &Context, id: &AgentId, host: &HostClient) -> Result<(), Problem> {
    let launch = host.launch().await?;
    let (kept, of) = (context.kept_launches.clone(), id.clone());
    let putting = tokio::task::spawn_blocking(move || kept.put(&of, &launch)).await;
    putting.map_err(Problem::internal)?.map_err(|error| {
        Problem::internal(format!(
            "what the agent needs to come back cannot be kept, and it goes on: {error:#}"
        ))
    })?;
    match host.suspend().await {
        Ok(_) => Ok(()),
        Err(problem) if problem.code == Code::RuntimeUnavailable => Err(problem),
        Err(problem) => {
            context.kept_launches.remove(id);
            Err(problem)
        }
    }
}

/// Ends the container, and keeps it. Its host has been released and ends by itself.
pub(crate) async fn settle(context: &Context, id: &AgentId) -> Result<(), Problem> {
    let options = StopContainerOptionsBuilder::default().t(END_SECONDS).build();
    match context.docker()?.stop_container(&container_name(id), Some(options)).await {
        // 304: it has ended.
        Err(error) if engine::is_missing(&error) || engine::status(&error) == Some(304) => Ok(()),
        Err(error) => Err(engine::problem("end the container of a suspended agent", &error)),
        Ok(()) => Ok(()),
    }
}

/// Starts the container again.
pub(crate) async fn resume(context: &Context, id: &AgentId) -> Result<HostAddress, Problem> {
    let docker = context.docker()?;
    let name = container_name(id);
    let found = inspect(context, id).await?.ok_or_else(|| gone(id, "its container was removed"))?;
    let status = found.state.as_ref().and_then(|state| state.status);
    if status == Some(ContainerStateStatusEnum::RUNNING) {
        // Started by a server that did not live to tell.
        let networks = found.network_settings.as_ref().and_then(|settings| settings.networks.clone());
        let address = context.connector.address(docker, id, networks).await;
        if HostClient::new(address.clone()).agent().await.is_ok() {
            return Ok(address);
        }
        removal::kill(context, id).await?;
    }
    let kept = context.kept_launches.get(id).map_err(Problem::internal)?;
    let launch = kept.ok_or_else(|| gone(id, "its launch is not in the state directory of this runtime"))?;
    let volume = host_volume(&found).ok_or_else(|| gone(id, "its container has no host program"))?;
    let image = found.image.clone().unwrap_or_default();
    context.host_volume.verify_kept(docker, &name, &volume, &image).await?;
    // Its rules may have gone with a restart of the machine.
    context.network.ensure(docker).await?;
    let launch = Launch { token: Some(context.identity.token(id)), ..launch };
    if let Err(problem) = start::start(docker, &name, &launch).await {
        // A host that did not say how its start went may still run; the container and its volume stay.
        removal::kill(context, id).await?;
        return Err(problem);
    }
    let started = docker.inspect_container(&name, None).await;
    let started = started.map_err(|error| engine::problem("tell the agent's address", &error))?;
    let networks = started.network_settings.and_then(|settings| settings.networks);
    Ok(context.connector.address(docker, id, networks).await)
}

/// Whether the container is still there. Whether the launch is, [`resume`] says.
pub(crate) async fn holds(context: &Context, id: &AgentId) -> Result<bool, Problem> {
    Ok(inspect(context, id).await?.is_some())
}

async fn inspect(context: &Context, id: &AgentId) -> Result<Option<ContainerInspectResponse>, Problem> {
    match context.docker()?.inspect_container(&container_name(id), None).await {
        Ok(found) => Ok(Some(found)),
        Err(error) if engine::is_missing(&error) => Ok(None),
        Err(error) => Err(engine::problem("look for the agent's container", &error)),
    }
}

/// The volume that a container has its host program from.
fn host_volume(container: &ContainerInspectResponse) -> Option<String> {
    let mut mounts = container.mounts.iter().flatten();
    mounts.find(|mount| mount.destination.as_deref() == Some(PROGRAM_DIR))?.name.clone()
}

fn gone(id: &AgentId, why: &str) -> Problem {
    Problem::new(
        Code::AgentStopped,
        format!("the agent {id} cannot come back: {why}; stop it, and spawn a new one"),
    )
}
