//! What a pod says of itself: whether its host can be there, why it cannot start, how it ended. Pure functions.

use k8s_openapi::api::core::v1::{ContainerState, ContainerStateTerminated, ContainerStatus, Pod, PodStatus};
use parallax_api::{AgentExit, Code, Problem, Time};

use crate::pod::{AGENT, INSTALL};

/// A program that was ended by a signal, as a container tells it: 128 and the signal's number.
const BY_SIGNAL: i32 = 128;

/// Why a container waits, when its image is the trouble.
const IMAGE_TROUBLES: [&str; 6] = [
    "ErrImagePull",
    "ImagePullBackOff",
    "ErrImageNeverPull",
    "InvalidImageName",
    "ImageInspectError",
    "RegistryUnavailable",
];
/// Why a container waits that will not be started whoever waits.
const CONTAINER_TROUBLES: [&str; 6] = [
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
    "PreCreateHookError",
    "PostStartHookError",
    "StartError",
];

/// How far a pod is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Stage {
    /// It is on its way; where it waits, for people.
    Coming(Option<String>),
    /// No node has room for it; the scheduler's words. That may change.
    NoRoom(String),
    /// It cannot be started.
    Stuck(Problem),
    /// The host's container runs; the pod has this address.
    Runs(Option<String>),
    /// The host's container has ended.
    Over,
}

/// How far this pod is.
pub(crate) fn stage(pod: &Pod) -> Stage {
    let Some(status) = &pod.status else { return Stage::Coming(None) };
    if is_over(status) {
        return Stage::Over;
    }
    if let Some(problem) =
        container(status, INSTALL, true).and_then(|of| stuck(of, "the runtime's --host-image"))
    {
        return Stage::Stuck(problem);
    }
    let agent = container(status, AGENT, false);
    if let Some(problem) = agent.and_then(|of| stuck(of, "the agent's image")) {
        return Stage::Stuck(problem);
    }
    if agent.is_some_and(|of| state(of).running.is_some()) {
        return Stage::Runs(status.pod_ip.clone().filter(|ip| !ip.is_empty()));
    }
    let scheduled = status.conditions.iter().flatten().find(|condition| condition.type_ == "PodScheduled");
    if let Some(condition) = scheduled.filter(|condition| condition.status == "False") {
        let words = condition.message.clone().unwrap_or_else(|| "no node has room".into());
        return Stage::NoRoom(words);
    }
    let waits = agent.and_then(|of| state(of).waiting).and_then(|waiting| waiting.reason);
    Stage::Coming(waits)
}

/// `RESOURCE_LIMIT` with the scheduler's words.
pub(crate) fn no_room(words: &str) -> Problem {
    Problem::new(Code::ResourceLimit, format!("no node of the cluster has room for the agent: {words}"))
}

/// How a pod ended whose host could not tell how its agent did. None: it has not ended.
pub(crate) fn ended(pod: &Pod) -> Option<AgentExit> {
    let status = pod.status.as_ref()?;
    if !is_over(status) {
        return None;
    }
    let end = container(status, AGENT, false).and_then(|of| state(of).terminated);
    let at =
        end.as_ref().and_then(|end| end.finished_at.as_ref()).and_then(|at| at.0.to_string().parse().ok());
    let code = end.as_ref().map(|end| end.exit_code);
    Some(AgentExit {
        code,
        signal: code.and_then(signal),
        reason: reason(status, end.as_ref()).into(),
        at: at.unwrap_or_else(Time::now),
    })
}

/// Why the pod ended, in the cluster's own words, where it has any.
pub(crate) fn words(pod: &Pod) -> Option<String> {
    let status = pod.status.as_ref()?;
    let end = container(status, AGENT, false).and_then(|of| state(of).terminated);
    let words = [status.message.clone(), end.and_then(|end| end.message)];
    words.into_iter().flatten().map(|words| words.trim().to_owned()).find(|words| !words.is_empty())
}

