//! Which claims an agent may work in. A claim that a request names may hold anything: another agent's files, the state of a
//! server.

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::ResourceExt as _;
use kube::api::ListParams;
use parallax_api::{Code, Problem};
use parallax_runtime_core::name_pattern;

use crate::cluster::{self, Cluster};
use crate::names::{self, label};
use crate::resource::{ParallaxAgent, Phase};

/// The components of the deployment that agents' claims must not belong to.
const SERVERS: [&str; 2] = ["runtime", "control-plane"];

/// Checks a claim that a resource names: it is no server's, and not an agent's own that lives or may come back.
pub(crate) async fn check_unprotected(cluster: &Cluster, name: &str) -> Result<(), Problem> {
    let claim = cluster.claims().get_opt(name).await;
    // A claim that comes later is checked when the pod is made.
    let Some(claim) = claim.map_err(|error| cluster::problem("look for the claim", &error))? else {
        return Ok(());
    };
    let pods = cluster.pods().list(&ListParams::default()).await;
    let pods = pods.map_err(|error| cluster::problem("look for the users of the claim", &error))?;
    let why = match why_protected(&claim, &pods.items) {
        // Only what was made for an agent may be waited for by one without a pod.
        None if claim.labels().contains_key(label::AGENT) => {
            let agents = cluster.agents().list(&ListParams::default()).await;
            let agents =
                agents.map_err(|error| cluster::problem("look for the agent of the claim", &error))?;
            why_awaited(&claim, &agents.items)
        }
        why => why,
    };
    why.map_or(Ok(()), |why| Err(forbidden(name, &why)))
}

/// Whether something of this resource is to come: its agent works, was moved, or is suspended.
pub(crate) fn is_awaited(agent: &ParallaxAgent) -> bool {
    let phase = agent.status.as_ref().map(|status| status.phase).unwrap_or_default();
    agent.metadata.deletion_timestamp.is_none() && !matches!(phase, Phase::Ended | Phase::Failed)
}

fn why_awaited(claim: &PersistentVolumeClaim, agents: &[ParallaxAgent]) -> Option<String> {
    let owner = claim.labels().get(label::AGENT)?;
    let is_owner = |agent: &&ParallaxAgent| names::agent_id(agent).is_some_and(|id| id.as_str() == owner);
    let agent = agents.iter().find(|agent| is_owner(agent) && is_awaited(agent))?;
    Some(format!("its agent comes back to it (`kubectl get pa {}`)", agent.name_any()))
}

/// Checks a claim that a request to the API names: as above, and it was made for an agent, has the label, or matches one of
/// the operator's patterns.
pub(crate) async fn check_allowed(
    cluster: &Cluster,
    claim: &PersistentVolumeClaim,
    patterns: &[String],
) -> Result<(), Problem> {
    let name = claim.name_any();
    let is_labelled = claim.labels().get(label::WORKDIR).is_some_and(|value| value == "true");
    let is_agents = claim.labels().contains_key(label::AGENT);
    if !(is_labelled || is_agents || patterns.iter().any(|pattern| name_pattern::matches(pattern, &name))) {
        let why = format!(
            "agents of the API may work in claims that were made for an agent, have the label {}=true, or match an \
             --allow-claim of the runtime",
            label::WORKDIR
        );
        return Err(forbidden(&name, &why));
    }
    check_unprotected(cluster, &name).await
}

