//! The resource: what `kubectl apply` asks for, and what `kubectl get` shows of it.
//!
//! Its definition is made from these types: `parallax-runtime-k8s --print-crd` prints it, `deploy/kubernetes/definition/crd.yaml` has it.

mod class;
mod definition;
mod status;

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Affinity, EnvFromSource, EnvVar, LocalObjectReference, ResourceRequirements, Toleration,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::CustomResource;
use parallax_api::agent::{CpuQuantity, Resources};
use parallax_api::{Approvals, Problem, SpawnRequest, TerminalSize};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::quantity;

pub use class::{ClassAmounts, ParallaxAgentClass, ParallaxAgentClassSpec, ParallaxAgentClassStatus};
pub use definition::{NAME as DEFINITION, definition, yaml};
pub use status::{AgentState, AttentionState, Condition, ExitState, ParallaxAgentStatus, Phase};

/// An agent: a CLI on a terminal of its own, in a pod of its own.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "parallax.io",
    version = "v1alpha1",
    kind = "ParallaxAgent",
    plural = "parallaxagents",
    shortname = "pa",
    namespaced,
    status = "ParallaxAgentStatus",
    derive = "Default",
    derive = "PartialEq",
    doc = "A CLI-based AI agent that Parallax runs in a pod",
    printcolumn = r#"{"name":"Agent","type":"string","jsonPath":".spec.name"}"#,
    printcolumn = r#"{"name":"Type","type":"string","jsonPath":".spec.type"}"#,
    printcolumn = r#"{"name":"Phase","type":"string","jsonPath":".status.phase"}"#,
    printcolumn = r#"{"name":"Status","type":"string","jsonPath":".status.agent.status"}"#,
    printcolumn = r#"{"name":"Attention","type":"string","jsonPath":".status.attention.kind"}"#,
    printcolumn = r#"{"name":"Id","type":"string","jsonPath":".status.agent.id","priority":1}"#,
    printcolumn = r#"{"name":"Pod","type":"string","jsonPath":".status.pod","priority":1}"#,
    printcolumn = r#"{"name":"Message","type":"string","jsonPath":".status.message","priority":1}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct ParallaxAgentSpec {
    /// The agent type: claude, codex, gemini, or another that the runtime has a profile for.
    #[schemars(length(min = 1, max = 63))]
    pub r#type: String,
    /// A name for people. Default: the name of the resource.
    #[schemars(length(min = 1, max = 63))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its role in a team.
    #[schemars(length(max = 253))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// The class of agents that it is one of. Default: the runtime's.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// What it is for.
    #[schemars(length(max = 64), inner(length(min = 1, max = 253)))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub capabilities: Vec<String>,
    /// Labels that the API lists it by. Its pod and its claim have them as `label.parallax.io/KEY`, where key and value are good for that.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The image that has the CLI. Default: the runtime's for this type.
    #[schemars(length(min = 1, max = 512), regex(pattern = r"^[^\s]+$"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The model, passed to the CLI.
    #[schemars(length(min = 1, max = 253))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// More arguments for the CLI.
    #[schemars(length(max = 64))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// What it may do unasked. Default: ask.
    #[schemars(with = "ApprovalsSchema")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approvals: Option<Approvals>,
    /// A first message, sent once when it is ready.
    #[schemars(length(min = 1, max = 1_048_576))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// The terminal's size. Default: 120 x 40.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub terminal: Option<Terminal>,
    /// Variables of its environment. Secrets belong into a Secret, named here by `valueFrom.secretKeyRef`.
    #[schemars(length(max = 64))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<EnvVar>,
    /// Secrets and config maps whose keys are variables of its environment.
    #[schemars(length(max = 64))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env_from: Vec<EnvFromSource>,
    /// How many ports it gets for itself, 20000 and up: `PORT` is the first, `PORTS` has all. Default: none.
    #[schemars(range(min = 1, max = 16))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ports: Option<u16>,
    /// What it may use. Default: the runtime's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,
    /// Where it works. Default: an empty directory that goes with the pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workspace: Option<Workspace>,
    /// The service account of its pod, whose token it does not get.
    #[schemars(length(max = 253))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_account_name: Option<String>,
    /// Labels that its node must have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,
    /// Taints of nodes that it tolerates.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tolerations: Vec<Toleration>,
    /// Which nodes it prefers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub affinity: Option<Affinity>,
    /// The runtime class of its pod.
    #[schemars(length(max = 253))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime_class_name: Option<String>,
    /// Secrets with which its image is pulled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub image_pull_secrets: Vec<LocalObjectReference>,
    /// Stop it after so many seconds in which nothing happened.
    #[schemars(range(min = 1, max = 31_536_000))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_timeout_seconds: Option<u32>,
    /// Stop it so many seconds after it was started.
    #[schemars(range(min = 1, max = 31_536_000))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_lifetime_seconds: Option<u32>,
    /// Ask for a person when it works and nothing of it was seen for so many seconds. Default 900.
    #[schemars(range(min = 1, max = 31_536_000))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stall_seconds: Option<u32>,
    /// True takes the pod away and keeps the workspace, which must be on a claim; false brings the agent back with the
    /// same conversation.
    #[serde(default)]
    pub suspended: bool,
}

