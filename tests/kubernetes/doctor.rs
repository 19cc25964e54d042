//! `parallax doctor` about a Kubernetes runtime: the cluster, rights, whether a pod would be taken, policies.

use parallax_api::check::{Check, CheckState};
use parallax_api::runtime::RuntimeKind;
use parallax_control_plane::RuntimeSpec;
use parallax_testkit::backend::TestBackend;
use parallax_testkit::in_process::InProcess;
use parallax_testkit::k8s::KubernetesBackend;
use parallax_testkit::local::Directory;

/// What a backend's runtime finds, by way of a control plane.
pub(super) async fn checks_of(backend: &KubernetesBackend) -> Vec<Check> {
    let directory = Directory::new();
    let runtimes = vec![RuntimeSpec::of_kind(RuntimeKind::Kubernetes, backend.url())];
    let plane = InProcess::control_plane(directory.path(), runtimes).await;
    let found = checks(&plane).await;
    plane.end().await;
    found
}

async fn checks(plane: &InProcess) -> Vec<Check> {
    plane.user().client.check_runtime("kubernetes").await.expect("it finds something").checks
}

fn state_of(checks: &[Check], what: &str) -> CheckState {
    checks.iter().find(|check| check.what == what).unwrap_or_else(|| panic!("{what}: {checks:#?}")).state
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Kubernetes cluster: make test-k8s"]
async fn a_namespace_with_and_without_what_it_should_have() {
    let backend = KubernetesBackend::start().await;
    let namespace = backend.namespace();
    let directory = Directory::new();
    let runtimes = vec![RuntimeSpec::of_kind(RuntimeKind::Kubernetes, backend.url())];
    let plane = InProcess::control_plane(directory.path(), runtimes).await;
    let found = checks(&plane).await;
    for what in ["cluster", "definition", "rights", "classes", "pods"] {
        assert_eq!(state_of(&found, what), CheckState::Good, "{found:#?}");
    }
    assert_eq!(state_of(&found, "network policy"), CheckState::Note, "{found:#?}");

    let policy = "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: agents}, spec: {policyTypes: [Egress], \
                  podSelector: {matchLabels: {app.kubernetes.io/component: agent}}}}";
    namespace.apply(policy).await.expect("a policy can be made");
    let quota = "{apiVersion: v1, kind: ResourceQuota, metadata: {name: none}, spec: {hard: {pods: \"0\"}}}";
    namespace.apply(quota).await.expect("a quota can be made");
    namespace.becomes("quota/none", "{.status.hard.pods}", "0").await;
    let found = checks(&plane).await;
    assert_eq!(state_of(&found, "network policy"), CheckState::Good, "{found:#?}");
    assert_eq!(state_of(&found, "pods"), CheckState::Bad, "{found:#?}");
    assert!(found.iter().any(|check| check.found.contains("exceeded quota")), "{found:#?}");
    assert_eq!(backend.leftovers().await, Vec::<String>::new(), "nothing was made");
    plane.end().await;
    backend.end_server().await;
}
