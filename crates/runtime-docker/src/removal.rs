//! Removing what there is of an agent: its container and its volume.

use std::collections::HashMap;
use std::time::Duration;

use bollard::query_parameters::{
    KillContainerOptionsBuilder, ListVolumesOptionsBuilder, RemoveContainerOptionsBuilder,
    RemoveVolumeOptions,
};
use parallax_api::{AgentId, Problem};
use parallax_runtime_core::host::HostClient;

use crate::context::Context;
use crate::discovery::find_host;
use crate::engine;
use crate::layout::{container_name, label};

/// How long a removal that another client began may take, and how often it is polled.
const REMOVAL_TIMEOUT: Duration = Duration::from_secs(10);
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Ends the container and removes it with its volumes.
pub(crate) async fn remove(context: &Context, id: &AgentId, grace: Duration) -> Result<(), Problem> {
    if !grace.is_zero()
        && let Some(address) = find_host(context, id).await?.and_then(|host| host.address)
    {
        HostClient::new(address).leave(grace).await;
    }
    let started = tokio::time::Instant::now();
    loop {
        let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
        match context.docker()?.remove_container(&container_name(id), Some(options)).await {
            Ok(()) => break,
            Err(error) if engine::is_missing(&error) => {
                remove_volumes(context, id).await?;
                break;
            }
            // Another client removes it already.
            Err(error) if engine::is_conflict(&error) && started.elapsed() < REMOVAL_TIMEOUT => {
                tokio::time::sleep(POLL_INTERVAL).await;
            }
            Err(error) => return Err(engine::problem("remove the agent's container", &error)),
        }
    }
    // There is one when the agent was suspended.
    context.kept_launches.remove(id);
    Ok(())
}

/// Kills the container and keeps it, with the files of its host. One that is gone or does not run is dead already.
pub(crate) async fn kill(context: &Context, id: &AgentId) -> Result<(), Problem> {
    let options = KillContainerOptionsBuilder::default().signal("SIGKILL").build();
    match context.docker()?.kill_container(&container_name(id), Some(options)).await {
        Err(error) if !engine::is_missing(&error) && !engine::is_conflict(&error) => {
            Err(engine::problem("kill the agent's container", &error))
        }
        _ => Ok(()),
    }
}

/// `docker rm` without `--volumes` leaves the container's volume.
async fn remove_volumes(context: &Context, id: &AgentId) -> Result<(), Problem> {
    let label = format!("{}={id}", label::AGENT);
    let options = ListVolumesOptionsBuilder::default()
        .filters(&HashMap::from([("label", vec![label.as_str()])]))
        .build();
    let found = context.docker()?.list_volumes(Some(options)).await;
    let found = found.map_err(|error| engine::problem("list the agent's volumes", &error))?;
    for volume in found.volumes.unwrap_or_default() {
        match context.docker()?.remove_volume(&volume.name, None::<RemoveVolumeOptions>).await {
            Err(error) if !engine::is_missing(&error) => {
                return Err(engine::problem("remove the agent's volume", &error));
            }
            _ => {}
        }
    }
    Ok(())
}
