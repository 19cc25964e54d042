//! Classes that are resources: used from the moment they are applied, refused where they are more than the policy, told when they go.

use std::io::Write as _;

use parallax_api::agent::Resources;
use parallax_api::check::CheckState;
use parallax_api::{AgentStatus, Code, SpawnRequest};
use parallax_testkit::backend::{ServerOptions, TestBackend, fake};
use parallax_testkit::conformance::nothing_is_left;
use parallax_testkit::k8s::{KubernetesBackend, Namespace};
use parallax_testkit::wait::{PATIENCE, until};
use serde_json::json;

use super::resources::{applied_already, resource};

const POLICY: &str = r#"
[policy]
max = {memory = "1Gi"}
agent-env = {TEAM = "blue"}
allow-image = ["debian:*", "parallax-test-**"]

[classes.tiny]
max = {memory = "128Mi"}
"#;

/// What `kubectl wait` and people look at.
const READY: &str =
    "{.status.conditions[?(@.type==\"Ready\")].status} {.status.conditions[?(@.type==\"Ready\")].reason}";
const CURRENT: &str =
    "{.status.conditions[?(@.type==\"Current\")].status} {.status.conditions[?(@.type==\"Current\")].reason}";

async fn apply_class(namespace: &Namespace, name: &str, spec: &str) {
    let text = format!(
        "{{apiVersion: parallax.io/v1alpha1, kind: ParallaxAgentClass, metadata: {{name: {name}}}, spec: {{{spec}}}}}"
    );
    namespace.apply(&text).await.unwrap_or_else(|error| panic!("{spec}: {error}"));
}

async fn message(namespace: &Namespace, class: &str) -> String {
    let path = "{.status.conditions[?(@.type==\"Ready\")].message}";
    namespace.field(&format!("pac/{class}"), path).await
}

