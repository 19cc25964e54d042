//! Names and labels: which resource is which agent, and which objects belong to a runtime.

use std::collections::BTreeMap;

use kube::ResourceExt;
use parallax_api::AgentId;

use crate::resource::{ParallaxAgent, ParallaxAgentSpec};

/// The field manager of server-side apply, and the source of Events.
pub(crate) const MANAGER: &str = "parallax-runtime-k8s";
/// A finalizer that earlier versions set; it is removed. Deleting a resource deletes its pod, whose grace period is long
/// enough to end and archive the agent, and a namespace can go with its runtime.
pub(crate) const FINALIZER: &str = "parallax.io/agent";

/// Labels and annotations.
pub(crate) mod label {
    /// The runtime that an object belongs to.
    pub(crate) const RUNTIME: &str = "parallax.io/runtime";
    /// The agent of a pod, a Secret, a claim.
    pub(crate) const AGENT: &str = "parallax.io/agent";
    /// The agent's type.
    pub(crate) const TYPE: &str = "parallax.io/type";
    /// Always `agent`: for network policies.
    pub(crate) const COMPONENT: &str = "app.kubernetes.io/component";
    /// `api` for a resource that the API made; a person's resource has none.
    pub(crate) const ORIGIN: &str = "parallax.io/origin";
    /// `true`: a claim that agents may work in.
    pub(crate) const WORKDIR: &str = "io.parallax.workdir";
    /// The pod of the replica that leads, with the name of the runtime.
    pub(crate) const LEADER: &str = "parallax.io/leader";
    /// `waiting`: a pod of the warm pool, which no agent has yet; `claimed`: one that an agent got from it.
    pub(crate) const POOL: &str = "parallax.io/pool";
    /// What a pod of the pool was made from, as a digest.
    pub(crate) const TEMPLATE: &str = "parallax.io/pool-template";
    /// `true`: the agent of this pod works, and a PodDisruptionBudget may have a drained node wait for it.
    pub(crate) const BUSY: &str = "parallax.io/busy";
    /// `true`: a git workspace is on this claim.
    pub(crate) const GIT: &str = "parallax.io/git-workspace";
    /// Annotations of such a claim: what is known of the workspace, and the credentials for its repository, sealed together with that.
    pub(crate) const RECORD: &str = "parallax.io/workspace-record";
    pub(crate) const SEAL: &str = "parallax.io/workspace-seal";
    /// An annotation with the spec that a pod was made from.
    pub(crate) const SPEC: &str = "parallax.io/spec";
}

/// The values of `POOL`.
pub(crate) const WAITING: &str = "waiting";
pub(crate) const CLAIMED: &str = "claimed";
/// The value of `ORIGIN` for resources that the API made: they are deleted when their agent has ended.
pub(crate) const BY_API: &str = "api";
/// The runtime that is responsible for resources without a label.
pub(crate) const DEFAULT_INSTANCE: &str = "parallax";

/// Before the keys of agents' own labels.
const LABEL_PREFIX: &str = "label.parallax.io/";
/// The longest name and value of a label, in bytes.
const MAX_LABEL: usize = 63;
/// How many digits of a resource's uid are part of its agent's id.
const UID_DIGITS: usize = 8;

/// Whether the API made this resource.
pub(crate) fn is_by_api(resource: &ParallaxAgent) -> bool {
    resource.labels().get(label::ORIGIN).is_some_and(|origin| origin == BY_API)
}

/// The agent of a resource. For a person's resource it includes part of the uid, because another resource of the same name
/// is another agent. None for a name that the definition would refuse.
pub(crate) fn agent_id(resource: &ParallaxAgent) -> Option<AgentId> {
    let name = resource.name_any();
    if is_by_api(resource) {
        return name.parse().ok();
    }
    let uid: String = resource.uid()?.chars().filter(|digit| *digit != '-').take(UID_DIGITS).collect();
    format!("{name}-{uid}").parse().ok()
}

