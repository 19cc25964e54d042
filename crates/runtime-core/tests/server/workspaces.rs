//! Workspaces on volumes of the backend: they go when nobody can miss what is in them.

use std::collections::HashSet;
use std::path::PathBuf;

use parallax_api::workspace::{WorkspaceEnd, WorkspaceKeep, WorkspaceRequest};
use parallax_api::{AgentId, AgentStatus, Code, Problem, SpawnRequest};
use parallax_runtime_core::{Keep, Workdirs};
use serde_json::{Value, json};

use crate::adoption::repository;
use crate::server::{TestServer, eventually, shell};

/// A server whose agents have their workspaces on volumes, and a repository.
async fn server_with_volumes() -> (TestServer, PathBuf) {
    let mut server = TestServer::new().await;
    server.end().await;
    *server.backend.volumes.there.lock().unwrap() = Some(HashSet::new());
    let root = server.work_dir();
    server.config.workdirs = Workdirs::Mounted { at: "/workspace".into(), roots: vec![root] };
    server.start().await;
    let repository = repository(&server);
    (server, repository)
}

/// An agent with a workspace of which nothing is to stay.
async fn spawned(server: &TestServer, repository: &std::path::Path) -> AgentId {
    let workspace = WorkspaceRequest {
        repo: repository.display().to_string(),
        keep: WorkspaceKeep::Never,
        ..Default::default()
    };
    let request = SpawnRequest { workspace: Some(workspace), ..shell("one") };
    server.client().spawn(&request).await.unwrap().id
}

/// What is told of its workspace when it has ended.
async fn end(server: &TestServer, id: &AgentId) -> WorkspaceEnd {
    server.backend.host(id).exit(0);
    let ended = server
        .until(id, "it has ended", |agent| agent.exit.as_ref().is_some_and(|exit| exit.workspace.is_some()));
    ended.await.exit.unwrap().workspace.unwrap()
}

