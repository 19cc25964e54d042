//! Finding the hosts of this runtime: pods that run, and how the others ended.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::Resource as _;
use parallax_api::{AgentExit, AgentId, Problem, Time};
use parallax_runtime_core::FoundHost;

use crate::context::Context;
use crate::pod_state::{self, PodState};
use crate::{cluster, pool};

/// A node that has not removed a pod this long after its grace period is taken for lost.
const NODE_LOST_TIMEOUT: Duration = Duration::from_secs(20);

/// Every pod of this runtime whose host runs or has run.
pub(crate) async fn list_hosts(context: &Context) -> Result<Vec<FoundHost>, Problem> {
    context.cache.wait_until_ready().await?;
    let mut hosts = Vec::new();
    for (id, pod) in context.cache.pods() {
        hosts.extend(found_host(context, &id, &pod).await);
    }
    Ok(hosts)
}

/// The host of one agent. The cache may be behind while the API server is away; the host is then where it was.
pub(crate) async fn find_host(context: &Context, id: &AgentId) -> Result<Option<FoundHost>, Problem> {
    context.cache.wait_until_ready().await?;
    Ok(match context.cache.pod(id) {
        Some(pod) => match found_host(context, id, &pod).await {
            Some(host) => Some(host),
            // The caller knows that the host ran. `None` would mean that it is gone.
            None => return Err(cluster::away("it does not say yet that the agent's pod runs")),
        },
        None => {
            let exit = context.cache.recent_exit(id);
            exit.map(|exit| FoundHost { id: id.clone(), address: None, ended: Some(exit) })
        }
    })
}

/// None: the host does not run yet, as far as the cluster says.
async fn found_host(context: &Context, id: &AgentId, pod: &Pod) -> Option<FoundHost> {
    let ended = |exit| Some(FoundHost { id: id.clone(), address: None, ended: Some(exit) });
    if pool::claim::is_unfinished(context, id, pod) {
        return None;
    }
    let alive = |address| Some(FoundHost { id: id.clone(), address: Some(address), ended: None });
    match pod_state::of(pod) {
        // Also one whose init container failed: no agent was started in it.
        PodState::Terminated | PodState::Failed(..) => ended(pod_state::exit(pod)?),
        PodState::Running(_) if node_is_lost(pod) => ended(AgentExit::for_reason("node_lost", Time::now())),
        PodState::Running(_) => alive(context.connector.address(id, pod).await),
        PodState::Pending(_) => {
            let ip = pod.status.as_ref().and_then(|status| status.pod_ip.as_deref());
            alive(context.connector.early_address(id, ip).await?)
        }
        PodState::Unschedulable(_) => None,
    }
}

/// Whether the pod should have been gone for so long that its node must be lost.
pub(crate) fn node_is_lost(pod: &Pod) -> bool {
    let reported = pod.status.as_ref().and_then(|status| status.reason.as_deref()) == Some("NodeLost");
    // The deletion timestamp already includes the grace period.
    let deadline = pod.meta().deletion_timestamp.as_ref().map(|deadline| deadline.0);
    let is_late = deadline.is_some_and(|deadline| {
        let late = jiff::Timestamp::now().duration_since(deadline);
        u64::try_from(late.as_secs()).is_ok_and(|late| late >= NODE_LOST_TIMEOUT.as_secs())
    });
    reported || is_late
}
