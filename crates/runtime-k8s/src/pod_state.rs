//! The state of a pod: whether its host can run, why it cannot start, how it ended. Pure functions.

use k8s_openapi::api::core::v1::{ContainerState, ContainerStateTerminated, ContainerStatus, Pod, PodStatus};
use parallax_api::{AgentExit, Code, Problem, Time};

use crate::pod::{AGENT, INSTALL};

/// The exit code of a program that was ended by a signal is 128 and the signal's number.
const SIGNAL_BASE: i32 = 128;

/// Reasons for which a container waits whose image cannot be had.
const IMAGE_REASONS: [&str; 6] = [
    "ErrImagePull",
    "ImagePullBackOff",
    "ErrImageNeverPull",
    "InvalidImageName",
    "ImageInspectError",
    "RegistryUnavailable",
];
/// Reasons for which a container waits that cannot be started.
const CONTAINER_REASONS: [&str; 6] = [
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
    "PreCreateHookError",
    "PostStartHookError",
    "StartError",
];

/// The state of a pod.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum PodState {
    /// Being started; the reason that its container waits for, for people.
    Pending(Option<String>),
    /// No node has room for it, in the scheduler's words. That may change.
    Unschedulable(String),
    /// It cannot be started, now or (`false`) at all.
    Failed(Problem, bool),
    /// The host's container runs; the pod has this address.
    Running(Option<String>),
    /// The host's container has ended.
    Terminated,
}

/// The state of this pod.
pub(crate) fn of(pod: &Pod) -> PodState {
    let Some(status) = &pod.status else { return PodState::Pending(None) };
    // First: the whole pod has failed with it, and its words are there and not in the agent's container.
    if let Some(problem) =
        container(status, INSTALL, true).and_then(|of| failure(of, "the runtime's --host-image"))
    {
        return PodState::Failed(problem.0, problem.1);
    }
    if is_terminated(status) {
        return PodState::Terminated;
    }
    let agent = container(status, AGENT, false);
    if let Some(problem) = agent.and_then(|of| failure(of, "the agent's image")) {
        return PodState::Failed(problem.0, problem.1);
    }
    if agent.is_some_and(|of| state(of).running.is_some()) {
        return PodState::Running(status.pod_ip.clone().filter(|ip| !ip.is_empty()));
    }
    let scheduled = status.conditions.iter().flatten().find(|condition| condition.type_ == "PodScheduled");
    if let Some(condition) = scheduled.filter(|condition| condition.status == "False") {
        let words = condition.message.clone().unwrap_or_else(|| "no node has room".into());
        return PodState::Unschedulable(words);
    }
    let waits = agent.and_then(|of| state(of).waiting).and_then(|waiting| waiting.reason);
    PodState::Pending(waits)
}

/// `RESOURCE_LIMIT` with the scheduler's message.
pub(crate) fn unschedulable(message: &str) -> Problem {
    Problem::new(Code::ResourceLimit, format!("no node of the cluster has room for the agent: {message}"))
}

/// How a pod ended, for a host that did not report its agent's exit. None: it has not ended.
pub(crate) fn exit(pod: &Pod) -> Option<AgentExit> {
    let status = pod.status.as_ref()?;
    if !is_terminated(status) {
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
        workspace: None,
    })
}

/// Why the pod ended, as the cluster reports it.
pub(crate) fn message(pod: &Pod) -> Option<String> {
    let status = pod.status.as_ref()?;
    let end = container(status, AGENT, false).and_then(|of| state(of).terminated);
    let words = [status.message.clone(), end.and_then(|end| end.message)];
    words.into_iter().flatten().map(|words| words.trim().to_owned()).find(|words| !words.is_empty())
}

/// Whether nothing of the pod runs any more.
pub(crate) fn has_stopped(pod: &Pod) -> bool {
    let Some(status) = &pod.status else { return false };
    let mut all = status.container_statuses.iter().chain(&status.init_container_statuses).flatten();
    matches!(status.phase.as_deref(), Some("Succeeded" | "Failed"))
        && all.all(|of| state(of).running.is_none())
}

fn is_terminated(status: &PodStatus) -> bool {
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

/// Why a container cannot be started, and whether that may pass: a Secret may come, a registry may answer.
fn failure(of: &ContainerStatus, whose: &str) -> Option<(Problem, bool)> {
    let state = state(of);
    if let Some(waiting) = &state.waiting {
        let reason = waiting.reason.as_deref().unwrap_or_default();
        let words = waiting.message.as_deref().filter(|words| !words.is_empty()).unwrap_or(reason);
        if IMAGE_REASONS.contains(&reason) {
            let detail = format!("the cluster cannot get {whose} `{}`: {words}", of.image);
            let problem = Problem::new(Code::ImageNotFound, detail).with("image", of.image.as_str());
            return Some((problem, reason != "InvalidImageName"));
        }
        if CONTAINER_REASONS.contains(&reason) {
            let detail = format!("the agent's container cannot be started ({reason}): {words}");
            let is_transient = ["CreateContainerConfigError", "CreateContainerError"].contains(&reason);
            return Some((Problem::new(Code::SpawnFailed, detail).with("output", words), is_transient));
        }
    }
    // Of the two containers, only the one that installs the host is expected to end.
    let end = state.terminated.filter(|end| of.name == INSTALL && end.exit_code != 0)?;
    let words = end.message.or(end.reason).unwrap_or_default();
    // What the kernel says of a program for another processor.
    let advice = if words.to_lowercase().contains("exec format error") {
        format!(
            "; `{}` is not for this node's architecture: build it for several, or keep agents from such nodes by their \
             nodeSelector kubernetes.io/arch",
            of.image
        )
    } else if is_unwritable(&words) {
        "; the agent's user (--user, 1000) must be able to write to the claim: give the volume's directory to that user, or take a \
         storage class whose driver heeds fsGroup"
            .to_owned()
    } else {
        String::new()
    };
    let detail = format!(
        "the host could not be brought into the pod (code {}): {}{advice}",
        end.exit_code,
        words.trim()
    );
    Some((Problem::new(Code::SpawnFailed, detail).with("output", words.trim()), false))
}

/// What the host says when it cannot make its directories on a claim.
fn is_unwritable(words: &str) -> bool {
    ["Permission denied", "Read-only file system"].iter().any(|said| words.contains(said))
}

fn container<'a>(status: &'a PodStatus, name: &str, init: bool) -> Option<&'a ContainerStatus> {
    let all = if init { &status.init_container_statuses } else { &status.container_statuses };
    all.iter().flatten().find(|of| of.name == name)
}

