//! Suspended and back: the pod goes, the claim stays, and the conversation goes on under the same id.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::PathBuf;

use parallax_api::agent::StopRequest;
use parallax_api::client::{ListFilter, TerminalItem, TerminalOptions};
use parallax_api::{AgentId, AgentStatus, Code, SpawnRequest};
use parallax_testkit::backend::{TestBackend, fake};
use parallax_testkit::k8s::{KubernetesBackend, kubectl};
use parallax_testkit::user::{Spawned, User};
use parallax_testkit::wait::{PATIENCE, until, within};

/// The claims of this cluster are directories of this machine that belong to root, whatever a pod says of its group.
pub(super) async fn give_to_the_agent(backend: &KubernetesBackend, claim: &str) {
    let path: String = until("the claim to have a volume", PATIENCE, async || {
        let volume = backend.namespace().field(&format!("pvc/{claim}"), "{.spec.volumeName}").await;
        let path = ["get", "pv", &volume, "-o", "jsonpath={.spec.hostPath.path}"];
        kubectl(&path).await.filter(|path| !path.is_empty() && !volume.is_empty()).ok_or(())
    })
    .await;
    let path = PathBuf::from(path);
    until("the volume's directory", PATIENCE, async || if path.is_dir() { Ok(()) } else { Err(()) }).await;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o770)).expect("it is this machine's");
    chown(&path, Some(1000), Some(1000)).expect("it is this machine's");
}

