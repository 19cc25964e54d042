//! The label of pods whose agents work: a PodDisruptionBudget selects it, so that a node that is drained waits for them and for
//! nobody else.
//!
//! Agents begin and end turns as often as they like; the API server hears of it at most twice in [`IDLE`].

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use kube::api::{Patch, PatchParams};
use parallax_api::{AgentId, AgentStatus};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::cluster;
use crate::context::Context;
use crate::names::label;

/// How often all pods are looked at: a label is at most so late.
const INTERVAL: Duration = Duration::from_secs(2);
/// An agent that did nothing for so long is not busy any more.
const IDLE: Duration = Duration::from_secs(10);
/// Pods that are labelled at once.
const CONCURRENCY: usize = 4;

/// Keeps the labels as the agents are, until it is dropped. To be started once, by the leader.
pub(crate) async fn keep(context: Arc<Context>) {
    let mut last_busy: HashMap<AgentId, Instant> = HashMap::new();
    loop {
        tokio::time::sleep(INTERVAL).await;
        let pods = context.cache.pods();
        last_busy.retain(|id, _| pods.iter().any(|(known, _)| known == id));
        let mut changes = Vec::new();
        for (id, pod) in pods {
            // Before the first news of an agent its label stays.
            let Some(agent) = context.launches.get(&id).published else { continue };
            let is_busy = agent.status == AgentStatus::Busy;
            if is_busy {
                last_busy.insert(id.clone(), Instant::now());
            }
            let idle_for = last_busy.get(&id).map(Instant::elapsed);
            if let Some(label) = change(is_busy, idle_for, is_labelled(&pod)) {
                changes.push((id, pod.name_any(), label));
            }
        }
        let set = |(id, pod, is_busy): (AgentId, String, bool)| {
            let context = context.clone();
            async move { set(&context, &id, &pod, is_busy).await }
        };
        futures::stream::iter(changes).for_each_concurrent(CONCURRENCY, set).await;
    }
}

/// What the label is to become; none when it is right. `idle_for`: since the agent was last seen busy.
fn change(is_busy: bool, idle_for: Option<Duration>, is_labelled: bool) -> Option<bool> {
    match (is_busy, is_labelled) {
        (true, false) => Some(true),
        (false, true) if idle_for.is_none_or(|idle| idle >= IDLE) => Some(false),
        _ => None,
    }
}

fn is_labelled(pod: &Pod) -> bool {
    pod.labels().get(label::BUSY).is_some_and(|value| value == "true")
}

async fn set(context: &Context, id: &AgentId, pod: &str, is_busy: bool) {
    let value = if is_busy { json!("true") } else { Value::Null };
    let patch = Patch::Merge(json!({"metadata": {"labels": {label::BUSY: value}}}));
    match context.cluster.pods().patch(pod, &PatchParams::default(), &patch).await {
        Ok(_) => {}
        Err(error) if cluster::is_missing(&error) => {}
        Err(error) => {
            tracing::warn!(agent.id = %id, error = cluster::message(&error), "a pod's label `{}` is not set", label::BUSY);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_sets_it_and_a_pause_takes_it_away() {
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(change(true, seconds(0), false), Some(true));
        assert_eq!(change(true, seconds(0), true), None);
        assert_eq!(change(false, seconds(1), true), None, "the next turn may begin at once");
        assert_eq!(change(false, seconds(10), true), Some(false));
        assert_eq!(change(false, None, true), Some(false), "an earlier server set it");
        assert_eq!(change(false, seconds(60), false), None);
    }
}