fn state(of: &ContainerStatus) -> ContainerState {
    of.state.clone().unwrap_or_default()
}

fn signal(code: i32) -> Option<String> {
    match code - SIGNAL_BASE {
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
        assert_eq!(of(&pod(json!({"phase": "Pending"}))), PodState::Pending(None));
        let waits = agent(json!({"waiting": {"reason": "PodInitializing"}}));
        let coming = pod(json!({"phase": "Pending", "containerStatuses": waits}));
        assert_eq!(of(&coming), PodState::Pending(Some("PodInitializing".into())));
        let runs = agent(json!({"running": {"startedAt": "2026-11-22T10:00:00Z"}}));
        let runs = pod(json!({"phase": "Running", "podIP": "10.0.0.7", "containerStatuses": runs}));
        assert_eq!(of(&runs), PodState::Running(Some("10.0.0.7".into())));
        assert_eq!(exit(&runs), None);
    }

    #[test]
    fn a_pod_without_a_node() {
        let words = "0/1 nodes are available: 1 Insufficient memory.";
        let waits = pod(json!({"phase": "Pending", "conditions": [
            {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": words}
        ]}));
        assert_eq!(of(&waits), PodState::Unschedulable(words.into()));
        assert_eq!(unschedulable(words).code, Code::ResourceLimit);
    }

    #[test]
    fn a_pod_that_cannot_start() {
        let code = |reason: &str| {
            let waits = agent(json!({"waiting": {"reason": reason, "message": "said so"}}));
            match of(&pod(json!({"phase": "Pending", "containerStatuses": waits}))) {
                PodState::Failed(problem, _) => {
                    assert!(problem.detail.contains("said so"), "{problem}");
                    Some(problem.code)
                }
                _ => None,
            }
        };
        for reason in IMAGE_REASONS {
            assert_eq!(code(reason), Some(Code::ImageNotFound), "{reason}");
        }
        for reason in CONTAINER_REASONS {
            assert_eq!(code(reason), Some(Code::SpawnFailed), "{reason}");
        }
        assert_eq!(code("ContainerCreating"), None);
        let brought = json!([{"name": "host", "image": "h", "imageID": "", "ready": false, "restartCount": 0,
            "state": {"terminated": {"exitCode": 1, "message": "no space"}}}]);
        let failed = pod(json!({"phase": "Pending", "initContainerStatuses": brought}));
        assert!(
            matches!(of(&failed), PodState::Failed(problem, false) if problem.detail.contains("no space"))
        );
        // A pod is not started again, so that it has failed with its init container.
        let unwritable = json!([{"name": "host", "image": "h", "imageID": "", "ready": false, "restartCount": 0,
            "state": {"terminated": {"exitCode": 1, "message": "creating /workspace/x: Permission denied (os error 13)"}}}]);
        let failed = pod(json!({"phase": "Failed", "initContainerStatuses": unwritable}));
        assert!(matches!(of(&failed), PodState::Failed(problem, false)
            if problem.detail.contains("Permission denied") && problem.detail.contains("fsGroup")));
        let foreign = json!([{"name": "host", "image": "team/host:1", "imageID": "", "ready": false, "restartCount": 0,
            "state": {"terminated": {"exitCode": 1, "message": "exec /parallax-agent-host: exec format error\n"}}}]);
        let PodState::Failed(problem, false) =
            of(&pod(json!({"phase": "Pending", "initContainerStatuses": foreign})))
        else {
            panic!("it cannot run there");
        };
        assert!(
            problem.detail.contains("`team/host:1`") && problem.detail.contains("kubernetes.io/arch"),
            "{}",
            problem.detail
        );
    }

    #[test]
    fn how_a_pod_ended() {
        let told = |status| {
            let exit = exit(&pod(status)).expect("it has ended");
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
        assert!(message(&pod(evicted)).unwrap().contains("low on resource"));
        let lost = json!({"phase": "Failed", "conditions": [
            {"type": "DisruptionTarget", "status": "True", "reason": "DeletionByTaintManager"}]});
        assert_eq!(told(lost), (None, None, "node_lost".into()));
        assert_eq!(told(json!({"phase": "Failed", "reason": "Shutdown"})).2, "node_shutdown");
        let exit = exit(&pod(of(end(1, "Error")))).unwrap();
        assert!(exit.at.to_string().starts_with("2026-11-22T10:00:01"), "{:?}", exit.at);
    }
}
