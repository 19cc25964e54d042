//! What is said of a class in its status: whether it is of use, and why not.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt as _;
use kube::api::{DynamicObject, Patch, PatchParams};
use serde_json::json;

use super::Refusal;
use crate::cluster;
use crate::context::Context;
use crate::resource::{Condition, ParallaxAgentClassStatus};

/// The condition.
pub(super) const READY: &str = "Ready";

/// Writes the condition, when it is another one.
pub(super) async fn write_status(context: &Context, object: &DynamicObject, refusal: Option<Refusal>) {
    let before = status_of(object);
    let (status, reason, message) = match refusal {
        None => ("True", "Taken", None),
        Some((reason, message)) => ("False", reason, Some(message)),
    };
    let was = before.conditions.iter().find(|condition| condition.r#type == READY);
    let since = was.filter(|was| was.status == status).map(|was| was.last_transition_time.clone());
    let condition = Condition {
        r#type: READY.into(),
        status: status.into(),
        reason: reason.into(),
        message,
        observed_generation: object.metadata.generation,
        last_transition_time: since.unwrap_or_else(|| Time(jiff::Timestamp::now())),
    };
    let after = ParallaxAgentClassStatus {
        conditions: vec![condition],
        observed_generation: object.metadata.generation,
    };
    if before == after {
        return;
    }
    let patch = Patch::Merge(json!({ "status": after }));
    let name = object.name_any();
    match context.cluster.classes().patch_status(&name, &PatchParams::default(), &patch).await {
        Ok(_) => {}
        Err(error) if cluster::is_missing(&error) => {}
        Err(error) => {
            tracing::warn!(
                class = name,
                error = cluster::message(&error),
                "the status of a class cannot be written"
            );
        }
    }
}

/// What is written there; nothing, when it cannot be read.
pub(super) fn status_of(object: &DynamicObject) -> ParallaxAgentClassStatus {
    let status = object.data.get("status").cloned().unwrap_or_default();
    serde_json::from_value(status).unwrap_or_default()
}
