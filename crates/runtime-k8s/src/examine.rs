//! What this backend needs, looked at for `parallax doctor`: the cluster, the definition, rights, whether a pod would be taken, and
//! what agents may reach.

use std::collections::BTreeMap;

use futures::future::join_all;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::api::{ListParams, PostParams};
use kube::core::{Selector, SelectorExt as _};
use kube::{Api, Error, ResourceExt as _};
use parallax_api::AgentId;
use parallax_api::check::{Check, CheckState};

use crate::classes;
use crate::cluster::{self, Cluster};
use crate::context::Context;
use crate::pod;
use crate::resource::{ParallaxAgent, ParallaxAgentSpec};

/// What the runtime's role has to allow in the namespace of the agents: group, resource and verbs.
const RIGHTS: [(&str, &str, &[&str]); 9] = [
    ("parallax.io", "parallaxagents", &["get", "list", "watch", "create", "patch", "delete"]),
    ("parallax.io", "parallaxagents/status", &["patch"]),
    ("parallax.io", "parallaxagents/finalizers", &["update"]),
    ("", "pods", &["get", "list", "watch", "create", "patch", "delete"]),
    ("", "pods/log", &["get"]),
    ("", "secrets", &["create", "delete"]),
    ("", "persistentvolumeclaims", &["get", "list", "create", "patch", "delete"]),
    ("events.k8s.io", "events", &["create", "patch"]),
    ("coordination.k8s.io", "leases", &["create"]),
];
/// The same in the namespace of the servers.
const SERVER_RIGHTS: [(&str, &str, &[&str]); 2] =
    [("", "pods", &["list", "patch"]), ("", "secrets", &["create"])];

/// All of it, in the order in which one thing needs the other.
pub(crate) async fn examine(context: &Context) -> Vec<Check> {
    let cluster = &context.cluster;
    let server = server(cluster).await;
    if server.state == CheckState::Bad {
        // Everything else would only say it again.
        return vec![server];
    }
    let (definition, rights, classes, pod, policy) = tokio::join!(
        definition(cluster),
        rights(cluster),
        classes::examine(context),
        would_take_a_pod(context),
        network_policy(context)
    );
    vec![server, definition, rights, classes, pod, images(context), policy]
}

async fn server(cluster: &Cluster) -> Check {
    const WHAT: &str = "cluster";
    match cluster.client.apiserver_version().await {
        Ok(version) => {
            let place = match cluster.server_namespace == cluster.namespace {
                true => format!("namespace `{}`", cluster.namespace),
                false => {
                    format!("agents in `{}`, servers in `{}`", cluster.namespace, cluster.server_namespace)
                }
            };
            Check::good(WHAT, format!("Kubernetes {}, {place}", version.git_version))
        }
        Err(error) => Check::bad(WHAT, cluster::problem("ask the cluster's version", &error).detail),
    }
}

async fn definition(cluster: &Cluster) -> Check {
    const WHAT: &str = "definition";
    match cluster.agents().list(&ListParams::default().limit(1)).await {
        Ok(_) => Check::good(WHAT, "parallaxagents.parallax.io is there"),
        Err(error) if cluster::is_missing(&error) => {
            Check::bad(WHAT, "the cluster has no ParallaxAgent resources")
                .advise("kubectl apply --server-side --filename deploy/kubernetes/definition/crd.yaml")
        }
        Err(error) => Check::bad(WHAT, cluster::problem("list the agents' resources", &error).detail),
    }
}

/// What the role lacks, of everything that this runtime does.
async fn rights(cluster: &Cluster) -> Check {
    const WHAT: &str = "rights";
    let namespaces = [(&cluster.namespace, &RIGHTS[..]), (&cluster.server_namespace, &SERVER_RIGHTS[..])];
    let each = namespaces.iter().flat_map(|(namespace, rights)| {
        rights.iter().flat_map(move |(group, resource, verbs)| {
            verbs.iter().map(move |verb| (namespace.as_str(), *group, *resource, *verb))
        })
    });
    let asked = each.map(|(namespace, group, resource, verb)| async move {
        let is_allowed = may(cluster, namespace, group, resource, verb).await?;
        Ok::<_, Error>((!is_allowed).then(|| format!("{verb} {resource} in `{namespace}`")))
    });
    let answers: Result<Vec<_>, Error> = join_all(asked).await.into_iter().collect();
    match answers {
        Err(error) => {
            Check::note(WHAT, format!("not known: the cluster would not say ({})", cluster::message(&error)))
        }
        Ok(missing) => {
            let missing: Vec<String> = missing.into_iter().flatten().collect();
            match missing.is_empty() {
                true => Check::good(WHAT, "this runtime's account may do what it needs"),
                false => Check::bad(WHAT, format!("this runtime's account may not: {}", missing.join(", ")))
                    .advise("deploy/kubernetes/rbac.yaml has the role"),
            }
        }
    }
}

async fn may(
    cluster: &Cluster,
    namespace: &str,
    group: &str,
    resource: &str,
    verb: &str,
) -> Result<bool, Error> {
    let (resource, subresource) = match resource.split_once('/') {
        Some((resource, sub)) => (resource, Some(sub.to_owned())),
        None => (resource, None),
    };
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                namespace: Some(namespace.to_owned()),
                group: Some(group.to_owned()),
                resource: Some(resource.to_owned()),
                subresource,
                verb: Some(verb.to_owned()),
                ..ResourceAttributes::default()
            }),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    let reviews: Api<SelfSubjectAccessReview> = Api::all(cluster.client.clone());
    let answer = reviews.create(&PostParams::default(), &review).await?;
    Ok(answer.status.is_some_and(|status| status.allowed))
}