/// The pod of an agent, unless it got one of the pool, which keeps its name.
pub(crate) fn pod(id: &AgentId) -> String {
    id.to_string()
}

/// The pod that hands out what an agent's dead host left on a claim.
pub(crate) fn export_pod(id: &AgentId) -> String {
    format!("{id}-export")
}

/// A new pod of the warm pool.
pub(crate) fn pool_pod() -> String {
    format!("pool-{}", AgentId::generate())
}

/// The Secret with an agent's launch.
pub(crate) fn launch_secret(id: &AgentId) -> String {
    format!("{id}-launch")
}

/// The claim that is made for an agent.
pub(crate) fn claim(id: &AgentId) -> String {
    format!("{id}-workspace")
}

/// The labels of objects that are made for an agent.
pub(crate) fn labels(instance: &str, id: &AgentId, r#type: &str) -> BTreeMap<String, String> {
    let labels = [(label::RUNTIME, instance), (label::AGENT, id.as_str()), (label::COMPONENT, "agent")];
    let mut labels: BTreeMap<String, String> =
        labels.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    // Not every name of a type is a valid label value.
    if is_name(r#type) {
        labels.insert(label::TYPE.into(), r#type.to_owned());
    }
    labels
}

/// The labels of an agent's pod and claim: ours, and its own.
pub(crate) fn object_labels(
    instance: &str,
    id: &AgentId,
    spec: &ParallaxAgentSpec,
) -> BTreeMap<String, String> {
    let mut all = labels(instance, id, &spec.r#type);
    all.extend(agent_labels(&spec.labels));
    all
}

/// The labels of an agent as the cluster can have them: under a prefix of their own, so that none stands in the place of a label that
/// selectors and policies look at. Those whose key or value is no good for a label of the cluster are left out.
pub(crate) fn agent_labels(labels: &BTreeMap<String, String>) -> impl Iterator<Item = (String, String)> {
    let fit = labels.iter().filter(|(key, value)| is_name(key) && (value.is_empty() || is_name(value)));
    fit.map(|(key, value)| (format!("{LABEL_PREFIX}{key}"), value.clone()))
}

/// Whether text is good for the name or the value of a label.
fn is_name(text: &str) -> bool {
    let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    text.len() <= MAX_LABEL
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        && ends(text.chars().next())
        && ends(text.chars().next_back())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_name_again_is_another_agent() {
        let mut resource = ParallaxAgent::new("reviewer", ParallaxAgentSpec::default());
        assert_eq!(agent_id(&resource), None, "nothing that was not made yet has an id");
        resource.metadata.uid = Some("0f4e2d6b-0000-4000-8000-000000000000".into());
        assert_eq!(agent_id(&resource).unwrap().as_str(), "reviewer-0f4e2d6b");
        resource.labels_mut().insert(label::ORIGIN.into(), BY_API.into());
        assert_eq!(agent_id(&resource).unwrap().as_str(), "reviewer");
    }

    #[test]
    fn labels_of_agents_stay_below_their_prefix() {
        let long = "x".repeat(64);
        let labels = [
            ("team", "web"),
            ("empty", ""),
            ("app.kubernetes.io", "runtime"),
            ("parallax.io/runtime", "other"),
            ("sentence", "two words"),
            ("-x", "y"),
            ("ü", "y"),
            (long.as_str(), "y"),
            ("long", long.as_str()),
        ];
        let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        let given: Vec<String> = agent_labels(&labels).map(|(key, value)| format!("{key}={value}")).collect();
        assert_eq!(
            given,
            [
                "label.parallax.io/app.kubernetes.io=runtime",
                "label.parallax.io/empty=",
                "label.parallax.io/team=web"
            ]
        );
    }

    #[test]
    fn a_type_that_is_no_label_is_none() {
        let id: AgentId = "a".parse().unwrap();
        assert_eq!(labels("parallax", &id, "claude")[label::TYPE], "claude");
        for odd in ["", "two words", "-x", "ü"] {
            assert!(!labels("parallax", &id, odd).contains_key(label::TYPE), "{odd}");
        }
    }
}
