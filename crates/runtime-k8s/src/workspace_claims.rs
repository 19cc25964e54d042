//! The claims that git workspaces are on: made before their agents, kept or deleted by the server. Each has, in its annotations, what
//! the next server needs to know of the workspace; the credentials among it are sealed.

use k8s_openapi::api::core::v1::{
    PersistentVolumeClaim, PersistentVolumeClaimSpec, Pod, VolumeResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::api::{DeleteParams, ListParams, ObjectMeta, Patch, PatchParams, PostParams, Preconditions};
use kube::{Resource as _, ResourceExt as _};
use parallax_api::{Agent, AgentId, Code, Problem};
use parallax_runtime_core::KeptWorkspace;
use serde_json::json;

use crate::cluster::{self, missing_is_success};
use crate::context::Context;
use crate::names::{self, label};
use crate::pod_state;

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
    let claim = claim(context, agent, kept)?;
    let made = context.cluster.claims().create(&PostParams::default(), &claim).await;
    made.map(drop).map_err(|error| cluster::problem("make the claim of the agent's workspace", &error))
}

fn claim(context: &Context, agent: &Agent, kept: &KeptWorkspace) -> Result<PersistentVolumeClaim, Problem> {
    let WorkspaceStorage { size, class } = &context.workspace_storage;
    let mut labels = names::labels(&context.pods.instance, &agent.id, &agent.r#type);
    labels.extend(names::agent_labels(&agent.labels));
    labels.insert(label::GIT.into(), "true".into());
    let secret = kept.secret.as_ref().map(|secret| seal(context, &agent.id, secret)).transpose()?;
    let annotations = [(label::RECORD, Some(kept.record.clone())), (label::CREDENTIALS, secret)];
    let annotations = annotations.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
    Ok(PersistentVolumeClaim {
        metadata: ObjectMeta {
            name: Some(names::claim(&agent.id)),
            labels: Some(labels),
            annotations: Some(annotations.collect()),
            ..ObjectMeta::default()
        },
        spec: Some(PersistentVolumeClaimSpec {
            access_modes: Some(vec!["ReadWriteOnce".into()]),
            storage_class_name: class.clone(),
            resources: Some(VolumeResourceRequirements {
                requests: Some([("storage".to_owned(), size.clone())].into()),
                limits: None,
            }),
            ..PersistentVolumeClaimSpec::default()
        }),
        status: None,
    })
}

/// Keeps with the claim what has changed.
pub(crate) async fn note(context: &Context, kept: &KeptWorkspace) -> Result<(), Problem> {
    let secret = kept.secret.as_ref().map(|secret| seal(context, &kept.id, secret)).transpose()?;
    // What is null goes.
    let annotations = json!({label::RECORD: kept.record, label::CREDENTIALS: secret});
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
    Ok(found.iter().filter_map(|claim| kept(context, claim)).collect())
}

/// What is kept with this claim; none for one that is being deleted, or that says nothing that is understood.
fn kept(context: &Context, claim: &PersistentVolumeClaim) -> Option<KeptWorkspace> {
    let id: AgentId = claim.labels().get(label::AGENT)?.parse().ok()?;
    if claim.meta().deletion_timestamp.is_some() || claim.name_any() != names::claim(&id) {
        return None;
    }
    let record = claim.annotations().get(label::RECORD)?.clone();
    let sealed = claim.annotations().get(label::CREDENTIALS);
    let secret = sealed.and_then(|sealed| {
        let opened = context.token_key.open_sealed(id.as_str(), sealed);
        if opened.is_none() {
            tracing::warn!(agent.id = %id, "the credentials of a workspace cannot be read: they are not this runtime's");
        }
        opened
    });
    Some(KeptWorkspace { id, record, secret })
}

fn seal(context: &Context, id: &AgentId, secret: &str) -> Result<String, Problem> {
    context
        .token_key
        .seal(id.as_str(), secret)
        .ok_or_else(|| Problem::internal("the credentials cannot be sealed"))
}

/// Whether the claim is there and stays.
pub(crate) async fn exists(context: &Context, id: &AgentId) -> Result<bool, Problem> {
    let found = context.cluster.claims().get_opt(&names::claim(id)).await;
    let found = found.map_err(|error| cluster::problem("look for the claim of a workspace", &error))?;
    Ok(found.is_some_and(|claim| claim.meta().deletion_timestamp.is_none()))
}

/// Deletes the claim. `CONFLICT` while another pod than the agent's own uses it.
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
    // That one, and none of the same name that was made meanwhile.
    let preconditions = Preconditions { uid: claim.uid(), resource_version: None };
    let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::background() };
    let deleted = context.cluster.claims().delete(&name, &params).await.map(drop);
    missing_is_success(deleted).map_err(|error| cluster::problem("delete the claim of a workspace", &error))
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
