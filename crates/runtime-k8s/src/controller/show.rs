//! Writing a resource's status: only when it differs, and only over the one it was made from.

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::{Patch, PatchParams};
use kube::runtime::events::EventType;
use kube::{Resource as _, ResourceExt as _};
use parallax_api::{AgentId, Problem};
use serde_json::{Map, Value, json};

use crate::backend::KubernetesBackend;
use crate::cluster;
use crate::pod;
use crate::resource::{Condition, ParallaxAgent, ParallaxAgentStatus, Phase};

/// What a look at a resource came to.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Shown {
    phase: Phase,
    message: Option<String>,
    code: Option<String>,
}

impl Shown {
    pub(super) fn phase(phase: Phase) -> Self {
        Self { phase, message: None, code: None }
    }

    pub(super) fn because(self, message: impl Into<String>) -> Self {
        Self { message: Some(message.into()).filter(|message| !message.is_empty()), ..self }
    }

    pub(super) fn failed(problem: &Problem) -> Self {
        let code = Some(problem.code.to_string());
        Self { code, ..Self::phase(Phase::Failed).because(problem.detail.clone()) }
    }
}

impl KubernetesBackend {
    /// Writes what is to be shown. False: the resource has changed meanwhile, and nothing was written.
    pub(super) async fn show_resource(
        &self,
        resource: &ParallaxAgent,
        id: &AgentId,
        shown: Shown,
    ) -> Result<bool, Problem> {
        let before = resource.status.clone().unwrap_or_default();
        let after = self.status(resource, id, shown);
        if before == after && resource.status.is_some() {
            return Ok(true);
        }
        let patch = json!({
            "metadata": {"resourceVersion": resource.resource_version()},
            "status": difference(&before, &after),
        });
        let agents = self.cluster.agents();
        match agents.patch_status(&resource.name_any(), &PatchParams::default(), &Patch::Merge(&patch)).await
        {
            Ok(_) => {
                self.tell_difference(resource, &before, &after).await;
                Ok(true)
            }
            Err(error) if cluster::is_conflict(&error) || cluster::is_missing(&error) => Ok(false),
            Err(error) => Err(cluster::problem("show the agent's status", &error)),
        }
    }

    fn status(&self, resource: &ParallaxAgent, id: &AgentId, shown: Shown) -> ParallaxAgentStatus {
        let mut status = resource.status.clone().unwrap_or_default();
        let pod = self.view.pod(id);
        let changed = pod.as_ref().map(|pod| pod::changed(&resource.spec, pod)).unwrap_or_default();
        if let Some(agent) = self.book.of(id).shown.filter(|_| shown.phase != Phase::Pending) {
            status.take(&agent);
        } else if status.agent.is_none() {
            status.agent = Some(crate::resource::AgentState { id: id.to_string(), status: None });
        }
        if shown.message.is_some() || shown.phase != Phase::Ended {
            let own = status.message.take().filter(|_| matches!(shown.phase, Phase::Running));
            status.message = shown.message.or(own);
        }
        if shown.phase != Phase::Failed || shown.code.is_some() {
            status.code = shown.code;
        } else if let Some(before) = &resource.status {
            // A failure stays told until the spec is changed.
            (status.code, status.message) = (before.code.clone(), before.message.clone());
        }
        status.phase = shown.phase;
        status.pod = pod.as_ref().map(|pod| pod.name_any());
        // A spec that cannot be followed is not observed: the condition says so.
        status.observed_generation = resource.meta().generation;
        status.conditions = conditions(resource, &status, pod.as_deref(), &changed);
        status
    }