/// The choices of [`Approvals`], for the schema.
#[derive(JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(dead_code, reason = "only its schema is used")]
enum ApprovalsSchema {
    Ask,
    Edits,
    All,
}

/// The size of a terminal, in cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Terminal {
    /// Columns.
    #[schemars(range(min = 2, max = 1000))]
    pub cols: u16,
    /// Rows.
    #[schemars(range(min = 2, max = 1000))]
    pub rows: u16,
}

/// Where an agent works: one of these, or none for an empty directory.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Workspace {
    /// A claim that is made for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim: Option<Claim>,
    /// A claim that is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub existing_claim: Option<ExistingClaim>,
    /// An empty directory that goes with the pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub empty_dir: Option<EmptyDirectory>,
}

/// A claim that is made for an agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Claim {
    /// How much.
    pub size: Quantity,
    /// Of which class. Default: the cluster's.
    #[schemars(length(max = 253))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_class_name: Option<String>,
    /// It stays when the agent is deleted.
    #[serde(default)]
    pub retain: bool,
}

/// A claim that is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExistingClaim {
    /// Its name.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// The agent may not write there.
    #[serde(default)]
    pub read_only: bool,
}

/// An empty directory.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EmptyDirectory {
    /// More than so much ends the pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_limit: Option<Quantity>,
}

/// Why an agent without a claim is not suspended.
pub(crate) const NOTHING_KEPT: &str = "the workspace goes with the pod, so there would be nothing to come back to; only agents with \
     `workspace.claim` or a writable `workspace.existingClaim` (over REST: a claim as `workdir`) can be suspended";

impl ParallaxAgentSpec {
    /// What is asked for, as the API has it. Variables are none of it: the pod gets them from where they are.
    pub fn request(&self, resource: &str) -> SpawnRequest {
        SpawnRequest {
            name: self.name.clone().unwrap_or_else(|| resource.to_owned()),
            r#type: self.r#type.clone(),
            capabilities: self.capabilities.clone(),
            role: self.role.clone(),
            class: self.class.clone(),
            resources: self.resources.as_ref().map(asked),
            labels: self.labels.clone(),
            model: self.model.clone(),
            args: self.args.clone(),
            approvals: self.approvals,
            prompt: self.prompt.clone(),
            terminal: self.terminal.map(|size| TerminalSize { cols: size.cols, rows: size.rows }),
            image: self.image.clone(),
            ports: self.ports,
            idle_timeout_seconds: self.idle_timeout_seconds.map(Into::into),
            max_lifetime_seconds: self.max_lifetime_seconds.map(Into::into),
            stall_seconds: self.stall_seconds.map(Into::into),
            ..SpawnRequest::default()
        }
    }

    /// Whether its workspace outlives its pod.
    pub fn keeps_workspace(&self) -> bool {
        self.workspace.as_ref().is_some_and(|workspace| {
            workspace.claim.is_some()
                || workspace.existing_claim.as_ref().is_some_and(|claim| !claim.read_only)
        })
    }
}

/// What a resource asks for, as the API has it: its limits, or what is set aside where that has none.
fn asked(resources: &ResourceRequirements) -> Resources {
    let of = |name: &str| {
        let given = |amounts: &Option<BTreeMap<String, Quantity>>| amounts.as_ref()?.get(name).cloned();
        given(&resources.limits).or_else(|| given(&resources.requests))
    };
    // What is no quantity is refused in its own words.
    let bytes = |name: &str| {
        of(name).map(|amount| match quantity::value(&amount) {
            Some(bytes) => format!("{bytes:.0}"),
            None => amount.0,
        })
    };
    let cpus = |amount: Quantity| match quantity::value(&amount) {
        Some(cpus) => CpuQuantity::Number(cpus),
        None => CpuQuantity::Text(amount.0),
    };
    Resources {
        cpu: of("cpu").map(cpus),
        memory: bytes("memory"),
        disk: bytes("ephemeral-storage"),
        pids: None,
    }
}

/// Limits of the API as a pod has them: what is asked for is set aside, and is what there is.
///
/// # Errors
/// `UNSUPPORTED` for a number of processes, which a pod cannot limit.
pub(crate) fn requirements(resources: &Resources) -> Result<Option<ResourceRequirements>, Problem> {
    if resources.pids.is_some() {
        let detail = "a pod cannot limit the number of its processes (the kubelet's `podPidsLimit` does); leave the field out";
        return Err(Problem::new(parallax_api::Code::Unsupported, detail).with("field", "resources.pids"));
    }
    let cpu = resources
        .nano_cpus()?
        .map(|nano| ("cpu".to_owned(), Quantity(format!("{}m", nano.div_ceil(1_000_000)))));
    let memory = resources.memory_bytes()?.map(|bytes| ("memory".to_owned(), Quantity(bytes.to_string())));
    let disk =
        resources.disk_bytes()?.map(|bytes| ("ephemeral-storage".to_owned(), Quantity(bytes.to_string())));
    let limits: BTreeMap<String, Quantity> = cpu.into_iter().chain(memory).chain(disk).collect();
    Ok((!limits.is_empty()).then(|| ResourceRequirements {
        requests: Some(limits.clone()),
        limits: Some(limits),
        ..ResourceRequirements::default()
    }))
}
