//! The chart as a team installs and uninstalls it: the runtime in the cluster, with its own account and no more rights than its roles give.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use parallax_api::client::Client;
use parallax_testkit::backend::fake;
use parallax_testkit::chart::Chart;
use parallax_testkit::docker::{FAKE_IMAGE, PROFILES};
use parallax_testkit::k8s::{HOST_IMAGE, Namespace, kubectl};
use parallax_testkit::programs::program;
use parallax_testkit::user::User;
use parallax_testkit::wait::{PATIENCE, until, within};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

/// What the API is asked with.
pub const TOKEN: &str = "a-token-of-the-test";
/// How long an update may take.
pub const UPDATE: Duration = Duration::from_secs(120);
/// How long agents may take to go whose runtime goes as well. On a node of its own it is less than a minute; two cores that other tests use
/// at the same time get more.
pub const GONE: Duration = Duration::from_secs(90);

/// Whoever deletes the namespace deletes servers and agents at once: no runtime is left that collects what the agents leave, and nothing waits
/// for one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Kubernetes cluster whose node is this machine, and Go: make test-k8s"]
async fn an_installation_goes_with_its_agents() {
    let files = shared_files();
    let namespace = Namespace::create().await;
    let (_url, user) = install(&namespace, &files, &json!({})).await;
    for index in 0..10 {
        user.spawn_ready(fake(&format!("agent-{index}"), &[])).await;
    }
    let began = Instant::now();
    kubectl(&["delete", "namespace", namespace.name()]).await.expect("the namespace goes");
    let took = began.elapsed();
    println!("an installation with ten agents was gone after {took:?}");
    assert!(took < GONE, "{took:?}");
}

/// What `helm uninstall` deletes, before the agents and after them: nothing waits for a runtime that is gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Kubernetes cluster whose node is this machine, and Go: make test-k8s"]
async fn a_chart_is_uninstalled_in_bounded_time() {
    let files = shared_files();
    for agents_first in [true, false] {
        let namespace = Namespace::create().await;
        let (_url, user) = install(&namespace, &files, &json!({})).await;
        for index in 0..3 {
            user.spawn_ready(fake(&format!("agent-{index}"), &[])).await;
        }
        let manifest = files.path().join("installed.json").to_string_lossy().into_owned();
        let chart = vec!["delete", "--timeout=60s", "--filename", &manifest];
        let agents = vec!["delete", "pa", "--all", "--timeout=60s"];
        let order = if agents_first { [agents, chart] } else { [chart, agents] };
        let began = Instant::now();
        for args in order {
            kubectl(&[&["--namespace", namespace.name()], args.as_slice()].concat())
                .await
                .unwrap_or_else(|| panic!("after {:?}: {args:?}", began.elapsed()));
        }
        until("everything of the agents to be gone", GONE, async || {
            let left = namespace.leftovers().await;
            if left.is_empty() { Ok(()) } else { Err(left) }
        })
        .await;
        println!("uninstalled after {:?}; agents first: {agents_first}", began.elapsed());
    }
}

/// Servers here, agents there: the roles of each namespace are enough, and what is about an agent is not among the servers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Kubernetes cluster whose node is this machine, and Go: make test-k8s"]
async fn agents_in_a_namespace_of_their_own() {
    let files = shared_files();
    let (servers, agents) = (Namespace::create().await, Namespace::create().await);
    let apart = json!({"agents": {"namespace": agents.name()}});
    let (_url, user) = install(&servers, &files, &apart).await;
    let class = "{apiVersion: parallax.io/v1alpha1, kind: ParallaxAgentClass, metadata: {name: small}, spec: {max: {memory: 512Mi}}}";
    agents.apply(class).await.expect("it is taken");
    agents.becomes("pac/small", "{.status.conditions[0].status}", "True").await;
    let request = parallax_api::SpawnRequest { class: Some("small".into()), ..fake("apart", &[]) };
    let agent = user.spawn_ready(request).await;
    assert_eq!(agent.say("hello").await, "echo: hello");
    let id = agent.id.to_string();
    let limit = "{.spec.containers[0].resources.limits.memory}";
    assert_eq!(agents.field(&format!("pod/{id}"), limit).await, "512Mi");
    let kinds = "pods,secrets,parallaxagents";
    let there = servers.kubectl(&["get", kinds, "--output", "name"]).await.expect("they can be listed");
    assert!(!there.contains(&id), "{there}");
    let here = agents.kubectl(&["get", kinds, "--output", "name"]).await.expect("they can be listed");
    assert!(!here.contains("parallax-api") && !here.contains("parallax-runtime"), "{here}");
    agent.stop().await;
    until("everything of the agent to be gone", PATIENCE * 2, async || {
        let left = agents.leftovers().await;
        if left.is_empty() { Ok(()) } else { Err(left) }
    })
    .await;
}

