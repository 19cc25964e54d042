//! What `kubectl` does to a resource is done to the agent, and what the cluster does to a pod is published with its reason.

use std::time::{Duration, Instant};

use parallax_api::agent::Resources;
use parallax_api::client::ListFilter;
use parallax_api::{Agent, AgentStatus, Code, SpawnRequest};
use parallax_testkit::backend::{TestBackend, fake};
use parallax_testkit::k8s::KubernetesBackend;
use parallax_testkit::user::Spawned;
use parallax_testkit::wait::{PATIENCE, until};

/// A fake agent as a resource, with these lines in its spec.
pub fn resource(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: parallax.io/v1alpha1\nkind: ParallaxAgent\nmetadata:\n  name: {name}\nspec:\n  type: fake\n{}",
        spec.lines().map(|line| format!("  {line}\n")).collect::<String>()
    )
}

/// Applies a resource and waits for the agent in the API's list.
async fn applied(backend: &KubernetesBackend, name: &str, spec: &str) -> Spawned {
    backend.namespace().apply(&resource(name, spec)).await.expect("the resource is taken");
    let user = backend.user();
    let agent: Agent = until("the agent to be listed", PATIENCE, async || {
        let agents = user.client.list_all(&ListFilter::default()).await.expect("a list");
        agents.into_iter().find(|agent| agent.id.as_str().starts_with(name)).ok_or(())
    })
    .await;
    user.follow(agent.id).await
}

