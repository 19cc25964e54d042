//! Keeping the pools full, and removing what does not belong to them.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{DeleteParams, ListParams, PostParams, Preconditions};
use kube::{Resource as _, ResourceExt as _};
use parallax_api::{AgentId, Problem};
use parallax_runtime_core::host::HostClient;
use parallax_service::shutdown::Shutdown;
use tokio::time::Instant;

use super::claim::is_unfinished;
use super::slots::{Slot, waits};
use crate::cluster;
use crate::context::Context;
use crate::names::{self, CLAIMED, WAITING, label};
use crate::pod;
use crate::pod_state::{self, PodState};

/// How often hosts are asked whether they wait. One that is not asked for ten times as long ends by itself.
const VISIT_INTERVAL: Duration = Duration::from_secs(30);
/// How long after a failure it is tried again, and the pause between two looks at what has changed.
const RETRY_INTERVAL: Duration = Duration::from_secs(10);
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// How long the cache may take to show a pod that was made.
const CACHE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the pods may take to be deleted when the server ends.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(6);

/// Between two looks whether they are.
const DRAIN_INTERVAL: Duration = Duration::from_millis(200);

/// Keeps the pools full until the shutdown, then removes what waits. `replica` is this server's pod, where it has one.
pub(crate) fn run(context: Arc<Context>, replica: String, shutdown: Shutdown) {
    shutdown.tracker().clone().spawn(async move {
        tokio::select! {
            () = keep_full(&context, &replica) => {}
            () = shutdown.begun() => {}
        }
        if context.pool.slots.is_empty() {
            return;
        }
        if tokio::time::timeout(DRAIN_TIMEOUT, drain(&context)).await.is_err() {
            tracing::warn!("the pool could not be removed in time; its pods end by themselves");
        }
    });
}

async fn keep_full(context: &Context, replica: &str) {
    let pool = &context.pool;
    if let Err(problem) = context.cache.wait_until_ready().await {
        tracing::warn!(%problem, "the pool is filled later");
    }
    if pool.slots.is_empty() {
        // There was a pool before.
        remove_useless(context).await;
        return;
    }
    let owner = owner(context, replica).await;
    let mut visited = Instant::now();
    loop {
        let mut changes = context.cache.changes();
        pool.forget_gone(&context.cache);
        let have_ended = remove_useless(context).await;
        if visited.elapsed() >= VISIT_INTERVAL {
            visited = Instant::now();
            visit(context).await;
            remove_unfinished(context).await;
        }
        let mut filled = Ok(());
        for slot in &pool.slots {
            let made = fill(context, slot, owner.as_ref()).await;
            pool.count(&context.cache, slot);
            filled = filled.and(made);
        }
        let pause = match filled {
            Ok(()) if have_ended => RETRY_INTERVAL,
            Ok(()) => LOOK_INTERVAL,
            Err(problem) => {
                tracing::warn!(%problem, "the pool cannot be filled; agents start cold");
                RETRY_INTERVAL
            }
        };
        tokio::time::sleep(pause).await;
        // Whichever is first: all mean to look again.
        tokio::select! {
            () = pool.claimed.notified() => {}
            changed = changes.changed() => drop(changed),
            () = tokio::time::sleep_until(visited + VISIT_INTERVAL) => {}
        }
    }
}

/// Makes what is missing, removes what is too much.
async fn fill(context: &Context, slot: &Slot, owner: Option<&OwnerReference>) -> Result<(), Problem> {
    let pods = context.pool.pods(&context.cache, slot);
    for pod in pods.iter().rev().take(pods.len().saturating_sub(slot.size)) {
        discard(context, pod).await;
    }
    for _ in pods.len()..slot.size {
        make(context, slot, owner).await?;
    }
    Ok(())
}

/// Makes a pod, and waits until the cache has it, so that it is counted.
async fn make(context: &Context, slot: &Slot, owner: Option<&OwnerReference>) -> Result<(), Problem> {
    let name = names::pool_pod();
    let verifier = context.token_key.pool_verifier(&name);
    let pod = pod::waiting(&slot.resource, &name, &slot.digest, &context.pods, &verifier, owner.cloned());
    let mut changes = context.cache.changes();
    // Before the request: who is interrupted may have made it all the same.
    context.pool.remember_made(&name);
    let made = context.cluster.pods().create(&PostParams::default(), &pod).await;
    made.map_err(|error| cluster::problem("make a pod of the pool", &error))?;
    let cached = async {
        while !context.cache.pool_pods(WAITING).iter().any(|pod| pod.name_any() == name) {
            drop(changes.changed().await);
        }
    };
    tokio::time::timeout(CACHE_TIMEOUT, cached)
        .await
        .map_err(|_| cluster::away("it does not show a pod of the pool that it has made"))
}

