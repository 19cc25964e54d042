//! Suspended and back: the pod goes, the claim stays, and the conversation goes on under the same id.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::PathBuf;

use parallax_api::client::{ListFilter, TerminalItem, TerminalOptions};
use parallax_api::{AgentId, AgentStatus};
use parallax_testkit::backend::TestBackend;
use parallax_testkit::k8s::{KubernetesBackend, kubectl};
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
    let id: AgentId = until("the agent to be listed", PATIENCE, async || {
        let agents = user.client.list_all(&ListFilter::default()).await.expect("a list");
        agents.into_iter().map(|agent| agent.id).next().ok_or(())
    })
    .await;
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
