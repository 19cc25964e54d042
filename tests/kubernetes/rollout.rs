//! The chart as a team runs it: two replicas of the runtime in the cluster, updated while an agent prints and somebody asks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parallax_api::SpawnRequest;
use parallax_api::client::TerminalOptions;
use parallax_testkit::backend::fake;
use parallax_testkit::conformance::terminal::{every_byte, raw_log};
use parallax_testkit::k8s::{Namespace, kubectl};
use parallax_testkit::server::reqwest_client;
use parallax_testkit::wait::{PATIENCE, until, within};
use serde_json::json;

use super::installation::{TOKEN, UPDATE, install, rolled, shared_files};

/// The lines that the agent prints, and what is between two of them: as long as an update takes.
const LINES: u32 = 1000;
const PAUSE: &str = "0.04";
/// How often the API is asked.
const ASKED: Duration = Duration::from_millis(20);
/// How long nobody may answer. On a machine of its own it is less than a second; two cores that others use as well get more.
const GAP: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Kubernetes cluster whose node is this machine, and Go: make test-k8s"]
async fn an_update_of_two_replicas_is_not_noticed() {
    let files = shared_files();
    let namespace = Namespace::create().await;
    let (url, user) = install(&namespace, &files, &json!({"runtime": {"replicas": 2}})).await;
    let shell = SpawnRequest { r#type: "shell".into(), ..fake("printer", &[]) };
    let agent = user.spawn_ready(shell).await;
    let options = TerminalOptions { since: Some(0), ..TerminalOptions::default() };
    let terminal = agent.client.terminal(&agent.id, options).await.expect("a terminal");
    let follower = tokio::spawn(every_byte(terminal));
    let asked = agent.tell(format!("for i in $(seq {LINES}); do echo line $i; sleep {PAUSE}; done")).await;

    let done = Arc::new(AtomicBool::new(false));
    let watches = [Connections::New, Connections::One]
        .map(|connections| tokio::spawn(longest_gap(format!("{url}/api/agents"), connections, done.clone())));
    let began = Instant::now();
    let restart = ["rollout", "restart", "statefulset/parallax-runtime"];
    namespace.kubectl(&restart).await.expect("it can be restarted");
    rolled(&namespace).await;
    println!("the rollout of two replicas ended after {:?}", began.elapsed());
    done.store(true, Ordering::Release);
    let [over_new, over_one] = watches;
    let gaps = [over_new.await.expect("it does not panic"), over_one.await.expect("it does not panic")];
    println!("nobody answered for {:?} at the longest, and on one connection for {:?}", gaps[0], gaps[1]);
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
    assert!(gaps.iter().all(|gap| *gap < GAP), "{gaps:?}");

    // Helm uninstalls what it installed in one go; nothing waits for a controller that is gone.
    let began = Instant::now();
    let removed = ["delete", "namespace", namespace.name(), "--timeout=60s"];
    kubectl(&removed).await.expect("the namespace goes");
    println!("the installation was gone after {:?}", began.elapsed());
}

/// How the API is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Connections {
    /// Each time over a connection of its own, and the answer is not waited for long.
    New,
    /// Over one for as long as the server keeps it. Nothing but the network says that it is of no use any more.
    One,
}

/// The longest time without an answer, while the API is asked again and again.
async fn longest_gap(url: String, connections: Connections, done: Arc<AtomicBool>) -> Duration {
    let mut client = reqwest_client();
    let (mut last, mut longest) = (Instant::now(), Duration::ZERO);
    while !done.load(Ordering::Acquire) {
        let request = client.get(&url).bearer_auth(TOKEN);
        let request = match connections {
            Connections::New => request.header("connection", "close").timeout(Duration::from_millis(500)),
            Connections::One => request.timeout(UPDATE),
        };
        match request.send().await {
            Ok(answer) if answer.status().is_success() => {
                // Read to its end: what is left of an answer keeps its connection from being used again.
                answer.bytes().await.ok();
                longest = longest.max(last.elapsed());
                last = Instant::now();
            }
            Ok(answer) => {
                println!("{connections:?}, {:?} after the last answer: {}", last.elapsed(), answer.status());
                // Not a replica's answer: a Service has no endpoint while nobody leads, and where its address leads then is the network's
                // business. On this cluster there is somebody at the end of it, who would keep the connection for good.
                client = reqwest_client();
            }
            Err(error) => println!("{connections:?}, {:?} after the last answer: {error:?}", last.elapsed()),
        }
        tokio::time::sleep(ASKED).await;
    }
    longest.max(last.elapsed())
}
