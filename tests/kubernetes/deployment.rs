//! What `deploy/` has is taken by a cluster, and once more without a change: a tool that keeps a cluster as files say has nothing to do.

use std::fs::File;
use std::io::{Seek, Write};
use std::process::Command;

use parallax_testkit::chart::{Chart, directory};
use parallax_testkit::docker::FAKE_IMAGE;
use parallax_testkit::k8s::{HOST_IMAGE, Namespace};
use serde_json::{Value, json};

/// Every line of `kubectl apply` says this word.
fn all_are(applied: &str, word: &str) {
    assert!(!applied.trim().is_empty());
    for line in applied.lines() {
        assert!(line.ends_with(word), "{applied}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Kubernetes cluster and Go: make test-k8s"]
async fn the_chart_is_taken_and_then_unchanged() {
    for values in [
        // Whoever has no token waits for it, and pulls nothing.
        json!({}),
        json!({
            "networkPolicy": {"egress": []}, "runtime": {"replicas": 2, "limits": {"memory": 2_000_000_000}},
            "images": {"pullSecrets": ["one"], "agents": {"claude": "r.example/claude:2"}},
        }),
        json!({"controlPlane": {"enabled": false}}),
    ] {
        let namespace = Namespace::create().await;
        for release in ["parallax", "a-release-whose-name-has-as-many-letters-as-helm-lets"] {
            let chart =
                Chart { release, namespace: namespace.name(), values: values.clone(), cluster: vec![] };
            let items = chart.render().expect("it renders");
            let list = json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string();
            let applied = namespace.apply(&list).await.unwrap_or_else(|error| panic!("{values}: {error}"));
            all_are(&applied, "created");
            all_are(&namespace.apply(&list).await.expect("it was taken before"), "unchanged");
        }
        // What a server adds by itself must not be what a file leaves out.
        let sets =
            namespace.kubectl(&["get", "statefulsets", "--output", "json"]).await.expect("they are there");
        let sets: Value = serde_json::from_str(&sets).expect("it is JSON");
        for set in sets["items"].as_array().expect("a list") {
            assert_eq!(set["spec"]["template"]["spec"]["securityContext"]["runAsNonRoot"], true);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Kubernetes cluster: make test-k8s"]
async fn the_kustomization_is_taken_and_then_unchanged() {
    let namespace = Namespace::create().await;
    let overlay = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("there is a directory");
    let deploy = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy");
    let to_deploy = relative(overlay.path(), deploy);
    // The definition is the cluster's, and others use it at this moment.
    let kustomization = json!({
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": namespace.name(),
        "resources": [format!("{to_deploy}/kubernetes")],
        "patches": [
            {"patch": "$patch: delete\napiVersion: v1\nkind: Namespace\nmetadata: {name: parallax}\n"},
            {"patch": "$patch: delete\napiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\n\
                       metadata: {name: parallaxagents.parallax.io}\n"},
            {"patch": "$patch: delete\napiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\n\
                       metadata: {name: parallaxagentclasses.parallax.io}\n"},
        ],
    });
    let file = overlay.path().join("kustomization.yaml");
    std::fs::write(file, kustomization.to_string()).expect("it can be written");
    let directory = overlay.path().to_string_lossy();
    let applied = namespace.kubectl(&["apply", "--kustomize", &directory]).await.expect("it is taken");
    all_are(&applied, "created");
    let applied = namespace.kubectl(&["apply", "--kustomize", &directory]).await.expect("it is taken");
    all_are(&applied, "unchanged");
}

/// Images are on the node before an agent needs them: each is started once, by the host's program, and one container keeps the pod.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Kubernetes cluster and Go: make test-k8s"]
async fn images_are_fetched_before_the_first_agent() {
    let namespace = Namespace::create().await;
    let values = json!({
        "prePull": {"enabled": true},
        "images": {
            "host": HOST_IMAGE, "pullPolicy": "Never",
            "agents": {"claude": FAKE_IMAGE, "codex": "debian:bookworm-slim", "gemini": "debian:bookworm-slim"},
        },
    });
    let chart = Chart { release: "parallax", namespace: namespace.name(), values, cluster: vec![] };
    let items = chart.render().expect("it renders");
    let items: Vec<&Value> = of_kind(&items, "DaemonSet");
    let list = json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string();
    namespace.apply(&list).await.expect("it is taken");
    let rolled = ["rollout", "status", "daemonset/parallax-pre-pull", "--timeout=60s"];
    if namespace.kubectl(&rolled).await.is_none() {
        panic!("{:?}", namespace.kubectl(&["describe", "pods"]).await);
    }
    let ended = "{.items[0].status.initContainerStatuses[*].state.terminated.reason}";
    let ended = namespace.kubectl(&["get", "pods", "--output", &format!("jsonpath={ended}")]).await;
    assert_eq!(ended.as_deref(), Some("Completed Completed Completed Completed"));
    let restarts = "{.items[0].status.containerStatuses[0].restartCount}";
    let restarts = namespace.kubectl(&["get", "pods", "--output", &format!("jsonpath={restarts}")]).await;
    assert_eq!(restarts.as_deref(), Some("0"));
}

/// Two ways to install, one deployment: what may be done and how pods are fenced in is the same in both.
#[test]
#[ignore = "needs kubectl and Go: make test-k8s"]
fn chart_and_kustomization_agree() {
    let output =
        Command::new("kubectl").args(["kustomize", "../kubernetes"]).current_dir(directory()).output();
    let output = output.expect("kubectl is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("it is text");
    let documents = text.split("\n---\n").map(|document| {
        let output = Command::new("kubectl")
            .args(["patch", "--local", "--type=merge", "--patch={}", "--output=json", "--filename=-"])
            .stdin(piped(document))
            .output();
        let output = output.expect("kubectl is installed");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("it is JSON")
    });
    let kustomized: Vec<Value> = documents.collect();
    let chart = Chart { release: "parallax", namespace: "team", values: json!({}), cluster: vec![] };
    let charted = chart.render().expect("it renders");
    for (kind, field) in
        [("Role", "/rules"), ("NetworkPolicy", "/spec/egress"), ("NetworkPolicy", "/spec/policyTypes")]
    {
        let fields = |objects: &[Value]| {
            let found = of_kind(objects, kind);
            let mut fields: Vec<String> =
                found.iter().filter_map(|object| object.pointer(field)).map(Value::to_string).collect();
            fields.sort();
            fields
        };
        assert_eq!(fields(&kustomized), fields(&charted), "{kind}{field}");
    }
    for field in [
        "/spec/template/spec/securityContext",
        "/spec/template/spec/automountServiceAccountToken",
        "/spec/template/spec/enableServiceLinks",
        "/spec/template/spec/containers/0/securityContext",
        "/spec/template/spec/containers/0/livenessProbe",
        "/spec/template/spec/containers/0/readinessProbe",
        "/spec/template/spec/containers/0/resources",
    ] {
        let fields = |objects: &[Value]| {
            let mut fields: Vec<(String, Value)> = of_kind(objects, "StatefulSet")
                .iter()
                .map(|set| {
                    (set["metadata"]["name"].to_string(), set.pointer(field).cloned().unwrap_or_default())
                })
                .collect();
            fields.sort_by(|a, b| a.0.cmp(&b.0));
            fields
        };
        assert_eq!(fields(&kustomized), fields(&charted), "{field}");
    }
}

/// A file with this text to read from.
fn piped(text: &str) -> File {
    let mut file = tempfile::tempfile().expect("there is a temporary directory");
    file.write_all(text.as_bytes()).and_then(|()| file.rewind()).expect("it can be written");
    file
}

fn of_kind<'a>(objects: &'a [Value], kind: &str) -> Vec<&'a Value> {
    objects.iter().filter(|object| object["kind"] == kind).collect()
}

/// The way from one directory to another: a kustomization takes no other.
fn relative(from: &std::path::Path, to: &str) -> String {
    let from = from.canonicalize().expect("it is there");
    let to = std::fs::canonicalize(to).expect("it is there");
    "../".repeat(from.components().count() - 1) + to.to_string_lossy().trim_start_matches('/')
}