/// Installs the chart with these values besides, and waits until a replica leads. What was installed is the file `installed.json`.
pub async fn install(namespace: &Namespace, files: &TempDir, values: &Value) -> (String, User) {
    let token = format!("--from-literal=token={TOKEN}");
    namespace
        .kubectl(&["create", "secret", "generic", "parallax-api", &token])
        .await
        .expect("a Secret can be made");
    let list = json!({"apiVersion": "v1", "kind": "List", "items": rendered(namespace, files, values)});
    let manifest = files.path().join("installed.json");
    fs::write(&manifest, list.to_string()).expect("it can be written");
    kubectl(&["apply", "--filename", &manifest.to_string_lossy()]).await.expect("the chart is taken");
    rolled(namespace).await;
    let address = namespace.field("service/parallax-runtime", "{.spec.clusterIP}").await;
    let url = format!("http://{address}:3100");
    // A client of its own for each try: where the address of a Service without an endpoint leads is the network's business.
    let client = || Client::runtime(&url, Some(TOKEN.into())).expect("it is an address");
    until("the leader to answer", PATIENCE, async || client().runtime_status().await).await;
    let user = User { client: client() };
    (url, user)
}

/// Waits until the pods of the runtime are those that were asked for.
pub async fn rolled(namespace: &Namespace) {
    let status = ["rollout", "status", "statefulset/parallax-runtime", "--timeout=120s"];
    let ended = within("the rollout to end", UPDATE, namespace.kubectl(&status)).await;
    ended.expect("the rollout ends");
}

/// The server's program, where pods can read it.
pub fn shared_files() -> TempDir {
    let directory = tempfile::tempdir().expect("there is a temporary directory");
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).expect("it is ours");
    let server = directory.path().join("parallax-runtime-k8s");
    fs::copy(program("parallax-runtime-k8s"), server).expect("it is built");
    directory
}

/// What the chart installs, with the program that was just built in place of an image of it, and the state in the pod: the claims of
/// this cluster belong to root.
fn rendered(namespace: &Namespace, files: &TempDir, more: &Value) -> Vec<Value> {
    let profiles: Map<String, Value> =
        PROFILES.iter().map(|(name, profile)| ((*name).to_owned(), Value::from(*profile))).collect();
    let mut values = json!({
        "images": {
            "server": "debian:bookworm-slim", "host": HOST_IMAGE, "pullPolicy": "Never",
            "agents": {"shell": "debian:bookworm-slim", "fake": FAKE_IMAGE},
        },
        "runtime": {"args": ["--pull=never"], "profiles": profiles},
        "controlPlane": {"enabled": false},
    });
    for (section, fields) in more.as_object().expect("values are named") {
        for (name, value) in fields.as_object().expect("fields are named") {
            values[section][name] = value.clone();
        }
    }
    let chart = Chart { release: "parallax", namespace: namespace.name(), values, cluster: vec![] };
    let mut items = chart.render().expect("it renders");
    for item in &mut items {
        let place = &mut item["metadata"]["namespace"];
        if place.is_null() {
            *place = namespace.name().into();
        }
    }
    for set in items.iter_mut().filter(|item| item["kind"] == "StatefulSet") {
        let spec = set["spec"].as_object_mut().expect("it has a spec");
        spec.remove("volumeClaimTemplates");
        let pod = &mut set["spec"]["template"]["spec"];
        let volumes = pod["volumes"].as_array_mut().expect("the profiles are one");
        volumes.extend([
            json!({"name": "state", "emptyDir": {}}),
            json!({"name": "programs", "hostPath": {"path": files.path()}}),
        ]);
        let container = &mut pod["containers"][0];
        container["command"] = json!(["/programs/parallax-runtime-k8s"]);
        let mounts = container["volumeMounts"].as_array_mut().expect("it has mounts");
        mounts.push(json!({"name": "programs", "mountPath": "/programs", "readOnly": true}));
    }
    items
}
