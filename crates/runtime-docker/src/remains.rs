//! What is left of agents: containers that run, and how others ended.

use std::collections::HashMap;
use std::time::Duration;

use bollard::errors::Error;
use bollard::models::{ContainerState, ContainerStateStatusEnum, ContainerSummaryStateEnum};
use bollard::query_parameters::{
    ListContainersOptionsBuilder, ListVolumesOptionsBuilder, RemoveContainerOptionsBuilder,
    RemoveVolumeOptions,
};
use parallax_api::{AgentExit, AgentId, Problem, Time};
use parallax_runtime_core::FoundHost;
use parallax_runtime_core::host::HostClient;

use crate::backend::DockerBackend;
use crate::container::{label, name};
use crate::engine;

/// How long a container that is being removed may take to be gone, and how often is looked.
const REMOVING: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// How the engine writes a time that never was.
const NEVER: &str = "0001-";
/// A shell's way of telling the signal that ended a program: 128 and its number.
const BY_SIGNAL: i64 = 128;

impl DockerBackend {
    /// Every container of this server.
    pub(crate) async fn all(&self) -> Result<Vec<FoundHost>, Problem> {
        let ours = format!("{}={}", label::SERVER, self.identity.server());
        let options = ListContainersOptionsBuilder::default()
            .all(true)
            .filters(&HashMap::from([("label", vec![ours.as_str()])]))
            .build();
        let found = self.docker()?.list_containers(Some(options)).await;
        let found = found.map_err(|error| engine::problem("list the agents' containers", &error))?;
        let mut survivors = Vec::new();
        for summary in found {
            let id = summary.labels.and_then(|mut labels| labels.remove(label::AGENT));
            let Some(id) = id.and_then(|id| id.parse::<AgentId>().ok()) else {
                // The server died while it filled the host's volume.
                self.remove_filler(&summary.id.unwrap_or_default()).await;
                continue;
            };
            // A paused one does not answer, and is not dead.
            let runs = [ContainerSummaryStateEnum::RUNNING, ContainerSummaryStateEnum::PAUSED]
                .iter()
                .any(|alive| summary.state.as_ref() == Some(alive));
            survivors.extend(match runs {
                true => {
                    let networks = summary.network_settings.and_then(|settings| settings.networks);
                    let address = Some(self.reach.address(self.docker()?, &id, networks).await);
                    Some(FoundHost { id, address, ended: None })
                }
                // How it ended stands elsewhere.
                false => self.one(&id).await?,
            });
        }
        Ok(survivors)
    }

    /// The container of this agent.
    pub(crate) async fn one(&self, id: &AgentId) -> Result<Option<FoundHost>, Problem> {
        let found = match self.docker()?.inspect_container(&name(id), None).await {
            Ok(found) => found,
            Err(error) if engine::is_missing(&error) => return Ok(None),
            Err(error) => return Err(engine::problem("look for the agent's container", &error)),
        };
        let state = found.state.unwrap_or_default();
        let runs = [ContainerStateStatusEnum::RUNNING, ContainerStateStatusEnum::PAUSED]
            .iter()
            .any(|alive| state.status.as_ref() == Some(alive));
        let address = if runs {
            let networks = found.network_settings.and_then(|settings| settings.networks);
            Some(self.reach.address(self.docker()?, id, networks).await)
        } else {
            None
        };
        let ended = address.is_none().then(|| ended(&state)).flatten();
        Ok(Some(FoundHost { id: id.clone(), address, ended }))
    }