/// The agent of the only resource, once it is listed.
async fn only_agent(user: &User) -> AgentId {
    until("the agent to be listed", PATIENCE, async || {
        let agents = user.client.list_all(&ListFilter::default()).await.expect("a list");
        agents.into_iter().map(|agent| agent.id).next().ok_or(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Kubernetes cluster: make test-k8s"]
async fn the_conversation_goes_on() {
    let backend = KubernetesBackend::start().await;
    let namespace = backend.namespace();
    let manifest = "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: work}, spec: \
                    {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}";
    namespace.apply(manifest).await.expect("a claim can be made");
    give_to_the_agent(&backend, "work").await;
    let agent = "{apiVersion: parallax.io/v1alpha1, kind: ParallaxAgent, metadata: {name: sleeper}, spec: \
                 {type: fake, prompt: first, workspace: {existingClaim: {name: work}}}}";
    namespace.apply(agent).await.expect("the resource is taken");
    let user = backend.user();
    let id = only_agent(&user).await;
    let mut agent = user.follow(id.clone()).await;
    agent.becomes(AgentStatus::Ready).await;
    until("the prompt to be answered", PATIENCE, async || {
        if agent.messages().await.len() == 2 { Ok(()) } else { Err(()) }
    })
    .await;
    assert_eq!(agent.say("second").await, "echo: second");
    let before = parallax_testkit::conformance::terminal::raw_log(&agent).await;

    for round in 0..2 {
        let suspend = |yes| format!("{{\"spec\":{{\"suspended\":{yes}}}}}");
        let patched = ["patch", "pa", "sleeper", "--type", "merge", "-p", &suspend(true)];
        namespace.kubectl(&patched).await.expect("it can be suspended");
        agent.ends().await;
        namespace.becomes("pa/sleeper", "{.status.phase}", "Suspended").await;
        assert_eq!(
            namespace.kubectl(&["get", "pods", "-o", "name"]).await.as_deref(),
            Some(""),
            "no pod is left"
        );
        assert_eq!(agent.messages().await.len(), 4 + 2 * round, "the archive answers meanwhile");
        if round == 1 {
            // Nothing of it hangs on one server's memory.
            backend.kill_server().await;
            backend.start_server(Default::default()).await;
        }
        let patched = ["patch", "pa", "sleeper", "--type", "merge", "-p", &suspend(false)];
        namespace.kubectl(&patched).await.expect("it can be brought back");
        agent.becomes(AgentStatus::Ready).await;
        assert_eq!(agent.agent().await.id, id);
        let recalled = agent.say("do recall").await;
        assert!(recalled.starts_with(&format!("{} before", 2 + round)), "the CLI remembers: {recalled}");
        assert_eq!(
            agent.messages().await.len(),
            6 + 2 * round,
            "so does its host, and the prompt was not sent again"
        );
    }
    let log = parallax_testkit::conformance::terminal::raw_log(&agent).await;
    assert!(log.starts_with(&before), "offsets go on where they were");
    let options = TerminalOptions { since: Some(before.len() as u64), ..TerminalOptions::default() };
    let mut terminal = agent.client.terminal(&id, options).await.expect("a terminal");
    let first = within("output after the offset", PATIENCE, async {
        loop {
            match terminal.next().await.expect("the connection holds") {
                Some(TerminalItem::Output { offset, .. }) => return offset,
                Some(_) => {}
                None => panic!("the agent runs"),
            }
        }
    })
    .await;
    assert_eq!(first, before.len() as u64);

    namespace.kubectl(&["delete", "pa", "sleeper"]).await.expect("it can be deleted");
    namespace.kubectl(&["delete", "pvc", "work"]).await.expect("it can be deleted");
    until("everything to be gone", PATIENCE, async || {
        let left = backend.leftovers().await;
        if left.is_empty() { Ok(()) } else { Err(left) }
    })
    .await;
    backend.end_server().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Kubernetes cluster: make test-k8s"]
async fn claims_go_or_stay_as_asked() {
    let backend = KubernetesBackend::start().await;
    let namespace = backend.namespace();
    for (name, retain) in [("goes", false), ("stays", true)] {
        let agent = format!(
            "{{apiVersion: parallax.io/v1alpha1, kind: ParallaxAgent, metadata: {{name: {name}}}, spec: \
             {{type: fake, workspace: {{claim: {{size: 1Gi, retain: {retain}}}}}}}}}"
        );
        namespace.apply(&agent).await.expect("the resource is taken");
        let claim = until("the agent's claim", PATIENCE, async || {
            let id = namespace.field(&format!("pa/{name}"), "{.status.agent.id}").await;
            if id.is_empty() {
                return Err(());
            }
            let claim = format!("{id}-workspace");
            namespace.kubectl(&["get", "pvc", &claim, "-o", "name"]).await.map(|_| claim).ok_or(())
        })
        .await;
        namespace.kubectl(&["delete", "pa", name]).await.expect("it can be deleted");
        until("the claim to be as asked", PATIENCE, async || {
            let left = backend.leftovers().await;
            let expected = if retain { vec![format!("persistentvolumeclaim/{claim}")] } else { vec![] };
            if left == expected { Ok(()) } else { Err(left) }
        })
        .await;
    }
    backend.end_server().await;
}

/// A claim called `name` that the API may name as a workdir.
async fn workdir_claim(backend: &KubernetesBackend, name: &str) {
    let manifest = format!(
        "{{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {{name: {name}, labels: {{io.parallax.workdir: \"true\"}}}}, \
         spec: {{accessModes: [ReadWriteOnce], resources: {{requests: {{storage: 1Gi}}}}}}}}"
    );
    backend.namespace().apply(&manifest).await.expect("a claim can be made");
    give_to_the_agent(backend, name).await;
}

/// An agent on a claim `work`, which is made for it.
async fn on_a_claim(backend: &KubernetesBackend, name: &str) -> Spawned {
    workdir_claim(backend, "work").await;
    let asked = SpawnRequest { workdir: Some("work".into()), ..fake(name, &[]) };
    backend.user().spawn_ready(asked).await
}

async fn only_the_claim_is_left(backend: &KubernetesBackend) {
    until("all but the claim to be gone", PATIENCE, async || {
        let left = backend.leftovers().await;
        if left == ["persistentvolumeclaim/work"] { Ok(()) } else { Err(left) }
    })
    .await;
}

/// By the API alone: what cannot come back is refused and goes on, what can comes back twice, and is stopped for good while it is
/// suspended.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Kubernetes cluster: make test-k8s"]
async fn by_the_api() {
    let backend = KubernetesBackend::start().await;
    let (namespace, user) = (backend.namespace(), backend.user());
    workdir_claim(&backend, "work").await;

    let homeless = user.spawn_ready(fake("homeless", &[])).await;
    let refused = user.client.suspend(&homeless.id).await.expect_err("its workspace goes with the pod");
    assert!(refused.code == Code::Unsupported && refused.detail.contains("workdir"), "{refused:?}");
    assert_eq!(homeless.say("hello").await, "echo: hello", "it goes on");
    homeless.stop().await;

    let asked = SpawnRequest { workdir: Some("work".into()), ..fake("sleeper", &[]) };
    let mut agent = user.spawn_ready(asked).await;
    assert_eq!(agent.say("one").await, "echo: one");
    for round in 0..2 {
        let suspended = within("the suspension", PATIENCE * 2, user.client.suspend(&agent.id)).await;
        let suspended = suspended.expect("it can be suspended");
        assert_eq!(suspended.exit.expect("it has ended").reason, "suspended");
        namespace.becomes(&format!("pa/{}", agent.id), "{.status.phase}", "Suspended").await;
        if round == 1 {
            backend.kill_server().await;
            backend.start_server(Default::default()).await;
        }
        let back = within("the agent", PATIENCE * 2, user.client.resume(&agent.id)).await;
        let back = back.expect("it comes back");
        assert_eq!(back.id, agent.id);
        assert_ne!(back.status, AgentStatus::Stopped);
        agent = user.follow(agent.id.clone()).await;
        agent.is("ready", |agent| (agent.status == AgentStatus::Ready).then_some(())).await;
        let recalled = agent.say("do recall").await;
        assert!(recalled.starts_with(&format!("{} before", 1 + round)), "the CLI remembers: {recalled}");
    }
    user.client.suspend(&agent.id).await.expect("it can be suspended");
    let stopped = user.client.stop(&agent.id, &StopRequest::default()).await.expect("it can be stopped");
    assert_eq!(stopped.exit.expect("it has ended").reason, "stopped");
    only_the_claim_is_left(&backend).await;
    backend.end_server().await;
}

/// A resource that was deleted meanwhile.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Kubernetes cluster: make test-k8s"]
async fn a_deleted_resource_does_not_come_back() {
    let backend = KubernetesBackend::start().await;
    let (namespace, user) = (backend.namespace(), backend.user());
    let agent = on_a_claim(&backend, "sleeper").await;
    namespace.becomes(&format!("pa/{}", agent.id), "{.status.phase}", "Running").await;
    user.client.suspend(&agent.id).await.expect("it can be suspended");
    namespace.kubectl(&["delete", "pa", agent.id.as_str()]).await.expect("it can be deleted");
    let gone = user.client.resume(&agent.id).await.expect_err("nothing is left");
    assert!(gone.code == Code::AgentStopped && gone.detail.contains("deleted"), "{gone:?}");
    backend.end_server().await;
}

/// As a drained node does it: the pod is evicted by the API server, and the agent goes on in another one, on the same claim and
/// with the same conversation. One without a claim has ended.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Kubernetes cluster: make test-k8s"]
async fn an_evicted_agent_with_a_claim_comes_back() {
    let backend = KubernetesBackend::start().await;
    let (namespace, user) = (backend.namespace(), backend.user());
    let mut agent = on_a_claim(&backend, "mover").await;
    let mut homeless = user.spawn_ready(fake("homeless", &[])).await;
    assert_eq!(agent.say("one").await, "echo: one");
    let pod = format!("pod/{}", agent.id);
    let first = namespace.field(&pod, "{.metadata.uid}").await;
    for evicted in [&agent.id, &homeless.id] {
        namespace.evict(evicted.as_str()).await;
    }
    agent.ends().await;
    homeless.ends().await;
    until("another pod", PATIENCE * 2, async || {
        let uid = namespace.field(&pod, "{.metadata.uid}").await;
        if uid.is_empty() || uid == first { Err(uid) } else { Ok(()) }
    })
    .await;
    agent.is("ready", |agent| (agent.status == AgentStatus::Ready).then_some(())).await;
    let recalled = agent.say("do recall").await;
    assert!(recalled.starts_with("1 before"), "the CLI remembers: {recalled}");
    assert_eq!(homeless.agent().await.status, AgentStatus::Stopped);
    // Stopped on request, it stays away.
    agent.stop().await;
    only_the_claim_is_left(&backend).await;
    backend.end_server().await;
}

/// For who asks it has ended, and it would be back a moment later.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Kubernetes cluster: make test-k8s"]
async fn an_evicted_agent_that_is_stopped_before_it_is_back_stays_away() {
    let backend = KubernetesBackend::start().await;
    let (namespace, user) = (backend.namespace(), backend.user());
    let mut agent = on_a_claim(&backend, "mover").await;
    namespace.evict(agent.id.as_str()).await;
    agent.ends().await;
    let stopped = user.client.stop(&agent.id, &StopRequest::default()).await.expect("it can be stopped");
    assert_eq!(stopped.exit.expect("it has ended").reason, "stopped");
    only_the_claim_is_left(&backend).await;
    assert_eq!(agent.agent().await.status, AgentStatus::Stopped);
    backend.end_server().await;
}

/// Its pod goes while no server looks, and it is suspended and wanted back before what the pod left is saved: what saves it must not take
/// the new pod for the old one.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Kubernetes cluster: make test-k8s"]
async fn wanted_back_before_its_end_is_settled() {
    let backend = KubernetesBackend::start().await;
    let (namespace, user) = (backend.namespace(), backend.user());
    workdir_claim(&backend, "work").await;
    let manifest = "{apiVersion: parallax.io/v1alpha1, kind: ParallaxAgent, metadata: {name: sleeper}, spec: \
                    {type: fake, workspace: {existingClaim: {name: work}}}}";
    namespace.apply(manifest).await.expect("the resource is taken");
    let id = only_agent(&user).await;
    let mut agent = user.follow(id.clone()).await;
    agent.becomes(AgentStatus::Ready).await;
    assert_eq!(agent.say("one").await, "echo: one");
    let suspend = |yes| format!("{{\"spec\":{{\"suspended\":{yes}}}}}");
    let pod = namespace.field("pa/sleeper", "{.status.pod}").await;
    backend.kill_server().await;
    let deleted = ["delete", "pod", &pod, "--force", "--grace-period=0"];
    namespace.kubectl(&deleted).await.expect("it can be deleted");
    namespace
        .kubectl(&["patch", "pa", "sleeper", "--type", "merge", "-p", &suspend(true)])
        .await
        .expect("so");
    backend.start_server(Default::default()).await;
    namespace.becomes("pa/sleeper", "{.status.phase}", "Suspended").await;
    namespace
        .kubectl(&["patch", "pa", "sleeper", "--type", "merge", "-p", &suspend(false)])
        .await
        .expect("so");
    agent.ends().await;
    agent.is("ready", |agent| (agent.status == AgentStatus::Ready).then_some(())).await;
    let recalled = agent.say("do recall").await;
    assert!(recalled.starts_with("1 before"), "the CLI remembers: {recalled}");
    let agents = user.client.list_all(&ListFilter::default()).await.expect("a list");
    assert_eq!(agents.iter().map(|agent| &agent.id).collect::<Vec<_>>(), [&id], "it is the same");
    namespace.kubectl(&["delete", "pa", "sleeper"]).await.expect("it can be deleted");
    only_the_claim_is_left(&backend).await;
    backend.end_server().await;
}