    async fn tell_difference(
        &self,
        resource: &ParallaxAgent,
        before: &ParallaxAgentStatus,
        after: &ParallaxAgentStatus,
    ) {
        let controller = self.controller();
        let message = after.message.clone().unwrap_or_default();
        if before.phase != after.phase {
            let kind = if after.phase == Phase::Failed { EventType::Warning } else { EventType::Normal };
            // The pod's making was told already.
            if !matches!(after.phase, Phase::Pending | Phase::Creating | Phase::Starting) {
                controller.tell(resource, kind, &format!("{:?}", after.phase), message).await;
            }
        }
        if after.attention.is_some() && before.attention != after.attention {
            let text = after.attention.as_ref().map(|attention| attention.text.clone()).unwrap_or_default();
            controller.tell(resource, EventType::Normal, "Attention", text).await;
        }
        for now in &after.conditions {
            let was = before.conditions.iter().find(|was| was.r#type == now.r#type);
            if now.r#type == CURRENT
                && now.status == "False"
                && was.is_none_or(|was| was.message != now.message)
            {
                controller
                    .tell(
                        resource,
                        EventType::Warning,
                        "CannotChange",
                        now.message.clone().unwrap_or_default(),
                    )
                    .await;
            }
        }
    }
}

/// The pod is as the spec says.
const CURRENT: &str = "Current";

fn conditions(
    resource: &ParallaxAgent,
    status: &ParallaxAgentStatus,
    pod: Option<&Pod>,
    changed: &[String],
) -> Vec<Condition> {
    let agent = status.agent.as_ref().and_then(|agent| agent.status.as_deref()).unwrap_or_default();
    let ready = status.phase == Phase::Running && agent == "ready";
    let ready = (ready, if ready { "Ready" } else { "NotReady" }, String::new());
    let current = match (pod, changed) {
        (_, []) => (true, "AsAsked", String::new()),
        (_, fields) => (
            false,
            "CannotChange",
            format!(
                "{} cannot change while the agent lives; delete the resource and apply it again",
                fields.iter().map(|field| format!("spec.{field}")).collect::<Vec<_>>().join(", ")
            ),
        ),
    };
    let suspended = match (resource.spec.suspended, status.phase) {
        (_, Phase::Suspended) => (true, "Suspended", String::new()),
        (true, Phase::Running) if !resource.spec.keeps_workspace() => (
            false,
            "NothingKept",
            "the workspace goes with the pod, so there would be nothing to come back to; only agents with \
             `workspace.claim` or a writable `workspace.existingClaim` can be suspended"
                .into(),
        ),
        (true, _) => (false, "Suspending", String::new()),
        (false, _) => (false, "NotAsked", String::new()),
    };
    [("Ready", ready), (CURRENT, current), ("Suspended", suspended)]
        .into_iter()
        .map(|(kind, (holds, reason, message))| {
            let state = if holds { "True" } else { "False" };
            let was =
                resource.status.iter().flat_map(|status| &status.conditions).find(|was| was.r#type == kind);
            let since = was.filter(|was| was.status == state).map(|was| was.last_transition_time.clone());
            Condition {
                r#type: kind.into(),
                status: state.into(),
                reason: reason.into(),
                message: Some(message).filter(|message| !message.is_empty()),
                last_transition_time: since.unwrap_or_else(|| Time(jiff::Timestamp::now())),
            }
        })
        .collect()
}

/// What a merge patch needs to make one status of the other: what is new, and nothing where something was.
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
        // The inner fields of what was there may be gone, too.
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
    use crate::resource::{AttentionState, ParallaxAgentSpec};

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

    #[test]
    fn conditions_keep_their_time_while_they_hold() {
        let mut resource = ParallaxAgent::new("a", ParallaxAgentSpec::default());
        let of = |resource: &ParallaxAgent, changed: &[String]| {
            conditions(resource, &resource.status.clone().unwrap_or_default(), None, changed)
        };
        let first = of(&resource, &[]);
        assert!(first.iter().all(|condition| (condition.r#type == CURRENT) == (condition.status == "True")));
        let old = Time("2026-01-01T00:00:00Z".parse().unwrap());
        let conditions = first
            .into_iter()
            .map(|condition| Condition { last_transition_time: old.clone(), ..condition })
            .collect();
        resource.status = Some(ParallaxAgentStatus { conditions, ..ParallaxAgentStatus::default() });
        let same = of(&resource, &[]);
        assert!(same.iter().all(|condition| condition.last_transition_time == old));
        let changed = of(&resource, &["model".into()]);
        let current = changed.iter().find(|condition| condition.r#type == CURRENT).unwrap();
        assert_eq!((current.status.as_str(), current.reason.as_str()), ("False", "CannotChange"));
        assert!(current.message.as_ref().unwrap().starts_with("spec.model cannot change"));
        assert_ne!(current.last_transition_time, old);
    }

    #[test]
    fn what_cannot_be_kept_is_not_suspended() {
        let spec = ParallaxAgentSpec { suspended: true, ..ParallaxAgentSpec::default() };
        let mut resource = ParallaxAgent::new("a", spec);
        resource.status =
            Some(ParallaxAgentStatus { phase: Phase::Running, ..ParallaxAgentStatus::default() });
        let status = resource.status.clone().unwrap();
        let suspended = conditions(&resource, &status, None, &[]).pop().unwrap();
        assert_eq!((suspended.status.as_str(), suspended.reason.as_str()), ("False", "NothingKept"));
    }
}
