//! Writing a resource's status: only when it differs, and only over the version that was read.

use kube::api::{Patch, PatchParams};
use kube::runtime::controller::Action;
use kube::runtime::events::EventType;
use kube::{Resource as _, ResourceExt as _};
use parallax_api::{AgentId, Problem};
use serde_json::{Map, Value, json};

use super::conditions::{CURRENT, Drift, conditions};
use crate::cluster;
use crate::context::Context;
use crate::pod;
use crate::resource::{AgentState, ParallaxAgent, ParallaxAgentStatus, Phase};

/// What a reconciliation wants the status to say.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct StatusUpdate {
    phase: Phase,
    message: Option<String>,
    code: Option<String>,
}

impl StatusUpdate {
    pub(super) fn phase(phase: Phase) -> Self {
        Self { phase, message: None, code: None }
    }

    /// With a reason for people. An empty one is none.
    pub(super) fn with_message(self, message: impl Into<String>) -> Self {
        Self { message: Some(message.into()).filter(|message| !message.is_empty()), ..self }
    }

    /// With the reason and the code of a problem that may pass.
    pub(super) fn with_problem(self, problem: &Problem) -> Self {
        Self { code: Some(problem.code.to_string()), ..self.with_message(problem.detail.clone()) }
    }

    pub(super) fn failed(problem: &Problem) -> Self {
        Self::phase(Phase::Failed).with_problem(problem)
    }
}

/// What a step came to: the status to show, and when to look again.
pub(super) type Transition = Result<(StatusUpdate, Action), Problem>;

/// Writes the status. False: the resource has changed meanwhile, and nothing was written.
pub(super) async fn patch_status(
    context: &Context,
    resource: &ParallaxAgent,
    id: &AgentId,
    update: StatusUpdate,
) -> Result<bool, Problem> {
    let before = resource.status.clone().unwrap_or_default();
    let after = status(context, resource, id, update);
    if before == after && resource.status.is_some() {
        return Ok(true);
    }
    let patch = json!({
        "metadata": {"resourceVersion": resource.resource_version()},
        "status": difference(&before, &after),
    });
    let agents = context.cluster.agents();
    match agents.patch_status(&resource.name_any(), &PatchParams::default(), &Patch::Merge(&patch)).await {
        Ok(_) => {
            emit_changes(context, resource, &before, &after).await;
            Ok(true)
        }
        Err(error) if cluster::is_conflict(&error) || cluster::is_missing(&error) => Ok(false),
        Err(error) => Err(cluster::problem("write the agent's status", &error)),
    }
}

fn status(
    context: &Context,
    resource: &ParallaxAgent,
    id: &AgentId,
    update: StatusUpdate,
) -> ParallaxAgentStatus {
    let mut status = resource.status.clone().unwrap_or_default();
    let pod = context.cache.pod(id);
    let changed = pod.as_ref().map(|pod| pod::changed(&resource.spec, pod)).unwrap_or_default();
    if let Some(agent) = context.launches.get(id).published.filter(|_| update.phase != Phase::Pending) {
        status.take(&agent);
    } else if status.agent.is_none() {
        status.agent = Some(AgentState { id: id.to_string(), status: None });
    }
    if update.message.is_some() || update.phase != Phase::Ended {
        let own = status.message.take().filter(|_| matches!(update.phase, Phase::Running));
        status.message = update.message.or(own);
    }
    if update.phase != Phase::Failed || update.code.is_some() {
        status.code = update.code;
    } else if let Some(before) = &resource.status {
        // A failure stays until the spec is changed.
        (status.code, status.message) = (before.code.clone(), before.message.clone());
    }
    if matches!(update.phase, Phase::Creating | Phase::Starting) {
        // One that comes back has its last end until it runs: by that the next server knows that it was launched.
        status.exit = status.exit.or_else(|| resource.status.as_ref()?.exit.clone());
    }
    status.phase = update.phase;
    status.pod = pod.as_ref().map(|pod| pod.name_any());
    // Also for a spec that the living pod cannot follow: the condition `Current` is about this generation.
    status.observed_generation = resource.meta().generation;
    let drift = Drift { changed, class_is_gone: context.pods.check_class(&resource.spec).is_err() };
    status.conditions = conditions(resource, &status, &drift, context.can_resume(&resource.spec.r#type));
    status
}

/// Writes Events about what changed.
async fn emit_changes(
    context: &Context,
    resource: &ParallaxAgent,
    before: &ParallaxAgentStatus,
    after: &ParallaxAgentStatus,
) {
    let recorder = &context.recorder;
    let message = after.message.clone().unwrap_or_default();
    // `Creating` and `Starting` have the Event `Created`.
    if before.phase != after.phase
        && !matches!(after.phase, Phase::Pending | Phase::Creating | Phase::Starting)
    {
        let kind = if after.phase == Phase::Failed { EventType::Warning } else { EventType::Normal };
        recorder.emit_event(resource, kind, &format!("{:?}", after.phase), message).await;
    }
    if after.attention.is_some() && before.attention != after.attention {
        let text = after.attention.as_ref().map(|attention| attention.text.clone()).unwrap_or_default();
        recorder.emit_event(resource, EventType::Normal, "Attention", text).await;
    }
    let current = |status: &ParallaxAgentStatus| {
        status.conditions.iter().find(|condition| condition.r#type == CURRENT).cloned()
    };
    if let Some(now) = current(after)
        && now.status == "False"
        && current(before).is_none_or(|before| before.message != now.message)
    {
        let message = now.message.unwrap_or_default();
        recorder.emit_event(resource, EventType::Warning, &now.reason, message).await;
    }
}

/// The merge patch that makes `after` of `before`: new values, and null for what is gone.
fn difference(before: &ParallaxAgentStatus, after: &ParallaxAgentStatus) -> Value {
    let fields = |status: &ParallaxAgentStatus| match serde_json::to_value(status) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    };
    let (before, after) = (fields(before), fields(after));
    let mut patch: Map<String, Value> = before
        .keys()
        .filter(|field| !after.contains_key(*field))
        .map(|field| (field.clone(), Value::Null))
        .collect();
    for (field, value) in after {
        // A field of a nested object may be gone, too.
        let mut value = value;
        if let (Value::Object(new), Some(Value::Object(old))) = (&mut value, before.get(&field)) {
            for gone in old.keys() {
                new.entry(gone.clone()).or_insert(Value::Null);
            }
        }
        patch.insert(field, value);
    }
    Value::Object(patch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::AttentionState;

    #[test]
    fn a_patch_takes_away_what_is_gone() {
        let attention = |login_url| AttentionState { kind: "login".into(), text: "x".into(), login_url };
        let before = ParallaxAgentStatus {
            message: Some("m".into()),
            attention: Some(attention(Some("https://a".into()))),
            ..ParallaxAgentStatus::default()
        };
        let after =
            ParallaxAgentStatus { attention: Some(attention(None)), ..ParallaxAgentStatus::default() };
        let patch = difference(&before, &after);
        assert_eq!(patch["message"], Value::Null);
        assert!(patch.as_object().unwrap().contains_key("message"));
        assert_eq!(patch["attention"], json!({"kind": "login", "text": "x", "loginUrl": null}));
    }
}