/// A pod as an agent's would be, if the API server took it: admission, quota, LimitRange and PodSecurity have their say; nothing is
/// made.
async fn would_take_a_pod(context: &Context) -> Check {
    const WHAT: &str = "pods";
    let params = PostParams { dry_run: true, ..PostParams::default() };
    match context.cluster.pods().create(&params, &example(context)).await {
        Ok(_) => Check::good(WHAT, "the cluster would take an agent's pod (tried without making one)"),
        Err(error) => Check::bad(WHAT, cluster::problem("take an agent's pod", &error).detail)
            .advise("a quota, a LimitRange or an admission rule is in the way: [policy] of the runtime has what pods ask for"),
    }
}

/// The pod of an agent that asks for nothing.
fn example(context: &Context) -> Pod {
    let id = AgentId::generate();
    let agent_type = context.profiles.names().into_iter().next().unwrap_or_default();
    let spec = ParallaxAgentSpec { r#type: agent_type, ..ParallaxAgentSpec::default() };
    let mut resource = ParallaxAgent::new(id.as_str(), spec);
    resource.metadata.namespace = Some(context.cluster.namespace.clone());
    pod::pod(&resource, &id, &context.pods)
}

/// Which images there are to be. Whether nodes have them or can fetch them is known when they are needed.
fn images(context: &Context) -> Check {
    let of_types = context.profiles.names().into_iter().map(|name| {
        let spec = ParallaxAgentSpec { r#type: name, ..ParallaxAgentSpec::default() };
        format!("{} {}", spec.r#type, context.pods.images.of(&spec))
    });
    let all: Vec<String> =
        std::iter::once(format!("host {}", context.pods.host_image)).chain(of_types).collect();
    Check::note("images", format!("{} (pull: {})", all.join(", "), context.pods.pull.as_str()))
        .advise("whether a node has or gets them shows with the first agent; the component pre-pull fetches them before")
}

/// Whether a policy restricts what agents reach. That the cluster's network keeps to policies cannot be seen here.
async fn network_policy(context: &Context) -> Check {
    const WHAT: &str = "network policy";
    let policies: Api<NetworkPolicy> =
        Api::namespaced(context.cluster.client.clone(), &context.cluster.namespace);
    let found = match policies.list(&ListParams::default()).await {
        Ok(found) => found.items,
        Err(error) => {
            let why = cluster::message(&error);
            return Check::note(
                WHAT,
                format!("not known: policies of the namespace cannot be listed ({why})"),
            )
            .advise("deploy/kubernetes/rbac.yaml lets the runtime list them");
        }
    };
    let labels = example(context).metadata.labels.unwrap_or_default();
    let restricts = |policy: &NetworkPolicy| {
        let Some(spec) = &policy.spec else { return false };
        let has_egress = match &spec.policy_types {
            Some(types) => types.iter().any(|kind| kind == "Egress"),
            None => spec.egress.is_some(),
        };
        has_egress && selects(spec.pod_selector.clone().unwrap_or_default(), &labels)
    };
    let names: Vec<String> = found.iter().filter(|policy| restricts(policy)).map(names_of).collect();
    match names.is_empty() {
        false => Check::good(WHAT, format!("{} restricts what agents reach", names.join(", ")))
            .advise("it needs a network plugin that heeds policies"),
        true => Check::note(
            WHAT,
            "no policy restricts what agents reach: the API server, nodes and other pods are open to them",
        )
        .advise("deploy/kubernetes/network-policy.yaml, or networkPolicy.enabled of the chart"),
    }
}

fn names_of(policy: &NetworkPolicy) -> String {
    format!("`{}`", policy.name_any())
}

fn selects(selector: LabelSelector, labels: &BTreeMap<String, String>) -> bool {
    // One that makes no sense selects nothing, as the API server would have refused it.
    Selector::try_from(selector).is_ok_and(|selector| selector.matches(labels))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::scripted::{self, Answer};

    #[tokio::test]
    async fn rights_that_are_missing_are_named() {
        for (allowed, state) in [(true, CheckState::Good), (false, CheckState::Bad)] {
            let (cluster, asked) = scripted::cluster(move |method, path| {
                assert!(method == "POST" && path.contains("/selfsubjectaccessreviews"), "{method} {path}");
                let review = json!({
                    "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": {},
                    "status": {"allowed": allowed},
                });
                Answer::Json(201, review)
            });
            let check = rights(&cluster).await;
            assert_eq!(check.state, state, "{check:?}");
            assert_eq!(check.found.contains("get pods/log in `team`"), !allowed, "{check:?}");
            let each = RIGHTS.iter().chain(&SERVER_RIGHTS).map(|(_, _, verbs)| verbs.len());
            assert_eq!(asked.lock().unwrap().len(), each.sum::<usize>());
        }
    }

    #[tokio::test]
    async fn a_cluster_without_the_definition_is_told() {
        let message = "the server could not find the requested resource";
        let (cluster, _) = scripted::cluster(move |_, _| scripted::refusal(404, "NotFound", message));
        let check = definition(&cluster).await;
        assert!(
            check.state == CheckState::Bad && check.advice.is_some_and(|advice| advice.contains("crd.yaml"))
        );
    }
}