/// Whether nothing of the pod runs any more.
pub(crate) fn is_silent(pod: &Pod) -> bool {
    let Some(status) = &pod.status else { return false };
    let mut all = status.container_statuses.iter().chain(&status.init_container_statuses).flatten();
    matches!(status.phase.as_deref(), Some("Succeeded" | "Failed"))
        && all.all(|of| state(of).running.is_none())
}

fn is_over(status: &PodStatus) -> bool {
    let ended = container(status, AGENT, false).is_some_and(|of| state(of).terminated.is_some());
    ended || matches!(status.phase.as_deref(), Some("Succeeded" | "Failed"))
}

fn reason(status: &PodStatus, end: Option<&ContainerStateTerminated>) -> &'static str {
    let disrupted =
        status.conditions.iter().flatten().find(|condition| condition.type_ == "DisruptionTarget");
    match status.reason.as_deref() {
        Some("Evicted") => return "evicted",
        Some("NodeLost") => return "node_lost",
        Some("Shutdown" | "NodeShutdown" | "Terminated") => return "node_shutdown",
        Some("Preempting") => return "preempted",
        Some("DeadlineExceeded") => return "lifetime",
        _ => {}
    }
    match disrupted.and_then(|condition| condition.reason.as_deref()) {
        Some("PreemptionByScheduler") => return "preempted",
        Some("DeletionByTaintManager" | "DeletionByPodGC") => return "node_lost",
        Some("EvictionByEvictionAPI" | "TerminationByKubelet") => return "evicted",
        _ => {}
    }
    match end.and_then(|end| end.reason.as_deref()) {
        Some("OOMKilled") => "oom",
        _ => "container_ended",
    }
}

/// What keeps a container from starting for good.
fn stuck(of: &ContainerStatus, whose: &str) -> Option<Problem> {
    let state = state(of);
    if let Some(waiting) = &state.waiting {
        let reason = waiting.reason.as_deref().unwrap_or_default();
        let words = waiting.message.as_deref().filter(|words| !words.is_empty()).unwrap_or(reason);
        if IMAGE_TROUBLES.contains(&reason) {
            let detail = format!("the cluster cannot get {whose} `{}`: {words}", of.image);
            return Some(Problem::new(Code::ImageNotFound, detail).with("image", of.image.as_str()));
        }
        if CONTAINER_TROUBLES.contains(&reason) {
            let detail = format!("the agent's container cannot be started ({reason}): {words}");
            return Some(Problem::new(Code::SpawnFailed, detail).with("output", words));
        }
    }
    // Only the container that brings the host is expected to end.
    let end = state.terminated.filter(|end| of.name == INSTALL && end.exit_code != 0)?;
    let words = end.message.or(end.reason).unwrap_or_default();
    let detail =
        format!("the host could not be brought into the pod (code {}): {}", end.exit_code, words.trim());
    Some(Problem::new(Code::SpawnFailed, detail).with("output", words.trim()))
}

fn container<'a>(status: &'a PodStatus, name: &str, init: bool) -> Option<&'a ContainerStatus> {
    let all = if init { &status.init_container_statuses } else { &status.container_statuses };
    all.iter().flatten().find(|of| of.name == name)
}

fn state(of: &ContainerStatus) -> ContainerState {
    of.state.clone().unwrap_or_default()
}

