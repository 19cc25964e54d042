//! The label of the leader's pod: the Service selects it, so that replicas that stand by can be ready without being called.

use std::time::Duration;

use kube::ResourceExt as _;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::cluster::{self, Cluster};
use crate::names::label;

/// How long one request may take: a replica that starts without the API server must not wait for it here.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(4);

/// Marks this replica's pod as the leader's, and the others' as not. Outside of a cluster there is no pod of that name.
pub(crate) async fn mark(cluster: &Cluster, instance: &str, replica: &str) {
    set(cluster, replica, &json!(instance)).await;
    let params = ListParams::default().labels(&format!("{}={instance}", label::LEADER));
    match cluster.pods().list(&params).await {
        Ok(pods) => {
            for pod in pods.items.iter().map(kube::ResourceExt::name_any).filter(|pod| pod != replica) {
                set(cluster, &pod, &Value::Null).await;
            }
        }
        Err(error) => {
            tracing::warn!(error = cluster::message(&error), "failed to look for pods of other leaders");
        }
    }
}

/// Marks this replica's pod as not the leader's: its container may have led before it was restarted.
pub(crate) async fn unmark(cluster: &Cluster, replica: &str) {
    set(cluster, replica, &Value::Null).await;
}

async fn set(cluster: &Cluster, pod: &str, value: &Value) {
    let patch = json!({"metadata": {"labels": {label::LEADER: value}}});
    let (pods, params, patch) = (cluster.pods(), PatchParams::default(), Patch::Merge(&patch));
    let patched = pods.patch(pod, &params, &patch);
    let Ok(patched) = tokio::time::timeout(REQUEST_TIMEOUT, patched).await else {
        return tracing::warn!(pod, "the API server did not set the label of the leader in time");
    };
    match patched {
        Ok(pod) => tracing::debug!(pod = pod.name_any(), "the label of the leader was set"),
        Err(error) if cluster::is_missing(&error) => {}
        Err(error) => {
            tracing::warn!(pod, error = cluster::message(&error), "failed to set the label of the leader");
        }
    }
}
