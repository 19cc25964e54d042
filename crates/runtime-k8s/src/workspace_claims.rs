//! The claims that git workspaces are on: made before their agents, kept or deleted by the server. Each has, in its annotations, what
//! the next server needs to know of the workspace; the credentials among it are sealed.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    PersistentVolumeClaim, PersistentVolumeClaimSpec, Pod, VolumeResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::api::{DeleteParams, ListParams, ObjectMeta, Patch, PatchParams, PostParams, Preconditions};
use kube::{Resource as _, ResourceExt as _};
use parallax_api::{Agent, AgentId, Code, Problem};
use parallax_runtime_core::KeptWorkspace;
use serde_json::json;

use crate::claims::is_awaited;
use crate::cluster::{self, missing_is_success};
use crate::context::Context;
use crate::names::{self, label};
use crate::pod_state;
use crate::resource::{ParallaxAgent, Phase};
use crate::token_key::TokenKey;

/// What every claim of a workspace asks for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct WorkspaceStorage {
    /// How much.
    pub(crate) size: Quantity,
    /// Of which class; none: the cluster's default.
    pub(crate) class: Option<String>,
}

impl Default for WorkspaceStorage {
    fn default() -> Self {
        Self { size: Quantity("10Gi".into()), class: None }
    }
}

/// Makes the claim of an agent's workspace. It has no owner: it outlives the agent until somebody has looked into it.
pub(crate) async fn make(context: &Context, agent: &Agent, kept: &KeptWorkspace) -> Result<(), Problem> {
    let (storage, instance) = (&context.workspace_storage, &context.pods.instance);
    let claim = claim(storage, instance, &context.token_key, agent, kept)?;
    let made = context.cluster.claims().create(&PostParams::default(), &claim).await;
    made.map(drop).map_err(|error| cluster::problem("make the claim of the agent's workspace", &error))
}

