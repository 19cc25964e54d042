//! What operators do: Secrets that come later, namespaces that are deleted, claims that are somebody's.

use std::time::{Duration, Instant};

use parallax_api::{Code, SpawnRequest};
use parallax_testkit::backend::{TestBackend, fake};
use parallax_testkit::k8s::{KubernetesBackend, Namespace, kubectl};
use parallax_testkit::own_host;
use parallax_testkit::wait::{PATIENCE, until};

use super::installation::GONE;
use super::suspend::give_to_the_agent;

fn agent(name: &str, agent_type: &str, spec: &str) -> String {
    format!(
        "{{apiVersion: parallax.io/v1alpha1, kind: ParallaxAgent, metadata: {{name: {name}}}, spec: \
         {{type: {agent_type}{spec}}}}}"
    )
}

fn condition(of: &str, field: &str) -> String {
    format!("{{.status.conditions[?(@.type==\"{of}\")].{field}}}")
}

/// An agent waits for what is not there yet, says what for, and starts when it comes.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Kubernetes cluster: make test-k8s"]
async fn a_secret_may_come_later() {
    let backend = KubernetesBackend::start().await;
    let namespace = backend.namespace();
    let env = ", env: [{name: K, valueFrom: {secretKeyRef: {name: late-secret, key: api-key}}}]";
    namespace.apply(&agent("late", "shell", env)).await.expect("the resource is taken");
    namespace.becomes("pa/late", "{.status.phase} {.status.code}", "Pending SPAWN_FAILED").await;
    let message = namespace.field("pa/late", "{.status.message}").await;
    assert!(message.contains("late-secret"), "{message}");
    assert_eq!(namespace.field("pa/late", &condition("Stalled", "status")).await, "False");
    let secret = ["create", "secret", "generic", "late-secret", "--from-literal", "api-key=x"];
    namespace.kubectl(&secret).await.expect("a Secret can be made");
    namespace.becomes("pa/late", "{.status.phase}", "Running").await;
    let generations = format!("{} {{.metadata.generation}}", condition("Ready", "observedGeneration"));
    namespace.becomes("pa/late", &generations, "1 1").await;
    namespace.kubectl(&["delete", "pa", "late"]).await.expect("it can be deleted");
    backend.end_server().await;
}

/// A namespace with ten agents goes within a minute, also where no runtime is left that ends them.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Kubernetes cluster: make test-k8s"]
async fn a_namespace_goes_with_its_agents() {
    for (controller_runs, agents, limit) in [(true, 10, Duration::from_secs(60)), (false, 10, GONE)] {
        let backend = KubernetesBackend::start().await;
        let namespace = backend.namespace();
        for index in 0..agents {
            namespace.apply(&agent(&format!("n{index}"), "fake", "")).await.expect("it is taken");
        }
        for index in 0..agents {
            namespace.becomes(&format!("pa/n{index}"), "{.status.phase}", "Running").await;
        }
        if !controller_runs {
            backend.kill_server().await;
        }
        let began = Instant::now();
        let limit = format!("--timeout={}s", limit.as_secs());
        let gone = kubectl(&["delete", "namespace", namespace.name(), &limit]).await;
        assert!(gone.is_some(), "after {:?}, controller runs: {controller_runs}", began.elapsed());
        println!(
            "a namespace with {agents} agents was gone after {:?}; its runtime ran: {controller_runs}",
            began.elapsed()
        );
        if controller_runs {
            backend.end_server().await;
        }
    }
}

/// A finalizer that an earlier version set is removed.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Kubernetes cluster: make test-k8s"]
async fn an_old_finalizer_is_removed() {
    let backend = KubernetesBackend::start().await;
    let namespace = backend.namespace();
    let old = agent("old", "fake", "").replace("{name: old}", "{name: old, finalizers: [parallax.io/agent]}");
    namespace.apply(&old).await.expect("it is taken");
    namespace.becomes("pa/old", "{.status.phase}{.metadata.finalizers}", "Running").await;
    namespace.kubectl(&["delete", "pa", "old"]).await.expect("it can be deleted");
    backend.end_server().await;
}

