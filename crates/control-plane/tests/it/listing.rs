//! Lists, and agents that come and go while they are made.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use parallax_api::client::ListFilter;
use parallax_api::runtime::RuntimeKind;
use parallax_api::{AgentStatus, Code, EventData, Problem};
use tokio::sync::Semaphore;

use crate::plane::{Plane, ScriptedRuntime, one_runtime, take, until, within};

/// A page that no other test of the list has asked for: it is not answered with what was heard just now.
fn another_page() -> ListFilter {
    ListFilter { limit: Some(7), ..ListFilter::default() }
}

/// The names of those that the control plane has without its runtime, which ends with this.
async fn still_known(runtime: &mut ScriptedRuntime, plane: &Plane) -> Vec<String> {
    runtime.kill().await;
    plane.until_reachable("local", false).await;
    let mut names: Vec<String> = plane
        .client
        .list_all(&ListFilter::default())
        .await
        .unwrap()
        .into_iter()
        .map(|agent| agent.name)
        .collect();
    names.sort_unstable();
    names
}

#[tokio::test]
async fn who_is_heard_of_while_a_list_is_made_stays() {
    let (_dir, mut runtime, plane) = one_runtime().await;
    let mut events = plane.events(None).await;
    for id in ["back", "gone"] {
        runtime.becomes(id, AgentStatus::Ready).await;
    }
    take(&mut events, 2).await;
    // A list without these two, which is told late: a spawn and an event are heard meanwhile.
    runtime.script.agents.lock().unwrap().clear();
    let gate = Arc::new(Semaphore::new(0));
    *runtime.script.list_gate.lock().unwrap() = Some(gate.clone());
    let client = plane.client.clone();
    let listing = tokio::spawn(async move { client.list(&another_page()).await.unwrap() });
    until("the list is made", async || runtime.script.lists_made.load(Ordering::Relaxed) == 1).await;
    plane.spawn("worker", None).await.unwrap();
    runtime.becomes("back", AgentStatus::Busy).await;
    let heard = take(&mut events, 1).await;
    assert!(matches!(&heard[0].data, EventData::AgentBusy { agent } if agent.id.as_str() == "back"));
    *runtime.script.list_gate.lock().unwrap() = None;
    gate.add_permits(1);
    let listed = within("the list is told", listing).await.unwrap();
    assert!(listed.agents.is_empty(), "as it was made: {listed:?}");
    assert_eq!(still_known(&mut runtime, &plane).await, ["back", "worker"]);
    plane.stop().await;
}

#[tokio::test]
async fn who_was_spawned_before_and_is_not_on_a_list_is_gone() {
    let (_dir, mut runtime, plane) = one_runtime().await;
    let gone = plane.spawn("gone", None).await.unwrap();
    plane.spawn("worker", None).await.unwrap();
    runtime.script.agents.lock().unwrap().remove(gone.id.as_str());
    let listed = plane.client.list(&another_page()).await.unwrap();
    assert_eq!(listed.agents.iter().map(|agent| agent.name.as_str()).collect::<Vec<_>>(), ["worker"]);
    assert_eq!(still_known(&mut runtime, &plane).await, ["worker"]);
    plane.stop().await;
}

#[tokio::test]
async fn what_was_asked_for_before_a_call_was_answered_is_not_taken_for_what_is_so_after_it() {
    let (_dir, runtime, plane) = one_runtime().await;
    let id = runtime.has("a1", AgentStatus::Ready).id;
    plane.client.list_all(&ListFilter::default()).await.unwrap();
    let gate = Arc::new(Semaphore::new(0));
    *runtime.script.show_gate.lock().unwrap() = Some(gate.clone());
    let (client, asked, script) = (plane.client.clone(), id.clone(), runtime.script.clone());
    // At first what was listed answers, which is new enough.
    let showing = tokio::spawn(async move {
        loop {
            let shown = client.get(&asked).await.unwrap();
            if script.shows_made.load(Ordering::Relaxed) > 0 {
                return shown;
            }
        }
    });
    until("it is shown", async || runtime.script.shows_made.load(Ordering::Relaxed) == 1).await;
    *runtime.script.show_gate.lock().unwrap() = None;
    let input = reqwest::Client::new().post(plane.url("/api/managed-agents/a1/input")).body("{}");
    assert!(input.send().await.unwrap().status().is_success());
    runtime.has("a1", AgentStatus::Busy);
    gate.add_permits(1);
    assert_eq!(within("what was shown before", showing).await.unwrap().status, AgentStatus::Ready);
    assert_eq!(plane.client.get(&id).await.unwrap().status, AgentStatus::Busy);
    plane.stop().await;
}

/// A control plane that reaches two runtimes, `local` and `docker`.
async fn over_two(dir: &Path) -> (Plane, ScriptedRuntime, ScriptedRuntime) {
    let local = ScriptedRuntime::start(RuntimeKind::Local).await;
    let docker = ScriptedRuntime::start(RuntimeKind::Docker).await;
    let plane = Plane::start(dir, vec![local.spec("local"), docker.spec("docker")]).await;
    plane.until_reachable("local", true).await;
    plane.until_reachable("docker", true).await;
    (plane, local, docker)
}

/// One of two runtimes says nothing when it is asked for an agent of which no event has told.
#[tokio::test]
async fn a_silent_runtime_hides_no_agent_of_another_and_denies_none() {
    let dir = tempfile::tempdir().unwrap();
    let (plane, local, docker) = over_two(dir.path()).await;
    *docker.script.show_gate.lock().unwrap() = Some(Arc::new(Semaphore::new(0)));
    let id = local.has("untold", AgentStatus::Ready).id;
    let found = within("it is found", plane.client.get(&id)).await.unwrap();
    assert_eq!((found.id, found.runtime.as_str()), (id, "local"));
    let nobody = "nobody".parse().unwrap();
    let problem = within("the others are given up", plane.client.get(&nobody)).await.unwrap_err();
    assert_eq!(problem.code, Code::AgentNotFound);
    assert_eq!(problem.more["runtimesAway"], serde_json::json!(["docker"]));
    *docker.script.show_gate.lock().unwrap() = None;
    let problem = plane.client.get(&nobody).await.unwrap_err();
    assert!(!problem.more.contains_key("runtimesAway"), "both have said so: {problem:?}");
    plane.stop().await;
}

#[tokio::test]
async fn one_runtime_that_fails_hides_no_workspaces_of_another() {
    let dir = tempfile::tempdir().unwrap();
    let (plane, local, docker) = over_two(dir.path()).await;
    let workspace = serde_json::from_value(serde_json::json!({
        "id": "a1", "name": "one", "runtime": "local", "repo": "/r", "branch": "b", "path": "/p", "keep": "changed",
        "createdAt": parallax_api::Time::now(),
    }));
    *local.script.workspace.lock().unwrap() = Some(workspace.unwrap());
    for (code, is_away) in [(Code::Internal, true), (Code::StorageFull, true), (Code::Unsupported, false)] {
        *docker.script.workspaces_refusal.lock().unwrap() = Some(Problem::new(code, "it cannot tell"));
        let away = Vec::from_iter(is_away.then(|| "docker".to_owned()));
        let listed = plane.client.workspaces().await.unwrap();
        assert_eq!((listed.workspaces.len(), &listed.runtimes_away), (1, &away), "{code}");
        let done = plane.client.clean_workspaces().await.unwrap();
        assert_eq!((done.removed.len(), &done.runtimes_away), (1, &away), "{code}");
    }
    plane.stop().await;
}
