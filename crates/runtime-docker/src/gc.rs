//! Removing what no server owns: containers of servers whose state is gone, unused host volumes, the network when it is
//! unused.

use std::collections::HashMap;

use bollard::Docker;
use bollard::errors::Error;
use bollard::query_parameters::{
    ListContainersOptionsBuilder, ListNetworksOptionsBuilder, ListVolumesOptionsBuilder,
    RemoveContainerOptionsBuilder, RemoveVolumeOptions,
};

use crate::layout::label;
use crate::network::bridge;
use crate::{egress, engine, identity};

/// Removes it and answers what was removed, a line each.
///
/// # Errors
/// When the engine is away.
pub async fn collect() -> anyhow::Result<Vec<String>> {
    let docker = engine::connect()?;
    let mut removed = containers(&docker).await?;
    removed.extend(volumes(&docker).await?);
    removed.extend(networks(&docker).await?);
    Ok(removed)
}

async fn containers(docker: &Docker) -> anyhow::Result<Vec<String>> {
    let filters = HashMap::from([("label", vec![label::SERVER])]);
    let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
    let mut removed = Vec::new();
    for found in docker.list_containers(Some(options)).await? {
        let labels = found.labels.unwrap_or_default();
        let Some(id) = found.id.filter(|_| is_orphaned(&labels)) else { continue };
        let name = labels.get(label::NAME).cloned().unwrap_or_default();
        let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
        let gone = docker.remove_container(&id, Some(options)).await;
        removed.extend(log_or_skip(gone, format!("container {id} ({name})")));
    }
    Ok(removed)
}

fn is_orphaned(labels: &HashMap<String, String>) -> bool {
    let (owner, server) = (labels.get(label::OWNER), labels.get(label::SERVER));
    owner.zip(server).is_some_and(|(owner, server)| identity::exists(owner, server) == Some(false))
}

/// Volumes with hosts' programs that no container uses, and agents' own whose containers somebody removed.
async fn volumes(docker: &Docker) -> anyhow::Result<Vec<String>> {
    let filters = HashMap::from([("dangling", vec!["true"])]);
    let options = ListVolumesOptionsBuilder::default().filters(&filters).build();
    let mut removed = Vec::new();
    for found in docker.list_volumes(Some(options)).await?.volumes.unwrap_or_default() {
        if !found.labels.contains_key(label::SHARED) && !is_orphaned(&found.labels) {
            continue;
        }
        // The engine does not remove what has come into use since.
        let gone = docker.remove_volume(&found.name, None::<RemoveVolumeOptions>).await;
        removed.extend(log_or_skip(gone, format!("volume {}", found.name)));
    }
    Ok(removed)
}

async fn networks(docker: &Docker) -> anyhow::Result<Vec<String>> {
    let shared = format!("{}=network", label::SHARED);
    let options = ListNetworksOptionsBuilder::default()
        .filters(&HashMap::from([("label", vec![shared.as_str()])]))
        .build();
    let mut removed = Vec::new();
    for found in docker.list_networks(Some(options)).await? {
        let bridge = bridge(&found);
        let (Some(id), Some(name)) = (found.id, found.name) else { continue };
        let gone = docker.remove_network(&id).await;
        if gone.is_ok() {
            egress::remove(&bridge).await;
        }
        removed.extend(log_or_skip(gone, format!("network {name}")));
    }
    Ok(removed)
}

fn log_or_skip(gone: Result<(), Error>, what: String) -> Option<String> {
    match gone {
        Ok(()) => Some(what),
        // In use, or somebody else was quicker.
        Err(error) => {
            tracing::debug!(what, error = engine::words(&error), "left alone");
            None
        }
    }
}
