//! The conditions of a status, as Kubernetes has conditions.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::resource::{Condition, NOTHING_KEPT, ParallaxAgent, ParallaxAgentStatus, Phase};

/// Whether the pod is as the spec says.
pub(super) const CURRENT: &str = "Current";

/// In what the pod is not as the spec says.
#[derive(Default)]
pub(super) struct Drift {
    /// The fields of the spec that it was not made from.
    pub(super) changed: Vec<String>,
    /// There is no class any more of the name that the spec has.
    pub(super) class_is_gone: bool,
}

/// The conditions of a status. `can_resume`: whether agents of the type can go on with their conversation.
pub(super) fn conditions(
    resource: &ParallaxAgent,
    status: &ParallaxAgentStatus,
    drift: &Drift,
    can_resume: bool,
) -> Vec<Condition> {
    let agent = status.agent.as_ref().and_then(|agent| agent.status.as_deref()).unwrap_or_default();
    let ready = status.phase == Phase::Running && agent == "ready";
    let ready = (ready, if ready { "Ready" } else { "NotReady" }, String::new());
    let outlives_class = drift.class_is_gone && (status.phase.is_live() || status.phase == Phase::Suspended);
    let current = match drift.changed.as_slice() {
        [] if outlives_class => (
            false,
            "ClassGone",
            format!(
                "the class `{}` is not there any more; a pod that runs stays as it is, and another is not made before the class is back",
                resource.spec.class.as_deref().unwrap_or_default()
            ),
        ),
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
        (true, Phase::Running) if !resource.spec.keeps_workspace() => {
            (false, "NothingKept", NOTHING_KEPT.into())
        }
        (true, Phase::Running) if !can_resume => (
            false,
            "CannotResume",
            format!(
                "agents of the type `{}` cannot go on with a conversation: their profile has no `resume`",
                resource.spec.r#type
            ),
        ),
        (true, _) => (false, "Suspending", String::new()),
        (false, _) => (false, "NotAsked", String::new()),
    };
    let stalled = match status.phase {
        Phase::Failed => (true, "Failed", status.message.clone().unwrap_or_default()),
        _ => (false, "Progressing", String::new()),
    };
    [("Ready", ready), (CURRENT, current), ("Suspended", suspended), ("Stalled", stalled)]
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
                observed_generation: status.observed_generation,
                last_transition_time: since.unwrap_or_else(|| Time(jiff::Timestamp::now())),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::{ExistingClaim, ParallaxAgentSpec, Workspace};

    #[test]
    fn conditions_keep_their_time_while_they_hold() {
        let mut resource = ParallaxAgent::new("a", ParallaxAgentSpec::default());
        let of = |resource: &ParallaxAgent, changed: &[String]| {
            let drift = Drift { changed: changed.to_vec(), class_is_gone: false };
            conditions(resource, &resource.status.clone().unwrap_or_default(), &drift, true)
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
        let reason = |resource: &ParallaxAgent, can_resume| {
            let conditions = conditions(resource, &status, &Drift::default(), can_resume);
            let suspended = conditions.into_iter().find(|condition| condition.r#type == "Suspended").unwrap();
            assert_eq!(suspended.status, "False");
            suspended.reason
        };
        assert_eq!(reason(&resource, true), "NothingKept");
        let existing_claim = Some(ExistingClaim { name: "work".into(), read_only: false });
        resource.spec.workspace = Some(Workspace { existing_claim, ..Workspace::default() });
        assert_eq!(reason(&resource, false), "CannotResume");
        assert_eq!(reason(&resource, true), "Suspending");
    }

    #[test]
    fn an_agent_outlives_its_class() {
        let spec = ParallaxAgentSpec { class: Some("small".into()), ..ParallaxAgentSpec::default() };
        let resource = ParallaxAgent::new("a", spec);
        let reason = |phase| {
            let status = ParallaxAgentStatus { phase, ..ParallaxAgentStatus::default() };
            let drift = Drift { class_is_gone: true, ..Drift::default() };
            let conditions = conditions(&resource, &status, &drift, true);
            conditions.into_iter().find(|condition| condition.r#type == CURRENT).unwrap().reason
        };
        assert_eq!(reason(Phase::Running), "ClassGone");
        assert_eq!(reason(Phase::Suspended), "ClassGone");
        assert_eq!(reason(Phase::Pending), "AsAsked", "it has never been of it");
    }
}
