//! A host that is killed in its pod: what it wrote on a claim stays readable, and what it wrote nowhere is said to be lost.

use parallax_api::message::MessagesQuery;
use parallax_api::{AgentId, AgentStatus};
use parallax_testkit::backend::{TestBackend, fake};
use parallax_testkit::conformance::terminal::raw_log;
use parallax_testkit::k8s::KubernetesBackend;
use parallax_testkit::wait::{PATIENCE, until};

use crate::suspend::give_to_the_agent;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Kubernetes cluster: make test-k8s"]
async fn what_stands_on_a_claim_stays_readable() {
    let backend = KubernetesBackend::start().await;
    let namespace = backend.namespace();
    let claim = "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: work}, spec: {accessModes: \
                 [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}";
    namespace.apply(claim).await.expect("a claim can be made");
    give_to_the_agent(&backend, "work").await;
    let agent = "{apiVersion: parallax.io/v1alpha1, kind: ParallaxAgent, metadata: {name: victim}, spec: \
                 {type: fake, workspace: {existingClaim: {name: work}}}}";
    namespace.apply(agent).await.expect("the resource is taken");
    namespace.becomes("pa/victim", "{.status.phase}", "Running").await;
    let id: AgentId = namespace.field("pa/victim", "{.status.agent.id}").await.parse().expect("an id");
    let user = backend.user();
    let mut agent = user.follow(id.clone()).await;
    agent.becomes(AgentStatus::Ready).await;
    for word in ["one", "two"] {
        assert_eq!(agent.say(word).await, format!("echo: {word}"));
    }
    let (messages, log) = (agent.messages().await, raw_log(&agent).await);

    backend.kill_process(&id, 1).await;
    let exit = agent.ends().await;
    assert_eq!((exit.signal.as_deref(), exit.reason.as_str()), (Some("SIGKILL"), "container_ended"));
    // The end is told soon, and the files may take longer: the host's answers until then are none.
    until("its files to be in the archive", PATIENCE, async || {
        let kept = user.client.messages(&id, &MessagesQuery::default()).await;
        kept.ok().filter(|kept| kept.len() == messages.len()).map(drop).ok_or(())
    })
    .await;
    assert_eq!(agent.messages().await, messages);
    let kept = raw_log(&agent).await;
    assert!(kept.starts_with(&log) && !log.is_empty(), "{} of {} bytes", kept.len(), log.len());
    assert_eq!(agent.agent().await.error, None);
    namespace.becomes("pa/victim", "{.status.phase}", "Ended").await;
    assert_eq!(namespace.kubectl(&["get", "pods", "-o", "name"]).await.as_deref(), Some(""));
    namespace.kubectl(&["delete", "pa", "victim"]).await.expect("it can be deleted");
    namespace.kubectl(&["delete", "pvc", "work"]).await.expect("it can be deleted");
    backend.end_server().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Kubernetes cluster: make test-k8s"]
async fn what_stood_in_the_pod_is_told_as_lost() {
    let backend = KubernetesBackend::start().await;
    let mut agent = backend.user().spawn_ready(fake("victim", &[])).await;
    assert_eq!(agent.say("one").await, "echo: one");
    backend.kill_process(&agent.id, 1).await;
    assert_eq!(agent.ends().await.reason, "container_ended");
    let error = agent.agent().await.error.expect("what is lost is told");
    assert_eq!(error.code, "log_lost");
    assert!(agent.messages().await.is_empty());
    backend.end_server().await;
}