/// What could not come back is not suspended.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Kubernetes cluster: make test-k8s"]
async fn a_type_that_cannot_resume_is_not_suspended() {
    let backend = KubernetesBackend::start().await;
    let namespace = backend.namespace();
    claim(namespace, "work", "").await;
    give_to_the_agent(&backend, "work").await;
    let workspace = ", workspace: {existingClaim: {name: work}}";
    namespace.apply(&agent("s1", "shell", workspace)).await.expect("the resource is taken");
    namespace.becomes("pa/s1", "{.status.phase}", "Running").await;
    let suspended = ["patch", "pa", "s1", "--type", "merge", "-p", "{\"spec\":{\"suspended\":true}}"];
    namespace.kubectl(&suspended).await.expect("the schema has nothing against it");
    namespace.becomes("pa/s1", &condition("Suspended", "reason"), "CannotResume").await;
    assert_eq!(namespace.field("pa/s1", "{.status.phase}").await, "Running");
    namespace.kubectl(&["delete", "pa", "s1"]).await.expect("it can be deleted");
    until("the pod to be gone", PATIENCE, async || {
        let pods = namespace.kubectl(&["get", "pods", "-o", "name"]).await.unwrap_or_default();
        if pods.is_empty() { Ok(()) } else { Err(pods) }
    })
    .await;
    backend.end_server().await;
}

/// Claims of servers, of living agents and of nobody known are no workdir.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Kubernetes cluster: make test-k8s"]
async fn claims_that_are_somebodys_are_refused() {
    let backend = KubernetesBackend::start_with(&["--allow-claim", "team-*"]).await;
    let namespace = backend.namespace();
    let server = ", labels: {app.kubernetes.io/name: parallax, app.kubernetes.io/component: runtime}";
    claim(namespace, "team-state", server).await;
    claim(namespace, "plain", "").await;
    let owner = agent("owner", "fake", ", workspace: {claim: {size: 1Gi}}");
    namespace.apply(&owner).await.expect("the resource is taken");
    let owned = until("the agent's claim", PATIENCE, async || {
        let claims = namespace.kubectl(&["get", "pvc", "-o", "name"]).await.unwrap_or_default();
        claims.lines().find_map(|line| line.strip_suffix("-workspace")).map(ToOwned::to_owned).ok_or(claims)
    })
    .await;
    let owned = format!("{}-workspace", owned.trim_start_matches("persistentvolumeclaim/"));
    for name in ["team-state", "plain", &owned] {
        let request = SpawnRequest { workdir: Some(name.to_owned()), ..fake("thief", &[]) };
        let problem = backend.user().spawn_refused(&request).await;
        assert_eq!(problem.code, Code::WorkdirForbidden, "{name}: {problem:?}");
    }
    for name in ["team-state", &owned] {
        let thief = agent("thief", "fake", &format!(", workspace: {{existingClaim: {{name: {name}}}}}"));
        namespace.apply(&thief).await.expect("the schema has nothing against it");
        namespace.becomes("pa/thief", "{.status.phase} {.status.code}", "Failed WORKDIR_FORBIDDEN").await;
        namespace.kubectl(&["delete", "pa", "thief"]).await.expect("it can be deleted");
    }
    // Its agent has no pod, and comes back to it.
    let sleeper = agent("sleeper", "fake", ", workspace: {claim: {size: 1Gi, retain: true}}");
    namespace.apply(&sleeper).await.expect("the resource is taken");
    let awaited = until("the sleeper's id", PATIENCE, async || {
        let id = namespace.field("pa/sleeper", "{.status.agent.id}").await;
        if id.is_empty() { Err(()) } else { Ok(format!("{id}-workspace")) }
    })
    .await;
    give_to_the_agent(&backend, &awaited).await;
    namespace.becomes("pa/sleeper", "{.status.phase}", "Running").await;
    let suspend = ["patch", "pa", "sleeper", "--type", "merge", "-p", "{\"spec\":{\"suspended\":true}}"];
    namespace.kubectl(&suspend).await.expect("it can be suspended");
    namespace.becomes("pa/sleeper", "{.status.phase}", "Suspended").await;
    let request = SpawnRequest { workdir: Some(awaited.clone()), ..fake("thief", &[]) };
    let problem = backend.user().spawn_refused(&request).await;
    assert_eq!(problem.code, Code::WorkdirForbidden, "{problem:?}");
    assert!(problem.detail.contains("pa sleeper"), "{problem:?}");
    let thief = agent("thief", "fake", &format!(", workspace: {{existingClaim: {{name: {awaited}}}}}"));
    namespace.apply(&thief).await.expect("the schema has nothing against it");
    namespace.becomes("pa/thief", "{.status.phase} {.status.code}", "Failed WORKDIR_FORBIDDEN").await;
    // It was retained, and is free when its agent is gone.
    namespace.kubectl(&["delete", "pa", "--all"]).await.expect("they can be deleted");
    backend.user().spawn_ready(request).await.stop().await;
    backend.end_server().await;
}