fn signal(code: i32) -> Option<String> {
    match code - BY_SIGNAL {
        9 => Some("SIGKILL".into()),
        15 => Some("SIGTERM".into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(status: serde_json::Value) -> Pod {
        serde_json::from_value(json!({"metadata": {"name": "a"}, "status": status})).unwrap()
    }

    fn agent(state: serde_json::Value) -> serde_json::Value {
        json!([{"name": "agent", "image": "team/cli:1", "imageID": "", "ready": false, "restartCount": 0, "state": state}])
    }

    #[test]
    fn a_pod_on_its_way() {
        assert_eq!(stage(&pod(json!({"phase": "Pending"}))), Stage::Coming(None));
        let waits = agent(json!({"waiting": {"reason": "PodInitializing"}}));
        let coming = pod(json!({"phase": "Pending", "containerStatuses": waits}));
        assert_eq!(stage(&coming), Stage::Coming(Some("PodInitializing".into())));
        let runs = agent(json!({"running": {"startedAt": "2026-11-22T10:00:00Z"}}));
        let runs = pod(json!({"phase": "Running", "podIP": "10.0.0.7", "containerStatuses": runs}));
        assert_eq!(stage(&runs), Stage::Runs(Some("10.0.0.7".into())));
        assert_eq!(ended(&runs), None);
    }

    #[test]
    fn a_pod_without_a_node() {
        let words = "0/1 nodes are available: 1 Insufficient memory.";
        let waits = pod(json!({"phase": "Pending", "conditions": [
            {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": words}
        ]}));
        assert_eq!(stage(&waits), Stage::NoRoom(words.into()));
        assert_eq!(no_room(words).code, Code::ResourceLimit);
    }

    #[test]
    fn a_pod_that_cannot_start() {
        let code = |reason: &str| {
            let waits = agent(json!({"waiting": {"reason": reason, "message": "said so"}}));
            match stage(&pod(json!({"phase": "Pending", "containerStatuses": waits}))) {
                Stage::Stuck(problem) => {
                    assert!(problem.detail.contains("said so"), "{problem}");
                    Some(problem.code)
                }
                _ => None,
            }
        };
        for reason in IMAGE_TROUBLES {
            assert_eq!(code(reason), Some(Code::ImageNotFound), "{reason}");
        }
        for reason in CONTAINER_TROUBLES {
            assert_eq!(code(reason), Some(Code::SpawnFailed), "{reason}");
        }
        assert_eq!(code("ContainerCreating"), None);
        let brought = json!([{"name": "host", "image": "h", "imageID": "", "ready": false, "restartCount": 0,
            "state": {"terminated": {"exitCode": 1, "message": "no space"}}}]);
        let failed = pod(json!({"phase": "Pending", "initContainerStatuses": brought}));
        assert!(matches!(stage(&failed), Stage::Stuck(problem) if problem.detail.contains("no space")));
    }

    #[test]
    fn how_a_pod_ended() {
        let told = |status| {
            let exit = ended(&pod(status)).expect("it has ended");
            (exit.code, exit.signal, exit.reason)
        };
        let kill = || Some("SIGKILL".to_owned());
        let end = |code: i32, reason: &str| {
            agent(
                json!({"terminated": {"exitCode": code, "reason": reason, "finishedAt": "2026-11-22T10:00:01Z"}}),
            )
        };
        let of = |statuses| json!({"phase": "Failed", "containerStatuses": statuses});
        assert_eq!(told(of(end(137, "OOMKilled"))), (Some(137), kill(), "oom".into()));
        assert_eq!(told(of(end(137, "Error"))), (Some(137), kill(), "container_ended".into()));
        assert_eq!(told(of(end(1, "Error"))), (Some(1), None, "container_ended".into()));
        let evicted = json!({"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."});
        assert_eq!(told(evicted.clone()), (None, None, "evicted".into()));
        assert!(words(&pod(evicted)).unwrap().contains("low on resource"));
        let lost = json!({"phase": "Failed", "conditions": [
            {"type": "DisruptionTarget", "status": "True", "reason": "DeletionByTaintManager"}]});
        assert_eq!(told(lost), (None, None, "node_lost".into()));
        assert_eq!(told(json!({"phase": "Failed", "reason": "Shutdown"})).2, "node_shutdown");
        let exit = ended(&pod(of(end(1, "Error")))).unwrap();
        assert!(exit.at.to_string().starts_with("2026-11-22T10:00:01"), "{:?}", exit.at);
    }
}
