use std::sync::{Arc, Mutex};
use std::time::Duration;

use parallax_api::{AgentId, Code};
use parallax_runtime_core::BackendEvent;
use parallax_service::shutdown::Shutdown;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{Answer, Asked, agent, cluster, list, refusal};
use crate::config::KubernetesConfig;
use crate::context::Context;
use crate::controller::Controller;
use crate::launch_tracker::LaunchState;

const POD: &str = "reviewer-0f4e2d6b";

/// The context of a controller whose resource `reviewer` is being created, over a server that answers to pods being made as `pods` says;
/// `pods` gets how many were asked for before.
async fn creating(
    mut pods: impl FnMut(usize) -> Answer + Send + 'static,
    launch: LaunchState,
) -> (Arc<Context>, Asked, Shutdown) {
    let phase = Arc::new(Mutex::new("Creating".to_owned()));
    let mut made = 0;
    let (cluster, asked) = cluster(move |method, path| {
        let resource = || agent("reviewer", &phase.lock().unwrap());
        match (method, path) {
            ("GET", path) if path.contains("watch=true") => Answer::Watch { lines: vec![], cut: false },
            ("GET", path) if path.contains("/secrets/") => Answer::Json(200, key()),
            ("GET", path) if path.contains("/parallaxagents/") => Answer::Json(200, resource()),
            ("GET", path) if path.contains("/pods") => list("10", &[]),
            ("GET", _) => list("10", &[resource()]),
            ("PATCH", path) if path.contains("/pods/") => {
                made += 1;
                pods(made - 1)
            }
            ("PATCH", _) => {
                *phase.lock().unwrap() = "Starting".into();
                Answer::Json(200, resource())
            }
            _ => Answer::Json(201, json!({"apiVersion": "v1", "kind": "Status"})),
        }
    });
    let shutdown = Shutdown::new();
    let settings = KubernetesConfig::for_tests();
    let (context, _events_rx) = Context::open(cluster, &settings, &shutdown).await.unwrap();
    let id: AgentId = POD.parse().unwrap();
    context.launches.update(&id, |state| *state = launch);
    context.cache.wait_until_ready().await.unwrap();
    tokio::spawn(run_until(Controller::new(context.clone()), shutdown.clone()));
    (context, asked, shutdown)
}

/// The Secret that tokens of hosts are signed with.
fn key() -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"},
        "data": {"key": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="}})
}

async fn run_until(controller: Controller, shutdown: Shutdown) {
    tokio::select! {
        () = controller.run() => {}
        () = shutdown.begun() => {}
    }
}

