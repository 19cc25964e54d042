//! Waiting for the host of an agent that was launched, and saying why it did not come.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::api::LogParams;
use kube::{Resource as _, ResourceExt as _};
use parallax_api::host::HostStarted;
use parallax_api::{AgentId, Code, Problem};
use parallax_runtime_core::HostAddress;
use parallax_runtime_core::host::HostClient;

use crate::cluster;
use crate::context::Context;
use crate::names;
use crate::pod::{AGENT, WorkspaceVolume};
use crate::pod_state::{self, PodState};
use crate::resource::ParallaxAgent;

/// How often a pod is looked at, and its host called, when no watch reports a change.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// How long an agent of a resource waits for room in one attempt: less than the server gives a launch.
const MAX_ROOM_TIMEOUT: Duration = Duration::from_secs(240);
/// How long the claim that is made for an agent may take to get its storage.
const STORAGE_TIMEOUT: Duration = Duration::from_secs(90);
/// What the scheduler says of a pod whose claim has none yet.
const NO_STORAGE: &str = "PersistentVolumeClaim";
/// How long one call to a host may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// How much is read of the output of a host that failed, in bytes: its agent's last output is in it.
const MAX_OUTPUT: i64 = 256 * 1024;
/// How much of it an error carries.
const MAX_SHOWN_OUTPUT: usize = 4096;

/// Waits until the agent's host answers, or it is certain that it will not. `limited`: an agent that no node has room for
/// is given up after the room timeout.
pub(super) async fn for_host(context: &Context, id: &AgentId, limited: bool) -> Result<HostAddress, Problem> {
    let mut changes = context.cache.changes();
    let mut unschedulable_since = None;
    let mut was_cached = false;
    loop {
        let resource = context.cache.resource_of(id);
        was_cached |= resource.is_some();
        if was_cached && resource.as_ref().is_none_or(|resource| resource.meta().deletion_timestamp.is_some())
        {
            return Err(Problem::new(Code::SpawnFailed, "the agent's resource was deleted while it started"));
        }
        if let Some(problem) = context.launches.get(id).failure {
            return Err(problem);
        }
        let state = context.cache.pod(id).map(|pod| (pod_state::of(&pod), pod));
        let mut waiting_for = None;
        match state {
            None => {}
            Some((PodState::Pending(reason), pod)) => {
                // The host may listen a second or two before the cluster reports that the pod runs.
                let ip = pod.status.as_ref().and_then(|status| status.pod_ip.as_deref());
                if let Some(address) = context.connector.early_address(id, ip).await
                    && answers(&address).await
                {
                    return Ok(address);
                }
                waiting_for = reason;
            }
            Some((PodState::Unschedulable(message), _)) => {
                let since = *unschedulable_since.get_or_insert_with(tokio::time::Instant::now);
                let waits_for_storage =
                    message.contains(NO_STORAGE) && has_claim_of_its_own(resource.as_deref(), id);
                let timeout = match limited {
                    true if waits_for_storage => context.room_timeout.max(STORAGE_TIMEOUT),
                    true => context.room_timeout,
                    false => MAX_ROOM_TIMEOUT,
                };
                if since.elapsed() >= timeout {
                    let mut problem = pod_state::unschedulable(&message);
                    if waits_for_storage {
                        problem.detail += "; the agent's claim got no storage: is there a storage class (--workspace-storage-class)?";
                    }
                    return Err(problem);
                }
                waiting_for = Some(message);
            }
            Some((PodState::Failed(problem, is_transient), _)) => {
                context.launches.update(id, |state| state.is_transient = is_transient);
                return Err(problem);
            }
            Some((PodState::Terminated, pod)) => return Err(start_failure(context, &pod).await),
            Some((PodState::Running(_), pod)) => {
                let address = context.connector.address(id, &pod).await;
                if answers(&address).await {
                    return Ok(address);
                }
            }
        }
        if context.launches.get(id).waiting_for != waiting_for {
            context.launches.update(id, |state| state.waiting_for = waiting_for);
            resource.iter().for_each(|resource| context.cache.enqueue(&resource.name_any()));
        }
        // A change or the interval, whichever is first: both mean to look again.
        let _ = tokio::time::timeout(POLL_INTERVAL, changes.changed()).await;
    }
}

/// Whether the agent works on a claim that was made for it.
fn has_claim_of_its_own(resource: Option<&ParallaxAgent>, id: &AgentId) -> bool {
    let claim = resource.and_then(|resource| WorkspaceVolume::claim_of(&resource.spec, id));
    claim.is_some_and(|claim| claim == names::claim(id))
}

/// Waits until the cache knows the pod that an agent got from the pool: whoever looks for the agent looks there.
pub(super) async fn for_cache(context: &Context, id: &AgentId) -> Result<(), Problem> {
    let mut changes = context.cache.changes();
    let known = async {
        while context.cache.pod(id).is_none() {
            drop(changes.changed().await);
        }
    };
    tokio::time::timeout(CALL_TIMEOUT, known)
        .await
        .map_err(|_| cluster::away("it does not show the agent's pod"))
}

/// Why a host ended before it answered: what it said itself, if anything.
pub(crate) async fn start_failure(context: &Context, pod: &Pod) -> Problem {
    let params =
        LogParams { container: Some(AGENT.into()), limit_bytes: Some(MAX_OUTPUT), ..LogParams::default() };
    let output = context.cluster.pods().logs(&pod.name_any(), &params).await.unwrap_or_default();
    if let Some(HostStarted::Failed(problem)) =
        output.lines().find_map(|line| serde_json::from_str(line).ok())
    {
        return problem;
    }
    let exit = pod_state::exit(pod);
    let reason = exit.as_ref().map_or("container_ended", |exit| exit.reason.as_str());
    if reason == "oom" {
        let detail = "the agent's memory is too small for its host; give it more";
        return Problem::new(Code::ResourceLimit, detail).with("field", "resources.memory");
    }
    let message = pod_state::message(pod).unwrap_or_default();
    let code =
        exit.as_ref().and_then(|exit| exit.code).map(|code| format!(" with code {code}")).unwrap_or_default();
    let detail = format!("the agent's host did not start: its container ended{code} ({reason}) {message}");
    let shown = &output[output.floor_char_boundary(output.len().saturating_sub(MAX_SHOWN_OUTPUT))..];
    Problem::new(Code::SpawnFailed, detail.trim_end()).with("output", shown)
}

async fn answers(address: &HostAddress) -> bool {
    let host = HostClient::new(address.clone());
    matches!(tokio::time::timeout(CALL_TIMEOUT, host.agent()).await, Ok(Ok(_)))
}
