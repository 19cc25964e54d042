//! The conditions of a status, as Kubernetes has conditions.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::resource::{Condition, ParallaxAgent, ParallaxAgentStatus, Phase};

/// Whether the pod is as the spec says.
pub(super) const CURRENT: &str = "Current";

/// The conditions of a status. `changed`: the fields of the spec that its pod was not made from.
pub(super) fn conditions(
    resource: &ParallaxAgent,
    status: &ParallaxAgentStatus,
    changed: &[String],
) -> Vec<Condition> {
    let agent = status.agent.as_ref().and_then(|agent| agent.status.as_deref()).unwrap_or_default();
    let ready = status.phase == Phase::Running && agent == "ready";
    let ready = (ready, if ready { "Ready" } else { "NotReady" }, String::new());
    let current = match changed {
        [] => (true, "AsAsked", String::new()),
        fields => (
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::ParallaxAgentSpec;

    #[test]
    fn conditions_keep_their_time_while_they_hold() {
        let mut resource = ParallaxAgent::new("a", ParallaxAgentSpec::default());
        let of = |resource: &ParallaxAgent, changed: &[String]| {
            conditions(resource, &resource.status.clone().unwrap_or_default(), changed)
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
        let suspended = conditions(&resource, &status, &[]).pop().unwrap();
        assert_eq!((suspended.status.as_str(), suspended.reason.as_str()), ("False", "NothingKept"));
    }
}