/// Asks the hosts whether they wait; those that do not are removed.
async fn visit(context: &Context) {
    let pods = context.pool.slots.iter().flat_map(|slot| context.pool.pods(&context.cache, slot));
    let visits = pods.filter(|pod| waits(pod)).map(async |pod| {
        let host = HostClient::new(context.connector.pool_address(&pod).await);
        let Err(problem) = host.waits().await else { return };
        // One that was claimed meanwhile has its agent's token.
        if let Some(taken) = context.pool.take(&pod.name_any()) {
            tracing::warn!(pod = pod.name_any(), %problem, "a pod of the pool does not wait; it is removed");
            discard(context, &pod).await;
            drop(taken);
        }
    });
    join_all(visits).await;
}

/// Removes pods that are of no use: of another template than the slots have, or ended. Answers whether any had ended by itself: the next ones may
/// as well.
async fn remove_useless(context: &Context) -> bool {
    let mut have_ended = false;
    for pod in context.cache.pool_pods(WAITING) {
        let has_ended = pod_state::of(&pod) == PodState::Terminated;
        have_ended |= has_ended && pod.meta().deletion_timestamp.is_none();
        if has_ended || !context.pool.slots.iter().any(|slot| slot.made(&pod)) {
            discard(context, &pod).await;
        }
    }
    have_ended
}

/// Removes pods that were given to agents of whom nobody was told. Not before this server has led for a while: the one before it may
/// still be telling.
async fn remove_unfinished(context: &Context) {
    for pod in context.cache.pool_pods(CLAIMED) {
        let agent: Option<AgentId> = pod.labels().get(label::AGENT).and_then(|id| id.parse().ok());
        if agent.is_some_and(|id| is_unfinished(context, &id, &pod)) {
            discard(context, &pod).await;
        }
    }
}

/// Removes what waited when this began, and not what the next leader makes meanwhile. As the API server has it, until there is none: one may have been made a moment ago, and one that starts changes
/// under the hand.
async fn drain(context: &Context) {
    let mut ours = context.pool.made();
    ours.extend(context.cache.pool_pods(WAITING).iter().map(|pod| pod.name_any()));
    let params = ListParams::default().labels(&format!(
        "{}={},{}={WAITING}",
        label::RUNTIME,
        context.pods.instance,
        label::POOL
    ));
    loop {
        match context.cluster.pods().list(&params).await {
            Ok(pods) => {
                let left: Vec<&Pod> = pods
                    .items
                    .iter()
                    .filter(|pod| ours.contains(&pod.name_any()) && pod.meta().deletion_timestamp.is_none())
                    .collect();
                if left.is_empty() {
                    return;
                }
                join_all(left.into_iter().map(|pod| discard(context, pod))).await;
            }
            Err(error) => {
                tracing::warn!(error = cluster::message(&error), "the pods of the pool cannot be listed");
            }
        }
        tokio::time::sleep(DRAIN_INTERVAL).await;
    }
}

/// Deletes a pod if it is still as it was read: one that an agent has meanwhile stays. What is left is tried again, or ends by itself.
pub(super) async fn discard(context: &Context, pod: &Pod) {
    // Nothing runs in it: the node's tidying up, which can take half a minute, need not be waited for.
    let has_stopped = pod_state::has_stopped(pod);
    if pod.meta().deletion_timestamp.is_some() && !has_stopped {
        return;
    }
    let params = DeleteParams {
        preconditions: Some(Preconditions { resource_version: pod.resource_version(), uid: pod.uid() }),
        grace_period_seconds: Some(u32::from(!has_stopped)),
        ..DeleteParams::background()
    };
    match context.cluster.pods().delete(&pod.name_any(), &params).await {
        Ok(_) => {}
        Err(error) if cluster::is_missing(&error) || cluster::is_conflict(&error) => {}
        Err(error) => {
            let error = cluster::message(&error);
            tracing::warn!(pod = pod.name_any(), error, "a pod of the pool cannot be removed");
        }
    }
}

/// This server's pod, when it is in the namespace of the agents: pods that wait go with it.
async fn owner(context: &Context, replica: &str) -> Option<OwnerReference> {
    if context.pool.slots.is_empty() || context.cluster.server_namespace != context.cluster.namespace {
        return None;
    }
    match context.cluster.pods().get_opt(replica).await {
        Ok(pod) => pod?.owner_ref(&()),
        Err(error) => {
            tracing::warn!(error = cluster::message(&error), "this server's pod is not known");
            None
        }
    }
}