/// The API of its own host is of no use to an agent.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Kubernetes cluster: make test-k8s"]
async fn an_agents_own_host_is_out_of_reach() {
    let backend = KubernetesBackend::start().await;
    let shell = SpawnRequest { r#type: "shell".into(), ..fake("inside", &[]) };
    let agent = backend.user().spawn_ready(shell).await;
    own_host::is_out_of_reach(&agent).await;
    agent.stop().await;
    backend.end_server().await;
}

/// A claim that the agent's user cannot write to: the init container's words are told, and what to do.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Kubernetes cluster: make test-k8s"]
async fn an_unwritable_claim_is_told() {
    let backend = KubernetesBackend::start().await;
    let namespace = backend.namespace();
    // Directories of this cluster's claims belong to root.
    claim(namespace, "roots", ", labels: {io.parallax.workdir: \"true\"}").await;
    let request = SpawnRequest { workdir: Some("roots".into()), ..fake("writer", &[]) };
    let problem = backend.user().spawn_refused(&request).await;
    assert_eq!(problem.code, Code::SpawnFailed, "{problem:?}");
    for words in ["creating /workspace/.parallax", "Permission denied", "fsGroup"] {
        assert!(problem.detail.contains(words), "{words}: {problem:?}");
    }
    assert!(
        problem.more["output"].as_str().is_some_and(|said| said.contains("Permission denied")),
        "{problem:?}"
    );
    namespace
        .apply(&agent("writer", "fake", ", workspace: {existingClaim: {name: roots}}"))
        .await
        .expect("the schema has nothing against it");
    namespace.becomes("pa/writer", "{.status.phase} {.status.code}", "Failed SPAWN_FAILED").await;
    let message = namespace.field("pa/writer", "{.status.message}").await;
    assert!(message.contains("Permission denied"), "{message}");
    namespace.kubectl(&["delete", "pa", "writer"]).await.expect("it can be deleted");
    backend.end_server().await;
}

/// A pod whose agent works has a label, and a budget that selects it keeps the node that is drained waiting; an idle agent goes.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Kubernetes cluster: make test-k8s"]
async fn a_drain_waits_for_agents_that_work() {
    let backend = KubernetesBackend::start().await;
    let namespace = backend.namespace();
    let budget = "{apiVersion: policy/v1beta1, kind: PodDisruptionBudget, metadata: {name: agents}, spec: {minAvailable: 1000000, \
                  selector: {matchLabels: {app.kubernetes.io/component: agent, parallax.io/busy: \"true\"}}}}";
    namespace.apply(budget).await.expect("a budget can be made");
    let agent = backend.user().spawn_ready(fake("worker", &[])).await;
    let pod = format!("pod/{}", agent.id);
    let label = "{.metadata.labels.parallax\\.io/busy}";
    assert_eq!(namespace.field(&pod, label).await, "");
    agent.tell("do gate && say done").await;
    namespace.becomes(&pod, label, "true").await;
    // The disruption controller has counted it.
    namespace.becomes("pdb/agents", "{.status.currentHealthy} {.status.disruptionsAllowed}", "1 0").await;
    assert!(!namespace.may_evict(agent.id.as_str()).await, "it works");
    agent.press(&["ctrl-g"]).await;
    namespace.becomes(&pod, label, "").await;
    until("the idle agent to be evicted", PATIENCE, async || {
        if namespace.may_evict(agent.id.as_str()).await { Ok(()) } else { Err(()) }
    })
    .await;
    backend.end_server().await;
}

async fn claim(namespace: &Namespace, name: &str, metadata: &str) {
    let manifest = format!(
        "{{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {{name: {name}{metadata}}}, spec: \
         {{accessModes: [ReadWriteOnce], resources: {{requests: {{storage: 1Gi}}}}}}}}"
    );
    namespace.apply(&manifest).await.expect("a claim can be made");
}
