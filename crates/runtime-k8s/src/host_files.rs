//! The files of a dead host that stand on a claim: a pod of a few seconds mounts it for reading and hands them out.

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::Resource as _;
use kube::api::{DeleteParams, PostParams};
use kube::runtime::wait::await_condition;
use parallax_api::{AgentId, Code, Problem};
use parallax_runtime_core::PackedFiles;
use parallax_runtime_core::host::HostClient;

use crate::cluster::{self, missing_is_success};
use crate::context::Context;
use crate::names;
use crate::pod::{self, WorkspaceVolume};
use crate::pod_state::{self, PodState};
use crate::removal::current_resource;
use crate::resource::ParallaxAgent;

/// How long the pod may take to run: its image is the host's, which this cluster has run before.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// Between tries to reach the program in it.
const ASK_INTERVAL: Duration = Duration::from_millis(200);
/// How long the program may take to listen.
const LISTEN_TIMEOUT: Duration = Duration::from_secs(20);

/// Copies what the agent's host wrote on its claim below `scratch`. None: it wrote into a directory of its pod, or the claim goes.
pub(crate) async fn host_files(
    context: &Context,
    id: &AgentId,
    scratch: &Path,
) -> Result<Option<PathBuf>, Problem> {
    let resource = current_resource(context, id).await?;
    let Some(resource) = resource.filter(|resource| resource.meta().deletion_timestamp.is_none()) else {
        return Ok(None);
    };
    let Some(claim) = WorkspaceVolume::claim_of(&resource.spec, id) else { return Ok(None) };
    let found = context.cluster.claims().get_opt(&claim).await;
    let found = found.map_err(|error| cluster::problem("look for the agent's claim", &error))?;
    if found.is_none_or(|claim| claim.meta().deletion_timestamp.is_some()) {
        return Ok(None);
    }
    let copied = copy(context, id, &resource, scratch).await;
    remove_exporter(context, id).await?;
    copied.map(Some)
}

async fn copy(
    context: &Context,
    id: &AgentId,
    resource: &ParallaxAgent,
    scratch: &Path,
) -> Result<PathBuf, Problem> {
    // Left by a server that died.
    remove_exporter(context, id).await?;
    let exporter = pod::exporter(resource, id, &context.pods, &context.token_key.verifier(id));
    let made = context.cluster.pods().create(&PostParams::default(), &exporter).await;
    made.map_err(|error| cluster::problem("make the pod that hands out a dead host's files", &error))?;
    let ip = running(context, id).await?;
    let address = context.connector.address_in(names::export_pod(id), id, ip.as_deref()).await;
    let host = HostClient::new(address);
    let asking = async {
        loop {
            match host.export().await {
                Ok(answer) => return answer,
                Err(error) => tracing::debug!(%error, "the files are not handed out yet"),
            }
            tokio::time::sleep(ASK_INTERVAL).await;
        }
    };
    let answer = tokio::time::timeout(LISTEN_TIMEOUT, asking).await;
    let answer = answer.map_err(|_| not_yet("does not answer"))?;
    let mut parts = answer.into_body().into_data_stream();
    let mut packed = PackedFiles::create(scratch).await?;
    while let Some(part) = parts.next().await {
        if !packed.add(&part.map_err(|error| not_yet(&format!("broke off: {error}")))?).await? {
            break;
        }
    }
    packed.unpack().await
}

/// Waits until the pod runs, and gives its address.
async fn running(context: &Context, id: &AgentId) -> Result<Option<String>, Problem> {
    let name = names::export_pod(id);
    let is_decided = |pod: Option<&Pod>| {
        pod.is_none_or(|pod| !matches!(pod_state::of(pod), PodState::Pending(_) | PodState::Unschedulable(_)))
    };
    let waiting = await_condition(context.cluster.pods(), &name, is_decided);
    let pod = tokio::time::timeout(START_TIMEOUT, waiting).await;
    let pod = pod.map_err(|_| not_yet("does not start"))?;
    let pod = pod.map_err(|error| not_yet(&format!("cannot be watched: {error}")))?;
    match pod.as_ref().map(pod_state::of) {
        Some(PodState::Running(ip)) => Ok(ip),
        Some(PodState::Failed(problem, _)) => Err(problem),
        _ => Err(not_yet("has ended before it handed out anything")),
    }
}

async fn remove_exporter(context: &Context, id: &AgentId) -> Result<(), Problem> {
    let params = DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::background() };
    let deleted = context.cluster.pods().delete(&names::export_pod(id), &params).await.map(drop);
    missing_is_success(deleted).map_err(|error| cluster::problem("delete a pod", &error))
}

fn not_yet(what: &str) -> Problem {
    Problem::new(Code::RuntimeUnavailable, format!("the pod that hands out a dead host's files {what}"))
}
