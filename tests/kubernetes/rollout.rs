//! The chart as a team runs it: two replicas of the runtime in the cluster, updated while an agent prints and somebody asks.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parallax_api::SpawnRequest;
use parallax_api::client::{Client, TerminalOptions};
use parallax_testkit::backend::fake;
use parallax_testkit::chart::Chart;
use parallax_testkit::conformance::terminal::{every_byte, raw_log};
use parallax_testkit::docker::PROFILES;
use parallax_testkit::k8s::{HOST_IMAGE, Namespace, kubectl};
use parallax_testkit::programs::program;
use parallax_testkit::server::reqwest_client;
use parallax_testkit::user::User;
use parallax_testkit::wait::{PATIENCE, until, within};
use serde_json::{Value, json};
use tempfile::TempDir;

/// What the API is asked with.
const TOKEN: &str = "a-token-of-the-test";
/// The lines that the agent prints, and what is between two of them: as long as an update takes.
const LINES: u32 = 1000;
const PAUSE: &str = "0.04";
/// How often the API is asked.
const ASKED: Duration = Duration::from_millis(20);
/// How long an update may take.
const UPDATE: Duration = Duration::from_secs(120);
/// How long nobody may answer. On a machine of its own it is less than a second; two cores that others use as well get more.
const GAP: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Kubernetes cluster whose node is this machine, and Go: make test-k8s"]
async fn an_update_of_two_replicas_is_not_noticed() {
    let files = shared_files();
    let namespace = Namespace::create().await;
    let token = format!("--from-literal=token={TOKEN}");
    namespace
        .kubectl(&["create", "secret", "generic", "parallax-api", &token])
        .await
        .expect("a Secret can be made");
    let list = json!({"apiVersion": "v1", "kind": "List", "items": installed(&namespace, &files)});
    namespace.apply(&list.to_string()).await.expect("the chart is taken");
    let rolled = async || {
        let status = ["rollout", "status", "statefulset/parallax-runtime", "--timeout=120s"];
        let ended = within("the rollout to end", UPDATE, namespace.kubectl(&status)).await;
        ended.expect("the rollout ends");
    };
    rolled().await;
    let address = namespace.field("service/parallax-runtime", "{.spec.clusterIP}").await;
    let url = format!("http://{address}:3100");
    let client = Client::runtime(&url, Some(TOKEN.into())).expect("it is an address");
    until("the leader to answer", PATIENCE, async || client.runtime_status().await).await;
    let user = User { client };

    let shell = SpawnRequest { r#type: "shell".into(), ..fake("printer", &[]) };
    let agent = user.spawn_ready(shell).await;
    let options = TerminalOptions { since: Some(0), ..TerminalOptions::default() };
    let terminal = agent.client.terminal(&agent.id, options).await.expect("a terminal");
    let follower = tokio::spawn(every_byte(terminal));
    let asked = agent.tell(format!("for i in $(seq {LINES}); do echo line $i; sleep {PAUSE}; done")).await;

    let done = Arc::new(AtomicBool::new(false));
    let watch = tokio::spawn(longest_gap(format!("{url}/api/agents"), done.clone()));
    let began = Instant::now();
    let restart = ["rollout", "restart", "statefulset/parallax-runtime"];
    namespace.kubectl(&restart).await.expect("it can be restarted");
    rolled().await;
    println!("the rollout of two replicas ended after {:?}", began.elapsed());
    done.store(true, Ordering::Release);
    let gap = watch.await.expect("it does not panic");
    println!("nobody answered for {gap:?} at the longest");
    let answer = until("the lines to be printed", PATIENCE * 3, async || {
        let mut messages = agent.messages().await.into_iter();
        messages.find(|message| message.in_reply_to.as_ref() == Some(&asked)).ok_or(())
    })
    .await
    .content;
    let lines: Vec<String> = (1..=LINES).map(|number| format!("line {number}")).collect();
    assert!(answer.lines().eq(&lines), "each line once, in order: {answer}");
    agent.stop().await;
    let followed = within("the terminal to end", PATIENCE, follower).await.expect("the follower panicked");
    assert!(followed == raw_log(&agent).await, "what was followed is what the log has");
    assert!(gap < GAP, "{gap:?}");

    // Helm uninstalls what it installed in one go; nothing waits for a controller that is gone.
    let began = Instant::now();
    let removed = ["delete", "namespace", namespace.name(), "--timeout=60s"];
    kubectl(&removed).await.expect("the namespace goes");
    println!("the installation was gone after {:?}", began.elapsed());
}

/// The longest time without an answer, while the API is asked again and again, each time over a connection of its own.
async fn longest_gap(url: String, done: Arc<AtomicBool>) -> Duration {
    let client = reqwest_client();
    let (mut last, mut longest) = (Instant::now(), Duration::ZERO);
    while !done.load(Ordering::Acquire) {
        let request = client.get(&url).bearer_auth(TOKEN).header("connection", "close");
        match request.timeout(Duration::from_millis(500)).send().await {
            Ok(answer) if answer.status().is_success() => {
                longest = longest.max(last.elapsed());
                last = Instant::now();
            }
            Ok(answer) => println!("{:?} after the last answer: {}", last.elapsed(), answer.status()),
            Err(error) => println!("{:?} after the last answer: {error:?}", last.elapsed()),
        }
        tokio::time::sleep(ASKED).await;
    }
    longest.max(last.elapsed())
}

/// The server's program and the test's profiles, where pods can read them.
fn shared_files() -> TempDir {
    let directory = tempfile::tempdir().expect("there is a temporary directory");
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).expect("it is ours");
    let server = directory.path().join("parallax-runtime-k8s");
    fs::copy(program("parallax-runtime-k8s"), server).expect("it is built");
    let profiles = directory.path().join("profiles");
    fs::create_dir(&profiles).expect("it can be made");
    for (name, profile) in PROFILES {
        fs::write(profiles.join(name), profile).expect("it can be written");
    }
    directory
}

/// What the chart installs, with the program that was just built in place of an image of it, and the state in the pod: the claims of
/// this cluster belong to root.
fn installed(namespace: &Namespace, files: &TempDir) -> Vec<Value> {
    let values = json!({
        "images": {
            "server": "debian:bookworm-slim", "host": HOST_IMAGE, "pullPolicy": "Never",
            "agents": {"shell": "debian:bookworm-slim"},
        },
        "runtime": {"replicas": 2, "args": ["--profiles=/programs/profiles", "--pull=never"]},
        "controlPlane": {"enabled": false},
    });
    let chart = Chart { release: "parallax", namespace: namespace.name(), values, cluster: vec![] };
    let mut items = chart.render().expect("it renders");
    for set in items.iter_mut().filter(|item| item["kind"] == "StatefulSet") {
        let spec = set["spec"].as_object_mut().expect("it has a spec");
        spec.remove("volumeClaimTemplates");
        let pod = &mut set["spec"]["template"]["spec"];
        pod["volumes"] = json!([
            {"name": "state", "emptyDir": {}}, {"name": "programs", "hostPath": {"path": files.path()}},
        ]);
        let container = &mut pod["containers"][0];
        container["command"] = json!(["/programs/parallax-runtime-k8s"]);
        let mounts = container["volumeMounts"].as_array_mut().expect("it has mounts");
        mounts.push(json!({"name": "programs", "mountPath": "/programs", "readOnly": true}));
    }
    items
}
