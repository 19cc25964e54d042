//! The resource form of a class: what a `[classes.NAME]` of the runtime's configuration says, as `kubectl apply` says it.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Toleration;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::CustomResource;
use parallax_runtime_core::policy::{PolicyArgs, PolicySection};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::status::Condition;
use crate::policy::PodArgs;

/// A class of agents: what those have that name it, within what the runtime's policy allows.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "parallax.io",
    version = "v1alpha1",
    kind = "ParallaxAgentClass",
    plural = "parallaxagentclasses",
    shortname = "pac",
    namespaced,
    status = "ParallaxAgentClassStatus",
    derive = "Default",
    derive = "PartialEq",
    doc = "A class of agents, which a spawn request, a role or a ParallaxAgent names",
    printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].status"}"#,
    printcolumn = r#"{"name":"Reason","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].reason"}"#,
    printcolumn = r#"{"name":"CPU","type":"string","jsonPath":".spec.max.cpu"}"#,
    printcolumn = r#"{"name":"Memory","type":"string","jsonPath":".spec.max.memory"}"#,
    printcolumn = r#"{"name":"Description","type":"string","jsonPath":".spec.description"}"#,
    printcolumn = r#"{"name":"Message","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].message","priority":1}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ParallaxAgentClassSpec {
    /// What it is for.
    #[schemars(length(min = 1, max = 253))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The most that its agents may ask for; not above what the policy has. Default: the policy's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<ClassAmounts>,
    /// What its agents have that ask for nothing. Default: the policy's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<ClassAmounts>,
    /// Images that its agents may name, of those that the policy allows: `*` stands for any text without `/`, `**` for any text.
    #[schemars(length(max = 64), inner(length(min = 1, max = 512)))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow_images: Vec<String>,
    /// Variables of its agents, unless a request sets them. No place for secrets.
    #[schemars(extend("maxProperties" = 64))]
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// The runtime class of its pods.
    #[schemars(length(min = 1, max = 253))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime_class_name: Option<String>,
    /// The priority class of its pods.
    #[schemars(length(min = 1, max = 253))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority_class_name: Option<String>,
    /// Labels that its nodes must have.
    #[schemars(extend("maxProperties" = 64))]
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,
    /// Taints of nodes that its pods tolerate.
    #[schemars(length(max = 64))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tolerations: Vec<Toleration>,
    /// Labels of its pods.
    #[schemars(extend("maxProperties" = 64))]
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pod_labels: BTreeMap<String, String>,
    /// Annotations of its pods.
    #[schemars(extend("maxProperties" = 64))]
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pod_annotations: BTreeMap<String, String>,
    /// Requests of its agents that ask for nothing.
    #[schemars(extend("maxProperties" = 64))]
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub set_aside: BTreeMap<String, Quantity>,
    /// Extended resources that each of its agents gets, such as `nvidia.com/gpu`.
    #[schemars(extend("maxProperties" = 64))]
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub devices: BTreeMap<String, Quantity>,
}

/// Amounts, as the configuration file has them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClassAmounts {
    /// CPUs, such as `"2"` or `500m`.
    #[schemars(length(max = 32), regex(pattern = r"^[0-9]+(\.[0-9]+)?m?$"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<String>,
    /// Memory, such as `2Gi`.
    #[schemars(length(max = 32), regex(pattern = r"^[0-9]+(\.[0-9]+)?([kKMGTP]i?)?$"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<String>,
    /// Disk space, such as `10Gi`.
    #[schemars(length(max = 32), regex(pattern = r"^[0-9]+(\.[0-9]+)?([kKMGTP]i?)?$"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<String>,
    /// From the spawn to the end, such as `8h`.
    #[schemars(length(max = 32), regex(pattern = r"^[0-9]+[smhd]?$"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifetime: Option<String>,
    /// In which nothing happens, such as `30m`.
    #[schemars(length(max = 32), regex(pattern = r"^[0-9]+[smhd]?$"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle: Option<String>,
}

/// What became of a class.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ParallaxAgentClassStatus {
    /// `Ready`: agents may name it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The generation of the spec that this is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

impl ParallaxAgentClassSpec {
    /// The same as the configuration file has it.
    pub(crate) fn section(&self) -> PolicySection<PodArgs> {
        let texts = |map: &BTreeMap<String, String>| -> Vec<String> {
            map.iter().map(|(name, value)| format!("{name}={value}")).collect()
        };
        let amounts = |map: &BTreeMap<String, Quantity>| -> Vec<String> {
            map.iter().map(|(name, amount)| format!("{name}={}", amount.0)).collect()
        };
        let limits =
            |amounts: &Option<ClassAmounts>| amounts.as_ref().map(ClassAmounts::pairs).unwrap_or_default();
        PolicySection {
            rules: PolicyArgs {
                max: limits(&self.max),
                default: limits(&self.default),
                allow_image: self.allow_images.clone(),
                agent_env: texts(&self.env),
                description: self.description.clone(),
                ..PolicyArgs::default()
            },
            place: PodArgs {
                runtime_class: self.runtime_class_name.clone(),
                priority_class: self.priority_class_name.clone(),
                node_selector: texts(&self.node_selector),
                tolerations: self.tolerations.clone(),
                pod_label: texts(&self.pod_labels),
                pod_annotation: texts(&self.pod_annotations),
                set_aside: amounts(&self.set_aside),
                devices: amounts(&self.devices),
                ..PodArgs::default()
            },
        }
    }
}

impl ClassAmounts {
    fn pairs(&self) -> Vec<String> {
        let named = [
            ("cpu", &self.cpu),
            ("memory", &self.memory),
            ("disk", &self.disk),
            ("lifetime", &self.lifetime),
            ("idle", &self.idle),
        ];
        named.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", value.as_ref()?))).collect()
    }
}