fn record(server: &TestServer, id: &AgentId) -> Option<Value> {
    let path = server.config.state_dir.join(format!("workspaces/{id}.json"));
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

/// Whether a clean-up keeps the one workspace that is there, and says that it is in use; and why it is kept.
async fn cleaned(server: &TestServer) -> (bool, String) {
    let done = server.client().clean_workspaces().await.unwrap();
    assert_eq!((done.removed.len(), done.kept.len()), (0, 1), "{done:?}");
    (done.kept[0].in_use.unwrap(), done.kept[0].reason.clone().unwrap_or_default())
}

/// An agent whose workspace was to go: the engine was away, and then the server was killed. The next one looks into it, as `looks` says.
async fn left(server: &mut TestServer, repository: &std::path::Path, looks: Vec<Value>) -> AgentId {
    let id = spawned(server, repository).await;
    server.backend.volumes.refusals.lock().unwrap().extend((0..100).map(|_| away()));
    assert!(!end(server, &id).await.kept);
    eventually("it is in the archive", || server.backend.count() == 0).await;
    server.kill();
    server.backend.volumes.refusals.lock().unwrap().clear();
    server.backend.volumes.looks.lock().unwrap().extend(looks);
    server.start().await;
    eventually("the next server has looked", || {
        record(server, &id).is_none_or(|record| record["ending"]["kept"].is_string())
    })
    .await;
    id
}

fn nothing_lost() -> Value {
    json!({"loss": null, "commits": 0, "tips": []})
}

fn something_lost() -> Value {
    json!({"loss": "something in it is not committed", "commits": 0, "tips": []})
}

async fn goes(server: &TestServer, id: &AgentId) {
    eventually("the volume goes", || !server.backend.volumes.holds(id)).await;
}

fn away() -> Problem {
    Problem::new(Code::RuntimeUnavailable, "the engine is away")
}

#[tokio::test]
async fn what_is_to_go_goes() {
    let (server, repository) = server_with_volumes().await;
    let id = spawned(&server, &repository).await;
    assert!(server.backend.volumes.holds(&id));
    assert!(!end(&server, &id).await.kept);
    goes(&server, &id).await;
    eventually("nothing is known of it", || record(&server, &id).is_none()).await;
}

/// Its node was drained: it has ended, and goes on elsewhere. What was decided of its workspace holds no longer.
#[tokio::test]
async fn one_that_is_moved_keeps_its_workspace() {
    let (mut server, repository) = server_with_volumes().await;
    let id = spawned(&server, &repository).await;
    *server.backend.moves.lock().unwrap() = true;
    assert!(!end(&server, &id).await.kept, "nobody knows yet that it moves");
    eventually("it moves", || server.backend.returning.lock().unwrap().contains(&id)).await;
    assert_eq!(cleaned(&server).await, (true, String::new()));
    assert!(record(&server, &id).unwrap()["ending"].is_object());

    server.kill();
    let host = server.backend.bring_back(&id);
    for _ in 0..8 {
        host.say("it goes on");
    }
    *server.backend.moves.lock().unwrap() = false;
    server.start().await;
    eventually("its end is taken back", || record(&server, &id).unwrap()["ending"].is_null()).await;
    assert_ne!(server.client().get(&id).await.unwrap().status, AgentStatus::Stopped);
    assert_eq!(cleaned(&server).await, (true, String::new()));
    server.backend.host(&id).exit(3);
    goes(&server, &id).await;
}

/// It is known at its end already that it comes back.
#[tokio::test]
async fn one_that_comes_back_keeps_its_workspace() {
    let (server, repository) = server_with_volumes().await;
    let id = spawned(&server, &repository).await;
    server.backend.returning.lock().unwrap().insert(id.clone());
    let ended = end(&server, &id).await;
    assert!(ended.kept && ended.reason.unwrap().contains("moved"));
    assert_eq!(cleaned(&server).await, (true, String::new()));
    // It did not come back, and nobody has looked at it.
    server.backend.returning.lock().unwrap().clear();
    assert!(!cleaned(&server).await.0);
    assert!(server.backend.volumes.holds(&id));
}

/// The server was killed before it was removed, or the engine was away: somebody may have worked in it since.
#[tokio::test]
async fn an_old_decision_is_not_carried_out() {
    let (mut server, repository) = server_with_volumes().await;
    let id = left(&mut server, &repository, vec![]).await;
    let (in_use, reason) = cleaned(&server).await;
    assert!(!in_use && reason.contains("was to go"), "{reason}");
    assert!(server.backend.volumes.holds(&id));
    // Somebody can look: there is something, then nothing.
    let look = |found: Value| server.backend.volumes.looks.lock().unwrap().push_back(found);
    look(something_lost());
    look(nothing_lost());
    assert_eq!(cleaned(&server).await.1, "something in it is not committed");
    assert_eq!(server.client().clean_workspaces().await.unwrap().removed.len(), 1);
    assert!(!server.backend.volumes.holds(&id));
}

/// What the server before did not come to remove goes by itself, where somebody can look and nothing would be lost.
#[tokio::test]
async fn the_next_server_removes_what_was_to_go() {
    let (mut server, repository) = server_with_volumes().await;
    let id = left(&mut server, &repository, vec![nothing_lost()]).await;
    goes(&server, &id).await;
    let id = left(&mut server, &repository, vec![something_lost(), nothing_lost()]).await;
    assert_eq!(server.backend.volumes.looks.lock().unwrap().len(), 1, "what was found is kept");
    assert!(server.backend.volumes.holds(&id));
}

/// Whether the container of another agent is on it cannot be told for a moment, which is no yes.
#[tokio::test]
async fn what_is_not_known_of_others_is_asked_again() {
    let (server, repository) = server_with_volumes().await;
    let first = spawned(&server, &repository).await;
    let workspace = WorkspaceRequest { reuse: Some(first.clone()), ..Default::default() };
    let request = SpawnRequest { workspace: Some(workspace), ..shell("two") };
    let second = server.client().spawn(&request).await.unwrap().id;
    assert!(end(&server, &second).await.kept, "the first one works in it");
    eventually("it is gone", || server.backend.count() == 1).await;
    server.backend.lookups.lock().unwrap().insert(second.clone(), [away(), away()].into());
    assert!(!end(&server, &first).await.kept);
    goes(&server, &first).await;
    assert!(server.backend.lookups.lock().unwrap()[&second].is_empty());
}

/// The set-up of its first agent failed, and the engine was away when its workspace was to go.
#[tokio::test]
async fn the_workspace_of_a_spawn_that_failed_goes_when_it_can() {
    let (server, repository) = server_with_volumes().await;
    *server.backend.refusal.lock().unwrap() = Some(Problem::new(Code::SpawnFailed, "the set-up failed"));
    server.backend.volumes.refusals.lock().unwrap().extend((0..6).map(|_| away()));
    let workspace = WorkspaceRequest { repo: repository.display().to_string(), ..Default::default() };
    let request = SpawnRequest { workspace: Some(workspace), ..shell("one") };
    assert_eq!(server.client().spawn(&request).await.unwrap_err().code, Code::SpawnFailed);
    let id = server.backend.launches.lock().unwrap()[0].agent.id.clone();
    assert_eq!(record(&server, &id).unwrap()["ending"], json!({"kept": null}), "nobody comes to work in it");
    goes(&server, &id).await;
    eventually("nothing is known of it", || record(&server, &id).is_none()).await;
}

/// A removal that does not work is tried again, until somebody has looked and found something.
#[tokio::test]
async fn what_is_found_after_a_removal_that_failed_is_kept() {
    let (mut server, repository) = server_with_volumes().await;
    server.end().await;
    server.config.keep = Keep { count: 0, ..server.config.keep };
    server.start().await;
    let id = spawned(&server, &repository).await;
    let conflict = Problem::new(Code::Conflict, "something uses the volume");
    server.backend.volumes.refusals.lock().unwrap().extend([away(), conflict]);
    // A second look would find nothing, and it would go.
    server.backend.volumes.looks.lock().unwrap().extend([something_lost(), nothing_lost()]);
    server.backend.host(&id).exit(0);
    server.until_unknown(&id).await;
    assert!(server.backend.volumes.holds(&id));
    assert_eq!(server.backend.volumes.looks.lock().unwrap().len(), 1);
    let listed = server.client().workspaces().await.unwrap().workspaces;
    assert_eq!(listed[0].reason.as_deref(), Some("something in it is not committed"));
}

/// To ask the origin takes its time.
#[tokio::test]
async fn what_changes_while_the_origin_is_asked_is_kept() {
    let (mut server, repository) = server_with_volumes().await;
    let id = left(&mut server, &repository, vec![]).await;
    let head =
        std::process::Command::new("git").arg("-C").arg(&repository).args(["rev-parse", "HEAD"]).output();
    let head = String::from_utf8(head.unwrap().stdout).unwrap();
    let merged = json!({"loss": null, "commits": 1, "tips": [head.trim()]});
    server.backend.volumes.looks.lock().unwrap().extend([merged.clone(), something_lost()]);
    assert!(cleaned(&server).await.1.contains("while it was looked at"));
    assert!(server.backend.volumes.holds(&id));
    server.backend.volumes.looks.lock().unwrap().extend([merged.clone(), merged]);
    assert_eq!(server.client().clean_workspaces().await.unwrap().removed.len(), 1);
    assert!(!server.backend.volumes.holds(&id));
}

/// A backend that does not answer does not say that nothing is there.
#[tokio::test]
async fn what_is_not_known_is_not_told_gone() {
    let (server, repository) = server_with_volumes().await;
    for (are_away, kept) in [(true, true), (false, false)] {
        let id = spawned(&server, &repository).await;
        let path = server.config.state_dir.join(format!("workspaces/{id}.json"));
        std::fs::remove_file(path).unwrap();
        server.backend.volumes.there.lock().unwrap().as_mut().unwrap().remove(&id);
        *server.backend.volumes.are_away.lock().unwrap() = are_away;
        let ended = end(&server, &id).await;
        *server.backend.volumes.are_away.lock().unwrap() = false;
        assert_eq!(ended.kept, kept, "{ended:?}");
        assert_eq!(ended.reason.is_some_and(|reason| reason.contains("nothing is known")), kept);
    }
}