    /// Ends the container and takes it away with its volumes.
    pub(crate) async fn take_away(&self, id: &AgentId, grace: Duration) -> Result<(), Problem> {
        if !grace.is_zero()
            && let Some(address) = self.one(id).await?.and_then(|survivor| survivor.address)
        {
            HostClient::new(address).leave(grace).await;
        }
        let began = tokio::time::Instant::now();
        loop {
            let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
            match self.docker()?.remove_container(&name(id), Some(options)).await {
                Ok(()) => return Ok(()),
                Err(error) if engine::is_missing(&error) => return self.take_away_volumes(id).await,
                // Somebody else removes it already.
                Err(error) if is_under_way(&error) && began.elapsed() < REMOVING => {
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
                Err(error) => return Err(engine::problem("remove the agent's container", &error)),
            }
        }
    }
}

impl DockerBackend {
    async fn remove_filler(&self, container: &str) {
        let Ok(docker) = self.docker() else { return };
        let options = RemoveContainerOptionsBuilder::default().force(true).build();
        if let Err(error) = docker.remove_container(container, Some(options)).await {
            tracing::warn!(
                container,
                error = engine::words(&error),
                "failed to remove a container that was left"
            );
        }
    }

    /// Whoever removed the container itself (`docker rm`) may have left its volume.
    async fn take_away_volumes(&self, id: &AgentId) -> Result<(), Problem> {
        let label = format!("{}={id}", label::AGENT);
        let options = ListVolumesOptionsBuilder::default()
            .filters(&HashMap::from([("label", vec![label.as_str()])]))
            .build();
        let found = self.docker()?.list_volumes(Some(options)).await;
        let found = found.map_err(|error| engine::problem("list the agent's volumes", &error))?;
        for volume in found.volumes.unwrap_or_default() {
            match self.docker()?.remove_volume(&volume.name, None::<RemoveVolumeOptions>).await {
                Err(error) if !engine::is_missing(&error) => {
                    return Err(engine::problem("remove the agent's volume", &error));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn is_under_way(error: &Error) -> bool {
    engine::is_conflict(error)
}

/// How a container ended whose host could not tell how its agent did. None: it never ran.
fn ended(state: &ContainerState) -> Option<AgentExit> {
    let at = state.finished_at.as_ref().and_then(|at| at.parse::<Time>().ok())?;
    let never = |at: &Option<String>| at.as_deref().is_none_or(|at| at.starts_with(NEVER));
    if never(&state.started_at) || never(&state.finished_at) {
        return None;
    }
    let code = state.exit_code.unwrap_or_default();
    let signal = match code - BY_SIGNAL {
        9 => Some("SIGKILL".to_owned()),
        15 => Some("SIGTERM".to_owned()),
        _ => None,
    };
    // The engine also says so of a container in which anything was killed for want of memory at any time.
    let is_oom = state.oom_killed == Some(true) && code == BY_SIGNAL + 9;
    let reason = if is_oom { "oom" } else { "container_ended" };
    Some(AgentExit { code: i32::try_from(code).ok(), signal, reason: reason.into(), at })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_a_container_ended() {
        let state = |code, oom| ContainerState {
            started_at: Some("2026-11-22T10:00:00.1Z".into()),
            finished_at: Some("2026-11-22T10:00:01.5Z".into()),
            exit_code: Some(code),
            oom_killed: Some(oom),
            ..ContainerState::default()
        };
        let told = |state: &ContainerState| ended(state).map(|exit| (exit.code, exit.signal, exit.reason));
        let kill = || Some("SIGKILL".to_owned());
        assert_eq!(told(&state(137, false)), Some((Some(137), kill(), "container_ended".into())));
        assert_eq!(told(&state(137, true)), Some((Some(137), kill(), "oom".into())));
        assert_eq!(told(&state(1, false)), Some((Some(1), None, "container_ended".into())));
        assert_eq!(
            told(&state(1, true)),
            Some((Some(1), None, "container_ended".into())),
            "something else was killed"
        );
        let running = ContainerState { finished_at: Some("0001-01-01T00:00:00Z".into()), ..state(0, false) };
        assert_eq!(told(&running), None);
        let never = "0001-01-01T00:00:00Z".to_owned();
        let created =
            ContainerState { started_at: Some(never.clone()), finished_at: Some(never), ..state(0, false) };
        assert_eq!(told(&created), None);
    }
}