fn claim(
    storage: &WorkspaceStorage,
    instance: &str,
    key: &TokenKey,
    agent: &Agent,
    kept: &KeptWorkspace,
) -> Result<PersistentVolumeClaim, Problem> {
    let mut labels = names::labels(instance, &agent.id, &agent.r#type);
    labels.extend(names::agent_labels(&agent.labels));
    labels.insert(label::GIT.into(), "true".into());
    Ok(PersistentVolumeClaim {
        metadata: ObjectMeta {
            name: Some(names::claim(&agent.id)),
            labels: Some(labels),
            annotations: Some(annotations(key, kept)?),
            ..ObjectMeta::default()
        },
        spec: Some(PersistentVolumeClaimSpec {
            access_modes: Some(vec!["ReadWriteOnce".into()]),
            storage_class_name: storage.class.clone(),
            resources: Some(VolumeResourceRequirements {
                requests: Some([("storage".to_owned(), storage.size.clone())].into()),
                limits: None,
            }),
            ..PersistentVolumeClaimSpec::default()
        }),
        status: None,
    })
}

/// The record as it is, and the credentials sealed together with it: who may change the claim, and not know the key, can neither read them
/// nor have them sent to another server.
fn annotations(key: &TokenKey, kept: &KeptWorkspace) -> Result<BTreeMap<String, String>, Problem> {
    let secret = kept.secret.as_deref().unwrap_or_default();
    let sealed = key.seal(&purpose(&kept.id, &kept.record), secret);
    let sealed = sealed.ok_or_else(|| Problem::internal("the record of a workspace cannot be sealed"))?;
    Ok([(label::RECORD, kept.record.clone()), (label::SEAL, sealed)]
        .map(|(name, value)| (name.to_owned(), value))
        .into())
}

fn purpose(id: &AgentId, record: &str) -> String {
    format!("{id} {record}")
}

/// Keeps with the claim what has changed.
pub(crate) async fn note(context: &Context, kept: &KeptWorkspace) -> Result<(), Problem> {
    let annotations = annotations(&context.token_key, kept)?;
    let patch = Patch::Merge(json!({"metadata": {"annotations": annotations}}));
    let patched =
        context.cluster.claims().patch(&names::claim(&kept.id), &PatchParams::default(), &patch).await;
    missing_is_success(patched.map(drop))
        .map_err(|error| cluster::problem("note what became of a workspace", &error))
}

/// What is kept with every claim of this runtime.
pub(crate) async fn list(context: &Context) -> Result<Vec<KeptWorkspace>, Problem> {
    let selector = format!("{}={},{}=true", label::RUNTIME, context.pods.instance, label::GIT);
    let found = context.cluster.claims().list(&ListParams::default().labels(&selector)).await;
    let found = found.map_err(|error| cluster::problem("list the claims of workspaces", &error))?;
    Ok(found.iter().filter_map(|claim| kept(&context.token_key, claim)).collect())
}

/// What is kept with this claim; none for one that is being deleted, or whose record is not as this runtime wrote it.
fn kept(key: &TokenKey, claim: &PersistentVolumeClaim) -> Option<KeptWorkspace> {
    let id: AgentId = claim.labels().get(label::AGENT)?.parse().ok()?;
    if claim.meta().deletion_timestamp.is_some() || claim.name_any() != names::claim(&id) {
        return None;
    }
    let (record, sealed) = (claim.annotations().get(label::RECORD)?, claim.annotations().get(label::SEAL)?);
    let Some(secret) = key.open_sealed(&purpose(&id, record), sealed) else {
        let claim = claim.name_any();
        tracing::warn!(
            claim,
            "a claim is left alone: its record was not written by this runtime, or with another key"
        );
        return None;
    };
    Some(KeptWorkspace {
        id,
        record: record.clone(),
        secret: Some(secret).filter(|secret| !secret.is_empty()),
    })
}

/// Whether the claim is there and stays.
pub(crate) async fn exists(context: &Context, id: &AgentId) -> Result<bool, Problem> {
    let found = context.cluster.claims().get_opt(&names::claim(id)).await;
    let found = found.map_err(|error| cluster::problem("look for the claim of a workspace", &error))?;
    Ok(found.is_some_and(|claim| claim.meta().deletion_timestamp.is_none()))
}

/// Deletes the claim. `CONFLICT` while another pod than the agent's own uses it, or an agent that has none may come back to it.
pub(crate) async fn remove(context: &Context, id: &AgentId) -> Result<(), Problem> {
    let name = names::claim(id);
    let found = context.cluster.claims().get_opt(&name).await;
    let found = found.map_err(|error| cluster::problem("look for the claim of a workspace", &error))?;
    let Some(claim) = found.filter(|claim| claim.labels().get(label::GIT).is_some()) else { return Ok(()) };
    let pods = context.cluster.pods().list(&ListParams::default()).await;
    let pods = pods.map_err(|error| cluster::problem("look for the users of a claim", &error))?;
    if let Some(user) = pods.iter().find(|pod| uses(pod, &name) && !is_of(pod, id)) {
        let detail = format!("the pod `{}` uses the claim `{name}`", user.name_any());
        return Err(Problem::new(Code::Conflict, detail));
    }
    let agents = context.cluster.agents().list(&ListParams::default()).await;
    let agents = agents.map_err(|error| cluster::problem("look for the agents of a claim", &error))?;
    if let Some(agent) = agents.iter().find(|agent| may_use(agent, &name)) {
        let detail = format!("the agent of `pa/{}` works in the claim `{name}`", agent.name_any());
        return Err(Problem::new(Code::Conflict, detail));
    }
    // That one, and none of the same name that was made meanwhile.
    let preconditions = Preconditions { uid: claim.uid(), resource_version: None };
    let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::background() };
    let deleted = context.cluster.claims().delete(&name, &params).await.map(drop);
    missing_is_success(deleted).map_err(|error| cluster::problem("delete the claim of a workspace", &error))
}

/// Whether the agent of this resource works in the claim, or may do so again: one that could not come back does when it is changed.
fn may_use(agent: &ParallaxAgent, claim: &str) -> bool {
    let existing = agent.spec.workspace.as_ref().and_then(|workspace| workspace.existing_claim.as_ref());
    let has_failed = agent.status.as_ref().is_some_and(|status| {
        status.phase == Phase::Failed && status.exit.is_some() && agent.meta().deletion_timestamp.is_none()
    });
    existing.is_some_and(|existing| existing.name == claim) && (is_awaited(agent) || has_failed)
}

fn is_of(pod: &Pod, id: &AgentId) -> bool {
    pod.labels().get(label::AGENT).is_some_and(|agent| agent == id.as_str())
        || pod.name_any() == names::export_pod(id)
}