async fn settles(asked: &Asked, what: &str, mut holds: impl FnMut(&[String]) -> bool) {
    for _ in 0..1000 {
        if holds(&asked.lock().unwrap()) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("waited in vain for {what}: {:#?}", asked.lock().unwrap());
}

fn launching() -> LaunchState {
    LaunchState { launching: true, ..LaunchState::default() }
}

fn pods_made(asked: &[String]) -> usize {
    asked.iter().filter(|asked| asked.starts_with("PATCH") && asked.contains("/pods/")).count()
}

#[tokio::test]
async fn what_may_pass_is_tried_again() {
    let (_context, asked, shutdown) = creating(
        |number| match number {
            0 => refusal(429, "TooManyRequests", "slow down"),
            1 => refusal(500, "InternalError", "etcdserver: request timed out"),
            2 => refusal(409, "Conflict", "it is being changed"),
            _ => Answer::Json(200, super::pod(POD)),
        },
        launching(),
    )
    .await;
    // A conflict would not pass by itself; the launch hears of it.
    settles(&asked, "three tries", |asked| pods_made(asked) == 3).await;
    shutdown.begin();
}

#[tokio::test]
async fn a_quota_is_told_to_who_waits() {
    let quota =
        "pods \"a\" is forbidden: exceeded quota: small, requested: pods=1, used: pods=1, limited: pods=1";
    let (context, asked, shutdown) = creating(move |_| refusal(403, "Forbidden", quota), launching()).await;
    settles(&asked, "a try", |asked| pods_made(asked) == 1).await;
    let id: AgentId = POD.parse().unwrap();
    settles(&asked, "the refusal", |_| context.launches.get(&id).failure.is_some()).await;
    let problem = context.launches.get(&id).failure.unwrap();
    assert_eq!(problem.code, Code::ResourceLimit);
    assert!(problem.detail.contains("limited: pods=1"), "{problem}");
    shutdown.begin();
}

#[tokio::test]
async fn a_pod_is_made_once() {
    let (context, asked, shutdown) = creating(|_| Answer::Json(200, super::pod(POD)), launching()).await;
    settles(&asked, "the phase", |asked| asked.iter().any(|asked| asked.contains("reviewer/status"))).await;
    // The cache is behind: it still says that the pod is to be made.
    for _ in 0..5 {
        context.cache.enqueue("reviewer");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(pods_made(&asked.lock().unwrap()), 1);
    shutdown.begin();
}

#[tokio::test]
async fn a_pod_that_is_made_for_an_agent_that_was_stopped_goes() {
    let stopped = LaunchState { is_over: true, ..LaunchState::default() };
    let (_context, asked, shutdown) = creating(|_| Answer::Json(200, super::pod(POD)), stopped).await;
    settles(&asked, "its removal", |asked| {
        asked.iter().any(|asked| asked.starts_with("DELETE") && asked.contains(POD))
    })
    .await;
    shutdown.begin();
}

/// A controller, in a cluster whose one resource stays in a phase.
struct Controlling {
    context: Arc<Context>,
    events_rx: mpsc::Receiver<BackendEvent>,
    asked: Asked,
    shutdown: Shutdown,
}

impl Controlling {
    async fn start(phase: &'static str, pods: Vec<Value>, launch: LaunchState) -> Self {
        let (cluster, asked) = cluster(move |method, path| match (method, path) {
            ("GET", path) if path.contains("watch=true") => Answer::Watch { lines: vec![], cut: false },
            ("GET", path) if path.contains("/secrets/") => Answer::Json(200, key()),
            ("GET", path) if path.contains("/pods") => list("10", &pods),
            ("GET", path) if path.contains("/parallaxagents?") => list("10", &[agent("reviewer", phase)]),
            ("DELETE", _) => {
                Answer::Json(200, json!({"kind": "Status", "apiVersion": "v1", "status": "Success"}))
            }
            _ => Answer::Json(200, agent("reviewer", phase)),
        });
        let shutdown = Shutdown::new();
        let (context, events_rx) =
            Context::open(cluster, &KubernetesConfig::for_tests(), &shutdown).await.unwrap();
        context.launches.update(&POD.parse().unwrap(), |state| *state = launch);
        context.cache.wait_until_ready().await.unwrap();
        tokio::spawn(run_until(Controller::new(context.clone()), shutdown.clone()));
        Self { context, events_rx, asked, shutdown }
    }

    /// Waits until it is asked whether the agent's end is settled, and says so.
    async fn settled(&mut self, is_settled: bool) {
        let Some(BackendEvent::EndSettled { id, answer }) = self.events_rx.recv().await else {
            panic!("it is to be asked")
        };
        assert_eq!(id.as_str(), POD);
        answer.send(is_settled).unwrap();
    }

    fn has_asked(&self, holds: impl Fn(&[String]) -> bool) -> bool {
        holds(&self.asked.lock().unwrap())
    }
}

impl Drop for Controlling {
    fn drop(&mut self) {
        self.shutdown.begin();
    }
}

fn notes(phase: &'static str) -> impl Fn(&[String]) -> bool {
    move |asked| asked.iter().any(|asked| asked.contains(&format!(r#""phase":"{phase}""#)))
}

/// What settles the end of a suspended agent takes away what has the agent's name.
#[tokio::test]
async fn a_suspended_agent_comes_back_once_its_end_is_settled() {
    let mut controlling = Controlling::start("Suspended", vec![], LaunchState::default()).await;
    for is_settled in [false, false, true] {
        assert!(!controlling.has_asked(notes("Creating")));
        controlling.settled(is_settled).await;
    }
    settles(&controlling.asked, "the next phase", notes("Creating")).await;
}

/// It was made at the moment in which its agent was stopped.
#[tokio::test]
async fn the_pod_of_an_agent_that_has_ended_goes_once_its_end_is_settled() {
    let pods = vec![super::pod(POD)];
    let mut controlling = Controlling::start("Ended", pods, LaunchState::default()).await;
    let is_removed =
        |asked: &[String]| asked.iter().any(|asked| asked.starts_with("DELETE") && asked.contains("/pods/"));
    for is_settled in [false, true] {
        assert!(!controlling.has_asked(is_removed));
        controlling.settled(is_settled).await;
    }
    settles(&controlling.asked, "its removal", is_removed).await;
}

/// An edit that wants it back comes at the moment in which it is stopped.
#[tokio::test]
async fn an_agent_that_is_being_ended_for_good_is_not_brought_back() {
    let stopped = LaunchState { is_over: true, ..LaunchState::default() };
    let mut controlling = Controlling::start("Suspended", vec![], stopped).await;
    for _ in 0..3 {
        controlling.settled(true).await;
    }
    assert!(controlling.context.launches.get(&POD.parse().unwrap()).is_over);
    assert!(!controlling.has_asked(notes("Creating")));
}

/// A pod that went while nobody led is nobody's end.
#[tokio::test]
async fn an_agent_that_runs_without_a_pod_and_that_nobody_knows_ends() {
    let mut controlling = Controlling::start("Running", vec![], LaunchState::default()).await;
    controlling.settled(true).await;
    settles(&controlling.asked, "its end", notes("Ended")).await;
}