fn of_class(name: &str, class: &str) -> SpawnRequest {
    SpawnRequest { r#type: "shell".into(), class: Some(class.into()), ..fake(name, &[]) }
}

async fn start() -> (KubernetesBackend, tempfile::NamedTempFile) {
    let mut config = tempfile::NamedTempFile::new().expect("a file can be made");
    config.write_all(POLICY.as_bytes()).expect("it can be written");
    (KubernetesBackend::start_with(&["--config", &config.path().to_string_lossy()]).await, config)
}

/// The names that the API lists, with their maxima of memory.
async fn listed(backend: &KubernetesBackend) -> Vec<String> {
    let classes = backend.user().client.runtime_status().await.expect("it answers").classes;
    let maximum = |limits: parallax_api::runtime::AgentLimits| limits.memory.unwrap_or_default();
    classes.into_iter().map(|class| format!("{} {}", class.name, maximum(class.maximum))).collect()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Kubernetes cluster: make test-k8s"]
async fn a_class_is_used_without_a_restart() {
    let (backend, _config) = start().await;
    let (namespace, user) = (backend.namespace(), backend.user());
    assert_eq!(user.spawn_refused(&of_class("early", "small")).await.code, Code::Validation);

    apply_class(
        namespace,
        "small",
        "description: for reading, max: {memory: 512Mi, cpu: 500m}, default: {memory: 256Mi}, env: {CLASS: small}, \
         podLabels: {cost: research}, podAnnotations: {example.org/by: tests}, nodeSelector: {kubernetes.io/os: linux}, \
         tolerations: [{key: small, operator: Exists}], setAside: {memory: 32Mi}",
    )
    .await;
    namespace.becomes("pac/small", READY, "True Taken").await;
    assert_eq!(listed(&backend).await, ["small 512Mi", "tiny 128Mi"]);
    let agent = user.spawn_ready(of_class("reader", "small")).await;
    assert_eq!(agent.say("echo $TEAM $CLASS").await, "blue small");
    let pod = format!("pod/{}", agent.id);
    for (path, is) in [
        (
            "{.spec.containers[0].resources.limits.memory} {.spec.containers[0].resources.limits.cpu}",
            "256Mi 500m",
        ),
        ("{.spec.containers[0].resources.requests.memory}", "32Mi"),
        ("{.metadata.labels.cost} {.metadata.annotations.example\\.org/by}", "research tests"),
        (
            "{.spec.nodeSelector} {.spec.tolerations[?(@.key==\"small\")].operator}",
            "{\"kubernetes.io/os\":\"linux\"} Exists",
        ),
    ] {
        assert_eq!(namespace.field(&pod, path).await, is, "{path}");
    }
    let memory =
        |amount: &str| serde_json::from_value::<Resources>(json!({"memory": amount})).expect("well-formed");
    let request = SpawnRequest { resources: Some(memory("513Mi")), ..of_class("much", "small") };
    let problem = user.spawn_refused(&request).await;
    assert_eq!((problem.code, problem.more["maximum"].as_str()), (Code::PolicyDenied, Some("512Mi")));

    // Changed, it counts for whoever comes next.
    apply_class(namespace, "small", "max: {memory: 300Mi}, allowImages: ['debian:*', 'other/**']").await;
    until("the change to be taken", PATIENCE, async || {
        let listed = listed(&backend).await;
        if listed == ["small 300Mi", "tiny 128Mi"] { Ok(()) } else { Err(listed) }
    })
    .await;
    let request = SpawnRequest { resources: Some(memory("400Mi")), ..of_class("much", "small") };
    assert_eq!(user.spawn_refused(&request).await.code, Code::PolicyDenied);
    // An image is one that the class and the policy allow.
    for (image, field) in
        [("parallax-test-fake", "debian:*, other/**"), ("other/image", "debian:*, parallax-test-**")]
    {
        let request = SpawnRequest { image: Some(image.into()), ..of_class("other", "small") };
        let problem = user.spawn_refused(&request).await;
        assert!(problem.code == Code::PolicyDenied && problem.detail.contains(field), "{problem:?}");
    }
    assert_eq!(agent.say("echo $CLASS").await, "small", "who runs stays as it was");

    // A server that starts has them before it is asked for an agent.
    backend.kill_server().await;
    backend.start_server(ServerOptions::default()).await;
    assert_eq!(listed(&backend).await, ["small 300Mi", "tiny 128Mi"]);

    let id = agent.id.to_string();
    let pa = format!("pa/{id}");
    namespace.becomes(&pa, CURRENT, "True AsAsked").await;
    namespace.kubectl(&["delete", "pac", "small"]).await.expect("it can be deleted");
    namespace.becomes(&pa, CURRENT, "False ClassGone").await;
    until("an event that tells it", PATIENCE, async || {
        let events = namespace
            .kubectl(&["get", "events", "--output", "name", "--field-selector", "reason=ClassGone"])
            .await;
        events.filter(|events| !events.trim().is_empty()).ok_or(())
    })
    .await;
    let agent = user.follow(agent.id.clone()).await;
    assert_eq!(agent.say("echo still here").await, "still here");
    assert_eq!(listed(&backend).await, ["tiny 128Mi"]);
    assert_eq!(user.spawn_refused(&of_class("late", "small")).await.code, Code::Validation);
    apply_class(namespace, "small", "").await;
    namespace.becomes(&pa, CURRENT, "True AsAsked").await;
    agent.stop().await;
    nothing_is_left(&backend).await;
    backend.end_server().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Kubernetes cluster: make test-k8s"]
async fn a_class_that_is_of_no_use_is_told_and_harms_no_other() {
    let (backend, _config) = start().await;
    let namespace = backend.namespace();
    for (name, spec, reason, words) in [
        ("huge", "max: {memory: 2Gi}", "Refused", "the maximum of memory is 2Gi, and the policy's is 1Gi"),
        ("tiny", "max: {memory: 512Mi}", "NameTaken", "configuration file"),
        ("twisted", "max: {cpu: 1}, default: {cpu: 2}", "Refused", "more than its maximum"),
        ("own", "podLabels: {parallax.io/agent: mine}", "Refused", "parallax.io/agent"),
        ("hosts", "env: {PARALLAX_TOKEN: x}", "Refused", "PARALLAX_TOKEN"),
        ("cores", "devices: {cpu: 1}", "Refused", "extended resources"),
        ("eternal", "max: {lifetime: 9999d}", "Refused", "365d"),
    ] {
        apply_class(namespace, name, &spec.replace(": 1}", ": \"1\"}").replace(": 2}", ": \"2\"}")).await;
        namespace.becomes(&format!("pac/{name}"), READY, &format!("False {reason}")).await;
        let message = message(namespace, name).await;
        assert!(message.contains(words), "{name}: {message}");
    }
    // What makes no sense whatever the policy is, the API server refuses.
    for wrong in ["max: {memory: lots}", "max: {lifetime: 1w}", "description: 5", "tolerations: {key: a}"] {
        let text = format!(
            "{{apiVersion: parallax.io/v1alpha1, kind: ParallaxAgentClass, metadata: {{name: wrong}}, spec: {{{wrong}}}}}"
        );
        namespace.apply(&text).await.expect_err(wrong);
    }
    apply_class(namespace, "good", "").await;
    namespace.becomes("pac/good", READY, "True Taken").await;
    // A neighbour's is the neighbour's.
    namespace.kubectl(&["label", "pac", "good", "parallax.io/runtime=other"]).await.expect("it is taken");
    until("the neighbour's class to go", PATIENCE, async || {
        let listed = listed(&backend).await;
        if listed == ["tiny 128Mi"] { Ok(()) } else { Err(listed) }
    })
    .await;
    let columns = namespace.kubectl(&["get", "pac", "huge"]).await.expect("they can be listed");
    for column in
        ["NAME", "READY", "REASON", "CPU", "MEMORY", "DESCRIPTION", "AGE", "False", "Refused", "2Gi"]
    {
        assert!(columns.contains(column), "{column}: {columns}");
    }
    let checks = super::doctor::checks_of(&backend).await;
    let check = checks.iter().find(|check| check.what == "classes").expect("it looks at them");
    assert!(check.state == CheckState::Note && check.found.contains("`huge` is not used"), "{check:?}");
    let problem = backend.user().spawn_refused(&of_class("big", "huge")).await;
    assert_eq!(problem.code, Code::Validation);
    backend.end_server().await;
}

/// One `kubectl apply` has both, in whatever order.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Kubernetes cluster: make test-k8s"]
async fn an_agent_waits_for_its_class() {
    let (backend, _config) = start().await;
    let namespace = backend.namespace();
    namespace.apply(&resource("waiter", "class: later")).await.expect("it is taken");
    namespace.becomes("pa/waiter", "{.status.phase} {.status.code}", "Pending VALIDATION_ERROR").await;
    apply_class(namespace, "later", "max: {memory: 512Mi}").await;
    namespace.becomes("pa/waiter", "{.status.phase}", "Running").await;
    let mut agent = applied_already(&backend, "waiter").await;
    agent.becomes(AgentStatus::Ready).await;
    assert_eq!(agent.agent().await.class.as_deref(), Some("later"));
    namespace.kubectl(&["delete", "pa", "waiter"]).await.expect("it can be deleted");
    until("everything to be gone", PATIENCE * 2, async || {
        let left = backend.leftovers().await;
        if left.is_empty() { Ok(()) } else { Err(left) }
    })
    .await;
    backend.end_server().await;
}