/// Whether something in this pod may still write to the claim.
fn uses(pod: &Pod, claim: &str) -> bool {
    let volumes = pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten());
    let mut claims = volumes.filter_map(|volume| volume.persistent_volume_claim.as_ref());
    claims.any(|used| used.claim_name == claim) && !pod_state::has_stopped(pod)
}

#[cfg(test)]
mod tests {
    use parallax_api::Time;

    use super::*;

    fn made(key: &TokenKey, secret: Option<&str>) -> (KeptWorkspace, PersistentVolumeClaim) {
        let id: AgentId = "one".parse().unwrap();
        let mut agent = Agent::new(id.clone(), "its name", "claude", "kubernetes", Time::now());
        agent.labels.insert("team".into(), "web".into());
        let kept = KeptWorkspace { id, record: "{\"url\":\"x\"}".into(), secret: secret.map(str::to_owned) };
        let storage = WorkspaceStorage { size: Quantity("2Gi".into()), class: Some("quick".into()) };
        let claim = claim(&storage, "parallax", key, &agent, &kept).unwrap();
        (kept, claim)
    }

    #[test]
    fn what_is_kept_with_a_claim_is_read_by_who_has_the_key() {
        let key = TokenKey::of("a key");
        for secret in [None, Some("pass-word")] {
            let (kept, claim) = made(&key, secret);
            assert_eq!(super::kept(&key, &claim), Some(kept));
            assert_eq!(super::kept(&TokenKey::of("another"), &claim), None);
            assert!(!serde_json::to_string(&claim).unwrap().contains("pass-word"));
            assert!(claim.owner_references().is_empty(), "it outlives its agent");
            assert_eq!(claim.labels()["label.parallax.io/team"], "web");
            let spec = claim.spec.unwrap();
            assert_eq!(spec.storage_class_name.as_deref(), Some("quick"));
            assert_eq!(spec.resources.unwrap().requests.unwrap()["storage"], Quantity("2Gi".into()));
        }
    }

    #[test]
    fn a_claim_is_used_by_agents_that_may_come_back_to_it() {
        let uses = |phase: &str, claim: &str, more: &serde_json::Value| {
            let mut status = json!({"phase": phase});
            if let Some(exit) = more.get("exit") {
                status["exit"] = exit.clone();
            }
            let agent = json!({"apiVersion": "parallax.io/v1alpha1", "kind": "ParallaxAgent",
                "metadata": {"name": "a", "deletionTimestamp": more.get("deleted")},
                "spec": {"type": "fake", "workspace": {"existingClaim": {"name": "work"}}}, "status": status});
            may_use(&serde_json::from_value(agent).unwrap(), claim)
        };
        let exit = json!({"exit": {"reason": "suspended", "at": "2026-01-01T00:00:00Z"}});
        for phase in ["Pending", "Creating", "Starting", "Running", "Suspending", "Suspended"] {
            assert!(uses(phase, "work", &json!({})), "{phase}");
            assert!(!uses(phase, "other", &json!({})), "{phase}");
            assert!(!uses(phase, "work", &json!({"deleted": "2026-01-01T00:00:00Z"})), "{phase}");
        }
        assert!(uses("Failed", "work", &exit), "an edit brings it back");
        assert!(!uses("Failed", "work", &json!({})) && !uses("Ended", "work", &exit));
    }

    #[test]
    fn what_somebody_changed_is_not_believed() {
        let key = TokenKey::of("a key");
        let changed = |change: &dyn Fn(&mut PersistentVolumeClaim)| {
            let (_, mut claim) = made(&key, Some("pass-word"));
            change(&mut claim);
            kept(&key, &claim)
        };
        assert!(changed(&|_| {}).is_some());
        let annotate = |claim: &mut PersistentVolumeClaim, key: &str, value: &str| {
            claim.annotations_mut().insert(key.into(), value.into());
        };
        assert_eq!(changed(&|claim| annotate(claim, label::RECORD, "{\"url\":\"evil\"}")), None);
        assert_eq!(changed(&|claim| annotate(claim, label::SEAL, "00")), None);
        assert_eq!(changed(&|claim| drop(claim.annotations_mut().remove(label::SEAL))), None);
        assert_eq!(changed(&|claim| claim.metadata.name = Some("work".into())), None);
        let other = |claim: &mut PersistentVolumeClaim| {
            claim.labels_mut().insert(label::AGENT.into(), "two".into());
            claim.metadata.name = Some("two-workspace".into());
        };
        assert_eq!(changed(&other), None, "it is no other agent's");
    }
}