fn why_protected(claim: &PersistentVolumeClaim, pods: &[Pod]) -> Option<String> {
    // A retained claim has no owner, and is free when its agent is gone.
    if claim.labels().contains_key(label::AGENT) && !claim.owner_references().is_empty() {
        return Some("it is another agent's own, and goes with it".into());
    }
    if claim.metadata.deletion_timestamp.is_some() {
        return Some("it is being deleted".into());
    }
    let name = claim.name_any();
    let uses = |pod: &Pod| {
        let volumes = pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten());
        let mut claims = volumes.filter_map(|volume| volume.persistent_volume_claim.as_ref());
        claims.any(|claim| claim.claim_name == name)
    };
    let is_server = |labels: &std::collections::BTreeMap<String, String>| {
        let component = labels.get(label::COMPONENT).map(String::as_str);
        labels.get("app.kubernetes.io/name").is_some_and(|name| name == "parallax")
            && component.is_some_and(|component| SERVERS.contains(&component))
    };
    // Claims of a StatefulSet have its labels, also while it has no pod.
    if is_server(claim.labels()) || pods.iter().any(|pod| is_server(pod.labels()) && uses(pod)) {
        return Some("it holds the state of a Parallax server".into());
    }
    let owner = claim.labels().get(label::AGENT);
    let is_owner = |pod: &Pod| owner.is_some() && pod.labels().get(label::AGENT) == owner;
    pods.iter().any(|pod| is_owner(pod) && uses(pod)).then(|| "its agent still runs".into())
}

fn forbidden(name: &str, why: &str) -> Problem {
    Problem::new(Code::WorkdirForbidden, format!("an agent may not work in the claim `{name}`: {why}"))
        .with("field", "workdir")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn claim(metadata: &Value) -> PersistentVolumeClaim {
        serde_json::from_value(json!({"metadata": metadata})).unwrap()
    }

    fn pod(labels: &Value) -> Pod {
        serde_json::from_value(json!({"metadata": {"name": "p", "labels": labels}, "spec": {"containers": [],
            "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "work"}}]}}))
        .unwrap()
    }

    #[test]
    fn what_servers_and_living_agents_have_is_protected() {
        let server = json!({"app.kubernetes.io/name": "parallax", "app.kubernetes.io/component": "runtime"});
        let agent = json!({"parallax.io/agent": "a", "app.kubernetes.io/component": "agent"});
        let plain = claim(&json!({"name": "work"}));
        assert_eq!(why_protected(&plain, &[]), None);
        assert_eq!(why_protected(&plain, &[pod(&agent)]), None, "agents may share a claim of a person's");
        assert!(why_protected(&plain, &[pod(&server)]).is_some());
        assert!(
            why_protected(&claim(&json!({"name": "state-parallax-runtime-0", "labels": server})), &[])
                .is_some()
        );
        let retained = claim(&json!({"name": "work", "labels": agent}));
        assert_eq!(why_protected(&retained, &[]), None);
        assert!(why_protected(&retained, &[pod(&agent)]).is_some());
        let owner =
            json!([{"apiVersion": "parallax.io/v1alpha1", "kind": "ParallaxAgent", "name": "a", "uid": "u"}]);
        let owned = claim(&json!({"name": "work", "labels": agent, "ownerReferences": owner}));
        assert!(why_protected(&owned, &[]).is_some());
    }

    #[test]
    fn what_an_agent_without_a_pod_comes_back_to_is_protected() {
        let resource = |name: &str, phase: &str, deleted: Option<&str>| -> ParallaxAgent {
            let labels = json!({"parallax.io/origin": "api"});
            let metadata = json!({"name": name, "labels": labels, "deletionTimestamp": deleted});
            serde_json::from_value(
                json!({"apiVersion": "parallax.io/v1alpha1", "kind": "ParallaxAgent", "metadata": metadata,
                "spec": {"type": "fake"}, "status": {"phase": phase}}),
            )
            .unwrap()
        };
        let why = |agent: ParallaxAgent| {
            why_awaited(&claim(&json!({"name": "work", "labels": {"parallax.io/agent": "a"}})), &[agent])
        };
        for phase in ["Pending", "Creating", "Starting", "Running", "Suspending", "Suspended"] {
            assert!(why(resource("a", phase, None)).unwrap().contains("pa a"), "{phase}");
            assert_eq!(why(resource("b", phase, None)), None, "it is another's");
            assert_eq!(why(resource("a", phase, Some("2026-01-01T00:00:00Z"))), None, "it goes");
        }
        for phase in ["Ended", "Failed"] {
            assert_eq!(why(resource("a", phase, None)), None, "{phase}: nothing is to come");
        }
    }
}