async fn nothing_is_left(backend: &KubernetesBackend) {
    until("everything to be gone", PATIENCE, async || {
        let left = backend.leftovers().await;
        if left.is_empty() { Ok(()) } else { Err(left) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Kubernetes cluster: make test-k8s"]
async fn an_applied_resource_is_an_agent() {
    let backend = KubernetesBackend::start().await;
    let namespace = backend.namespace();
    let secret = ["create", "secret", "generic", "numbers", "--from-literal", "four=4"];
    namespace.kubectl(&secret).await.expect("a Secret can be made");
    let spec = "role: reviewer\ncapabilities: [code_review]\nlabels: {team: red}\nenv:\n- name: NUMBER\n  \
                valueFrom: {secretKeyRef: {name: numbers, key: four}}\nenvFrom:\n- secretRef: {name: numbers}";
    let mut agent = applied(&backend, "reviewer", spec).await;
    let ready = agent.becomes(AgentStatus::Ready).await;
    assert_eq!((ready.name.as_str(), ready.role.as_deref()), ("reviewer", Some("reviewer")));
    assert_eq!(ready.labels["team"], "red");
    assert_eq!(agent.say("do env NUMBER && env four").await, "4\n4");
    namespace.becomes("pa/reviewer", "{.status.phase} {.status.agent.status}", "Running ready").await;
    assert_eq!(namespace.field("pa/reviewer", "{.status.agent.id}").await, agent.id.as_str());

    agent.tell("do ask && say done").await;
    namespace.becomes("pa/reviewer", "{.status.attention.kind}", "question").await;
    agent.chooses("yes").await;
    namespace.becomes("pa/reviewer", "{.status.attention.kind}", "").await;

    namespace.kubectl(&["delete", "pa", "reviewer"]).await.expect("it can be deleted");
    assert_eq!(agent.ends().await.reason, "stopped");
    assert_eq!(agent.messages().await.len(), 4, "what was said stays readable");
    nothing_is_left(&backend).await;
    backend.end_server().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Kubernetes cluster: make test-k8s"]
async fn an_agent_that_ends_leaves_its_resource() {
    let backend = KubernetesBackend::start().await;
    let namespace = backend.namespace();
    let mut agent = applied(&backend, "mortal", "").await;
    agent.becomes(AgentStatus::Ready).await;
    agent.tell("do crash 3").await;
    agent.ends().await;
    namespace.becomes("pa/mortal", "{.status.phase} {.status.exit.code}", "Ended 3").await;
    until("the pod to be gone", PATIENCE, async || {
        let pods = namespace.kubectl(&["get", "pods", "-o", "name"]).await.unwrap_or_default();
        if pods.is_empty() { Ok(()) } else { Err(pods) }
    })
    .await;
    // The same name again is another agent.
    namespace.kubectl(&["delete", "pa", "mortal"]).await.expect("it can be deleted");
    namespace.apply(&resource("mortal", "")).await.expect("the resource is taken");
    namespace.becomes("pa/mortal", "{.status.phase}", "Running").await;
    assert_ne!(namespace.field("pa/mortal", "{.status.agent.id}").await, agent.id.as_str());
    namespace.kubectl(&["delete", "pa", "mortal"]).await.expect("it can be deleted");
    nothing_is_left(&backend).await;
    backend.end_server().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Kubernetes cluster: make test-k8s"]
async fn what_cannot_be_is_refused_or_told() {
    let backend = KubernetesBackend::start().await;
    let namespace = backend.namespace();
    let long = "x".repeat(53);
    for (name, spec, says) in [
        ("bad", "approvals: never", "approvals"),
        ("bad", "terminal: {cols: 1, rows: 40}", "cols"),
        ("bad", "idleTimeoutSeconds: 0", "idleTimeoutSeconds"),
        ("bad", "image: two words", "image"),
        ("bad", "workspace: {emptyDir: {}, existingClaim: {name: a}}", "workspace"),
        ("bad", "workspace: {existingClaim: {name: A_B}}", "name"),
        (long.as_str(), "", "name"),
    ] {
        let refused = namespace.apply(&resource(name, spec)).await.expect_err(spec);
        assert!(refused.contains(says), "{spec}: {refused}");
    }

    let mut agent = applied(&backend, "edited", "model: one").await;
    agent.becomes(AgentStatus::Ready).await;
    namespace
        .apply(&resource("edited", "model: two\nsuspended: true"))
        .await
        .expect("the schema has nothing against it");
    let condition = |of: &str, field: &str| format!("{{.status.conditions[?(@.type==\"{of}\")].{field}}}");
    namespace.becomes("pa/edited", &condition("Current", "reason"), "CannotChange").await;
    assert!(
        namespace.field("pa/edited", &condition("Current", "message")).await.starts_with("spec.model cannot")
    );
    namespace.becomes("pa/edited", &condition("Suspended", "reason"), "NothingKept").await;
    assert_eq!(agent.say("still there?").await, "echo: still there?");
    let events = namespace.kubectl(&["get", "events", "-o", "jsonpath={.items[*].reason}"]).await;
    let events = events.expect("events can be read");
    for reason in ["Created", "Running", "CannotChange"] {
        assert!(events.contains(reason), "{events}");
    }

    // A type without a profile: reported, and corrected by an edit.
    let unknown = resource("unknown", "").replace("type: fake", "type: nonesuch");
    namespace.apply(&unknown).await.expect("the schema does not know types");
    namespace.becomes("pa/unknown", "{.status.phase} {.status.code}", "Failed VALIDATION_ERROR").await;
    namespace.apply(&resource("unknown", "")).await.expect("it can be edited");
    namespace.becomes("pa/unknown", "{.status.phase}", "Running").await;
    namespace.kubectl(&["delete", "pa", "--all"]).await.expect("they can be deleted");
    nothing_is_left(&backend).await;
    backend.end_server().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Kubernetes cluster: make test-k8s"]
async fn what_cannot_start_is_told_in_seconds() {
    let backend = KubernetesBackend::start().await;
    let user = backend.user();
    let began = Instant::now();
    let image = Some("registry.invalid/nothing:1".to_owned());
    let problem = user.spawn_refused(&SpawnRequest { image, ..fake("imageless", &[]) }).await;
    assert_eq!(problem.code, Code::ImageNotFound, "{problem:?}");
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());

    let began = Instant::now();
    let resources = Some(Resources { memory: Some("4000Gi".into()), ..Resources::default() });
    let problem = user.spawn_refused(&SpawnRequest { resources, ..fake("huge", &[]) }).await;
    assert_eq!(problem.code, Code::ResourceLimit, "{problem:?}");
    assert!(problem.detail.contains("Insufficient memory"), "{problem:?}");
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());

    let cli = SpawnRequest { image: Some("debian:bookworm-slim".into()), ..fake("cliless", &[]) };
    let problem = user.spawn_refused(&cli).await;
    assert_eq!(problem.code, Code::CliNotFound, "{problem:?}");

    let claim = SpawnRequest { workdir: Some("no-such-claim".into()), ..fake("claimless", &[]) };
    assert_eq!(user.spawn_refused(&claim).await.code, Code::WorkdirNotFound);
    let pids = Some(Resources { pids: Some(7), ..Resources::default() });
    let problem = user.spawn_refused(&SpawnRequest { resources: pids, ..fake("limited", &[]) }).await;
    assert_eq!((problem.code, problem.more["field"].as_str()), (Code::Unsupported, Some("resources.pids")));

    let namespace = backend.namespace();
    namespace.apply(&resource("imageless", "image: registry.invalid/nothing:1")).await.expect("it is taken");
    namespace.becomes("pa/imageless", "{.status.phase} {.status.code}", "Pending IMAGE_NOT_FOUND").await;
    namespace.kubectl(&["delete", "pa", "imageless"]).await.expect("it can be deleted");
    nothing_is_left(&backend).await;
    backend.end_server().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Kubernetes cluster: make test-k8s"]
async fn a_pod_that_goes_is_told_with_its_reason() {
    let backend = KubernetesBackend::start().await;
    let namespace = backend.namespace();
    let user = backend.user();
    // Deleted with its grace period: the host ends its agent and publishes it.
    let mut asked = user.spawn_ready(fake("asked", &[])).await;
    // Deleted without.
    let mut torn = user.spawn_ready(fake("torn", &[])).await;
    // Fills its workspace beyond its limit: the kubelet evicts it.
    let full =
        resource("full", "workspace: {emptyDir: {sizeLimit: 1Mi}}").replace("type: fake", "type: shell");
    namespace.apply(&full).await.expect("it is taken");
    let mut full = applied_already(&backend, "full").await;
    full.becomes(AgentStatus::Ready).await;
    full.tell("head -c 20000000 /dev/zero > filling").await;
    // Eats more memory than it has.
    let resources = Some(Resources { memory: Some("64Mi".into()), ..Resources::default() });
    let greedy = SpawnRequest { r#type: "shell".into(), resources, ..fake("greedy", &[]) };
    let mut greedy = user.spawn_ready(greedy).await;
    greedy.tell("x=x; while true; do x=$x$x; done").await;

    let id = asked.id.to_string();
    namespace.kubectl(&["delete", "pod", &id, "--wait=false"]).await.expect("it can be deleted");
    assert_eq!(asked.ends().await.reason, "stopped");
    let id = torn.id.to_string();
    let began = Instant::now();
    namespace
        .kubectl(&["delete", "pod", &id, "--grace-period=0", "--force"])
        .await
        .expect("it can be deleted");
    // Containers get two seconds all the same, which is enough for most hosts.
    let reason = torn.ends().await.reason;
    assert!(["stopped", "pod_deleted"].contains(&reason.as_str()), "{reason}");
    assert!(began.elapsed() < Duration::from_secs(12), "{:?}", began.elapsed());
    assert_eq!(greedy.ends().await.reason, "oom");
    // The kubelet measures volumes once a minute.
    let evicted = until("the full agent to be evicted", Duration::from_secs(150), async || {
        let agent = full.agent().await;
        agent.exit.ok_or(agent.status)
    })
    .await;
    assert!(["evicted", "stopped"].contains(&evicted.reason.as_str()), "{evicted:?}");
    namespace.kubectl(&["delete", "pa", "--all"]).await.expect("they can be deleted");
    nothing_is_left(&backend).await;
    backend.end_server().await;
}

/// The agent of a resource that was applied, once it is listed.
pub async fn applied_already(backend: &KubernetesBackend, name: &str) -> Spawned {
    let user = backend.user();
    let id = until("the agent to be listed", PATIENCE, async || {
        let agents = user.client.list_all(&ListFilter::default()).await.expect("a list");
        agents.into_iter().map(|agent| agent.id).find(|id| id.as_str().starts_with(name)).ok_or(())
    })
    .await;
    user.follow(id).await
}
