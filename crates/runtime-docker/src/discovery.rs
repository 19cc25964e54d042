//! Finding the hosts of this server: containers that run, and how the others ended.

use std::collections::HashMap;

use bollard::models::{
    ContainerState, ContainerStateStatusEnum, ContainerSummaryStateEnum, EndpointSettings,
};
use bollard::query_parameters::ListContainersOptionsBuilder;
use parallax_api::{AgentExit, AgentId, Problem, Time};
use parallax_runtime_core::FoundHost;

use crate::context::Context;
use crate::engine;
use crate::host_volume::remove_filler;
use crate::layout::{agent_of, container_name, label};

/// How the engine writes a time that never was.
const NEVER: &str = "0001-";
/// The exit code of a program that was ended by a signal is 128 and the signal's number.
const SIGNAL_BASE: i64 = 128;

/// Every container of this server.
pub(crate) async fn list_hosts(context: &Context) -> Result<Vec<FoundHost>, Problem> {
    let ours = format!("{}={}", label::SERVER, context.identity.server());
    let options = ListContainersOptionsBuilder::default()
        .all(true)
        .filters(&HashMap::from([("label", vec![ours.as_str()])]))
        .build();
    let found = context.docker()?.list_containers(Some(options)).await;
    let found = found.map_err(|error| engine::problem("list the agents' containers", &error))?;
    let mut hosts = Vec::new();
    for summary in found {
        let labels = summary.labels.unwrap_or_default();
        let Some(id) = agent_of(&labels, summary.names.iter().flatten().map(String::as_str)) else {
            if labels.contains_key(label::POOL) {
                // Nobody's: the pool removes what an earlier server left.
                continue;
            }
            remove_filler(context.docker()?, &summary.id.unwrap_or_default()).await;
            continue;
        };
        // A paused container does not answer, and is not dead.
        let is_alive = matches!(
            summary.state,
            Some(ContainerSummaryStateEnum::RUNNING | ContainerSummaryStateEnum::PAUSED)
        );
        hosts.extend(match is_alive {
            true => {
                let networks = summary.network_settings.and_then(|settings| settings.networks);
                Some(living(context, id, networks).await?)
            }
            // The list does not say how it ended.
            false => find_host(context, &id).await?,
        });
    }
    Ok(hosts)
}

/// The host of one agent.
pub(crate) async fn find_host(context: &Context, id: &AgentId) -> Result<Option<FoundHost>, Problem> {
    let found = match context.docker()?.inspect_container(&container_name(id), None).await {
        Ok(found) => found,
        Err(error) if engine::is_missing(&error) => return Ok(None),
        Err(error) => return Err(engine::problem("look for the agent's container", &error)),
    };
    let state = found.state.unwrap_or_default();
    let is_alive =
        matches!(state.status, Some(ContainerStateStatusEnum::RUNNING | ContainerStateStatusEnum::PAUSED));
    if is_alive {
        let networks = found.network_settings.and_then(|settings| settings.networks);
        return living(context, id.clone(), networks).await.map(Some);
    }
    Ok(Some(FoundHost { id: id.clone(), address: None, ended: exit(&state) }))
}

async fn living(
    context: &Context,
    id: AgentId,
    networks: Option<HashMap<String, EndpointSettings>>,
) -> Result<FoundHost, Problem> {
    let address = Some(context.connector.address(context.docker()?, &id, networks).await);
    Ok(FoundHost { id, address, ended: None })
}

/// How a container ended, for a host that did not report its agent's exit. None: it never ran.
fn exit(state: &ContainerState) -> Option<AgentExit> {
    let at = state.finished_at.as_ref().and_then(|at| at.parse::<Time>().ok())?;
    let never = |at: &Option<String>| at.as_deref().is_none_or(|at| at.starts_with(NEVER));
    if never(&state.started_at) || never(&state.finished_at) {
        return None;
    }
    let code = state.exit_code.unwrap_or_default();
    let signal = match code - SIGNAL_BASE {
        9 => Some("SIGKILL".to_owned()),
        15 => Some("SIGTERM".to_owned()),
        _ => None,
    };
    // The engine also sets the flag when any other process was ever killed for want of memory.
    let is_oom = state.oom_killed == Some(true) && code == SIGNAL_BASE + 9;
    let reason = if is_oom { "oom" } else { "container_ended" };
    Some(AgentExit { code: i32::try_from(code).ok(), signal, reason: reason.into(), at, workspace: None })
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
        let told = |state: &ContainerState| exit(state).map(|exit| (exit.code, exit.signal, exit.reason));
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
