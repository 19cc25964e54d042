//! What an operator sets for pods: classes, defaults that a LimitRange takes, and maxima that resources are held against.

use std::io::Write as _;

use parallax_api::agent::Resources;
use parallax_api::{AgentStatus, Code, SpawnRequest};
use parallax_testkit::backend::{TestBackend, fake};
use parallax_testkit::conformance::nothing_is_left;
use parallax_testkit::k8s::KubernetesBackend;
use parallax_testkit::wait::{PATIENCE, until};
use serde_json::json;

use super::resources::{applied_already, resource};

const POLICY: &str = r#"
[policy]
max = {cpu = 1, memory = "512Mi", lifetime = "1h"}
default = {cpu = "400m", memory = "256Mi"}
set-aside = {cpu = "100m", memory = "64Mi"}
init-request = {cpu = "100m", memory = "16Mi"}
init-limit = {cpu = "400m", memory = "64Mi"}
pod-label = {team = "blue"}
pod-annotation = {"example.org/cost" = "research"}
agent-env = {TEAM = "blue", GIVEN = "policy"}
ca-bundle = "corporate"
volumes = [{name = "scratch", emptyDir = {sizeLimit = "5Mi"}}]
volume-mounts = [{name = "scratch", mountPath = "/scratch"}]

[classes.tiny]
max = {cpu = "200m", memory = "128Mi", disk = "10Mi"}
node-selector = {"kubernetes.io/os" = "linux"}
priority-class = "research"
pod-label = {team = "red"}

[classes.elsewhere]
node-selector = {"kubernetes.io/arch" = "none-such"}
"#;

/// What a limit may be of what is set aside: four times as much.
const RATIO: &str = r#"
apiVersion: v1
kind: LimitRange
metadata: {name: ratio}
spec:
  limits:
  - type: Container
    max: {cpu: "1", memory: 512Mi}
    maxLimitRequestRatio: {cpu: 4, memory: 4}
"#;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Kubernetes cluster: make test-k8s"]
async fn a_policy_is_what_pods_are_given() {
    let mut config = tempfile::NamedTempFile::new().expect("a file can be made");
    config.write_all(POLICY.as_bytes()).expect("it can be written");
    let backend = KubernetesBackend::start_with(&["--config", &config.path().to_string_lossy()]).await;
    let (namespace, user) = (backend.namespace(), backend.user());
    namespace.apply(RATIO).await.expect("it is taken");
    let bundle =
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: corporate}\ndata: {ca.crt: a certificate}\n";
    namespace.apply(bundle).await.expect("it is taken");
    let shell = |name: &str| SpawnRequest { r#type: "shell".into(), ..fake(name, &[]) };

    let agent = user.spawn_ready(shell("plain")).await;
    assert_eq!(
        agent.say("echo $TEAM; cat $SSL_CERT_FILE; echo; touch /scratch/mine && echo mine").await,
        "blue\na certificate\nmine"
    );
    let shown = async |id: &str, path: &str| {
        namespace
            .kubectl(&["get", "pod", id, "--output", &format!("jsonpath={path}")])
            .await
            .unwrap_or_default()
    };
    let id = agent.id.to_string();
    let resources = "{.spec.containers[0].resources.limits.cpu} {.spec.containers[0].resources.requests.memory} {.spec.containers[0].resources.limits.ephemeral-storage}";
    assert_eq!(shown(&id, resources).await, "400m 64Mi 10Gi");
    assert_eq!(
        shown(&id, "{.metadata.labels.team} {.metadata.annotations.example\\.org/cost}").await,
        "blue research"
    );
    agent.stop().await;

    // What is too much, by the API and by a resource.
    let resources: Resources = serde_json::from_value(json!({"memory": "513Mi"})).expect("well-formed");
    let problem = user.spawn_refused(&SpawnRequest { resources: Some(resources), ..shell("much") }).await;
    assert_eq!(
        (problem.code, problem.more["maximum"].as_str()),
        (Code::PolicyDenied, Some("512Mi")),
        "{problem:?}"
    );
    namespace.apply(&resource("much", "resources: {limits: {cpu: 1100m}}")).await.expect("it is taken");
    namespace.becomes("pa/much", "{.status.phase} {.status.code}", "Failed POLICY_DENIED").await;
    namespace.apply(&resource("unknown", "class: huge")).await.expect("it is taken");
    namespace.becomes("pa/unknown", "{.status.phase} {.status.code}", "Pending VALIDATION_ERROR").await;
    namespace.kubectl(&["delete", "pa", "much", "unknown"]).await.expect("they can be deleted");

    // A PriorityClass belongs to the cluster, and this one is not there: the class is refused in the cluster's words.
    let problem = user.spawn_refused(&SpawnRequest { class: Some("tiny".into()), ..shell("tiny") }).await;
    assert!(problem.detail.contains("research"), "{problem:?}");
    // No node is of this architecture.
    let problem = user.spawn_refused(&SpawnRequest { class: Some("elsewhere".into()), ..shell("far") }).await;
    assert_eq!(problem.code, Code::ResourceLimit, "{problem:?}");
    nothing_is_left(&backend).await;
    backend.end_server().await;
}

/// Written more than it may, an agent is evicted; its resource names the class, and its own variables are above the policy's.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Kubernetes cluster: make test-k8s"]
async fn a_resource_names_a_class() {
    let policy =
        "[policy]\nagent-env = {GIVEN = 'policy'}\n[classes.tiny]\nmax = {memory = '256Mi', disk = '10Mi'}\n";
    let mut config = tempfile::NamedTempFile::new().expect("a file can be made");
    config.write_all(policy.as_bytes()).expect("it can be written");
    let backend = KubernetesBackend::start_with(&["--config", &config.path().to_string_lossy()]).await;
    let namespace = backend.namespace();
    let text = resource("reader", "class: tiny\nenv: [{name: GIVEN, value: mine}]")
        .replace("type: fake", "type: shell");
    namespace.apply(&text).await.expect("it is taken");
    let mut agent = applied_already(&backend, "reader").await;
    agent.becomes(AgentStatus::Ready).await;
    assert_eq!(agent.agent().await.class.as_deref(), Some("tiny"));
    assert_eq!(agent.say("echo $GIVEN").await, "mine");
    let limits = "{.spec.containers[0].resources.limits.memory} {.spec.containers[0].resources.limits.ephemeral-storage}";
    let pod = agent.id.to_string();
    let shown = namespace.kubectl(&["get", "pod", &pod, "--output", &format!("jsonpath={limits}")]).await;
    assert_eq!(shown.as_deref(), Some("256Mi 10Mi"));
    // That the kubelet keeps to it is the cluster's part, which this project's test cluster does not do.
    namespace.kubectl(&["delete", "pa", "reader"]).await.expect("it can be deleted");
    // Its pod has thirty seconds to go.
    until("everything to be gone", PATIENCE * 2, async || {
        let left = backend.leftovers().await;
        if left.is_empty() { Ok(()) } else { Err(left) }
    })
    .await;
    backend.end_server().await;
}
