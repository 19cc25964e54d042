//! A server that is killed loses nothing.

use std::time::Duration;

use parallax_api::workspace::WorkspaceRequest;
use parallax_api::{AgentStatus, Code, EventData, Problem, SendRequest, SpawnRequest};
use parallax_runtime_core::{AgentBackend, KeptWorkspace};

use crate::server::{PATIENCE, TestServer, eventually, next, shell};

#[tokio::test]
async fn every_event_is_told_once_across_servers() {
    let mut server = TestServer::new().await;
    let agent = server.client().spawn(&shell("talker")).await.unwrap();
    let host = server.backend.host(&agent.id);
    let talker = std::thread::spawn({
        let host = host.clone();
        move || {
            for n in 0..600 {
                host.say(&format!("{n}"));
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    });
    let mut told = vec![];
    let mut last = "0".to_owned();
    for take in [50, 120, 200, 230] {
        let mut events = server.events(&last).await;
        while told.len() < take + 1 || (take == 230 && told.len() < 601) {
            let event = next(&mut events).await;
            last = event.id.clone();
            told.push(event.data);
        }
        if take < 230 {
            server.kill();
            server.start().await;
        }
    }
    talker.join().unwrap();
    assert!(matches!(&told[0], EventData::AgentStarted { agent: started } if started.id == agent.id));
    for (n, data) in told[1..].iter().enumerate() {
        assert!(
            matches!(data, EventData::Message { message } if message.content == n.to_string()),
            "{n}: {data:?}"
        );
    }
    assert!(host.lives(), "a server's death is not the host's");
}

#[tokio::test]
async fn the_next_server_has_the_agents() {
    let mut server = TestServer::new().await;
    let agent = server.ready_agent().await;
    server.end().await;
    assert!(server.backend.host(&agent.id).lives(), "SIGTERM ends no agent");
    server.start().await;
    let again = server.client().get(&agent.id).await.unwrap();
    assert_eq!((again.id.clone(), again.status), (agent.id.clone(), AgentStatus::Ready));
    let send = SendRequest { message: "hi".into(), expect_response: true, ..Default::default() };
    let sent = server.client().send(&agent.id, &send).await.unwrap();
    assert_eq!(sent.response.unwrap().content, "echo: hi");
}

#[tokio::test]
async fn what_happened_while_no_server_was_there_is_told() {
    let mut server = TestServer::new().await;
    let ends = server.ready_agent().await;
    let dies = server.ready_agent().await;
    let mut events = server.events("0").await;
    let mut last = next(&mut events).await;
    for _ in 0..3 {
        last = next(&mut events).await;
    }
    server.kill();
    server.backend.host(&ends.id).say("the last word");
    server.backend.host(&ends.id).exit(3);
    server.backend.host(&dies.id).die();
    server.start().await;
    let mut events = server.events(&last.id).await;
    let mut told =
        vec![next(&mut events).await.data, next(&mut events).await.data, next(&mut events).await.data];
    told.sort_by_key(|data| data.agent_id() == Some(&dies.id));
    assert!(
        matches!(&told[0], EventData::Message { message } if message.content == "the last word"),
        "{told:?}"
    );
    assert!(matches!(&told[1], EventData::AgentStopped { reason, .. } if reason == "exited"), "{told:?}");
    assert!(matches!(&told[2], EventData::AgentStopped { reason, .. } if reason == "host_lost"), "{told:?}");
    eventually("both slots are given back", || server.backend.count() == 0).await;
}

/// Its end came after it was seen to run, and says that it was before.
#[tokio::test]
async fn an_end_by_a_clock_that_was_set_back_comes_into_the_archive() {
    let mut server = TestServer::new().await;
    let repository = repository(&server);
    let workspace = WorkspaceRequest { repo: repository.display().to_string(), ..Default::default() };
    let request = SpawnRequest { workspace: Some(workspace), ..shell("one") };
    let agent = server.client().spawn(&request).await.unwrap();
    let host = server.backend.host(&agent.id);
    host.become_ready();
    server.until(&agent.id, "it is ready", |agent| agent.status == AgentStatus::Ready).await;
    host.exit_in_the_past(3);
    let mut events = server.events("0").await;
    while next(&mut events).await.data.name() != "agent_stopped" {}
    server.kill();
    server.start().await;
    eventually("it is in the archive", || server.backend.count() == 0).await;
    assert!(host.released());
}

#[tokio::test]
async fn an_agent_without_a_record_is_adopted() {
    let mut server = TestServer::new().await;
    let agent = server.ready_agent().await;
    server.kill();
    eventually("the state can be taken away", || std::fs::remove_dir_all(&server.config.state_dir).is_ok())
        .await;
    server.start().await;
    assert_eq!(server.client().get(&agent.id).await.unwrap().name, agent.name);
    let mut events = server.events("0").await;
    assert_eq!(next(&mut events).await.data.name(), "agent_started");
    assert_eq!(next(&mut events).await.data.name(), "agent_ready");
}

/// Its host lives, and nobody knows whose it is.
#[tokio::test]
async fn the_checkout_of_an_unknown_agent_is_in_use_while_its_host_is_there() {
    let mut server = TestServer::new().await;
    let repository = repository(&server);
    let workspace = WorkspaceRequest { repo: repository.display().to_string(), ..Default::default() };
    let request = SpawnRequest { workspace: Some(workspace), ..shell("one") };
    let agent = server.client().spawn(&request).await.unwrap();
    server.kill();
    let host = server.backend.host(&agent.id);
    let other = "somebody-else".parse().unwrap();
    host.tell(|agent| agent.id = other, |agent| EventData::AgentReady { agent });
    // The database is lost, and the spawn was long ago.
    let state = server.config.state_dir.clone();
    for entry in std::fs::read_dir(&state).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            std::fs::remove_file(path).unwrap();
        }
    }
    let record = state.join(format!("workspaces/{}.json", agent.id));
    let mut told: serde_json::Value = serde_json::from_slice(&std::fs::read(&record).unwrap()).unwrap();
    told["createdAt"] = "2020-01-01T00:00:00.000Z".into();
    std::fs::write(&record, told.to_string()).unwrap();

    server.start().await;
    assert!(server.client().get(&agent.id).await.is_err(), "it is not known");
    let done = server.client().clean_workspaces().await.unwrap();
    assert_eq!((done.removed.len(), done.kept.len()), (0, 1), "{done:?}");
    assert_eq!(done.kept[0].in_use, Some(true));
    server.backend.remove(&agent.id, Duration::ZERO).await.unwrap();
    // It is suspended, or was moved: it has no host, and comes back.
    for comes_back in [&server.backend.suspended, &server.backend.returning] {
        comes_back.lock().unwrap().insert(agent.id.clone());
        let done = server.client().clean_workspaces().await.unwrap();
        assert_eq!((done.removed.len(), done.kept.len()), (0, 1), "{done:?}");
        assert_eq!(done.kept[0].in_use, Some(true));
        comes_back.lock().unwrap().clear();
    }
    let done = server.client().clean_workspaces().await.unwrap();
    assert_eq!((done.removed.len(), done.kept.len()), (1, 0), "{done:?}");
}

#[tokio::test]
async fn a_spawn_that_a_server_died_in_is_undone_or_adopted() {
    let mut server = TestServer::new().await;
    *server.backend.hangs.lock().unwrap() = true;
    let client = server.client();
    let spawns: Vec<_> = ["lives", "died"]
        .map(|name| {
            let client = client.clone();
            tokio::spawn(async move { client.spawn_once(name, &shell(name)).await })
        })
        .into();
    eventually("both hosts run", || server.backend.count() == 2).await;
    let launches = server.backend.launches.lock().unwrap().clone();
    let id = |name: &str| launches.iter().find(|launch| launch.agent.name == name).unwrap().agent.id.clone();
    server.backend.host(&id("died")).die();
    server.kill();
    for spawn in spawns {
        assert!(spawn.await.unwrap().is_err());
    }
    *server.backend.hangs.lock().unwrap() = false;
    server.start().await;
    let listed = server.client().list_all(&Default::default()).await.unwrap();
    assert_eq!(listed.iter().map(|agent| agent.name.as_str()).collect::<Vec<_>>(), ["lives"]);
    // The retries: the one that lives is the same agent; the other is spawned now.
    assert_eq!(server.client().spawn_once("lives", &shell("lives")).await.unwrap().id, id("lives"));
    assert_eq!(server.client().spawn_once("died", &shell("died")).await.unwrap().id, id("died"));
    assert_eq!(server.backend.launches.lock().unwrap().len(), 3);
}

/// A server died in a spawn, and what is in its workspace by now is kept. The request, sent again, neither works there nor takes it away.
#[tokio::test]
async fn a_retry_does_not_take_away_the_workspace_that_was_kept() {
    let mut server = TestServer::new().await;
    let repository = repository(&server);
    *server.backend.hangs.lock().unwrap() = true;
    let workspace = WorkspaceRequest { repo: repository.display().to_string(), ..Default::default() };
    let request = SpawnRequest { workspace: Some(workspace), ..shell("one") };
    let (client, asked) = (server.client(), request.clone());
    let spawn = tokio::spawn(async move { client.spawn_once("key", &asked).await });
    eventually("the host runs", || server.backend.count() == 1).await;
    let launch = server.backend.launches.lock().unwrap()[0].clone();
    std::fs::write(launch.workdir.join("work"), "of an hour").unwrap();
    server.backend.host(&launch.agent.id).die();
    server.kill();
    assert!(spawn.await.unwrap().is_err());
    *server.backend.hangs.lock().unwrap() = false;
    server.start().await;
    let problem = server.client().spawn_once("key", &request).await.unwrap_err();
    assert_eq!(problem.code, Code::Conflict, "{problem:?}");
    let again = server.client().spawn_once("key", &request).await.unwrap();
    assert_ne!(again.id, launch.agent.id);
    assert_eq!(std::fs::read_to_string(launch.workdir.join("work")).unwrap(), "of an hour");
}

/// The disk is away for a moment when a spawn is undone.
#[tokio::test]
async fn a_workspace_that_cannot_be_undone_now_is_undone_later() {
    let server = TestServer::new().await;
    let repository = repository(&server);
    *server.backend.hangs.lock().unwrap() = true;
    let workspace = WorkspaceRequest { repo: repository.display().to_string(), ..Default::default() };
    let request = SpawnRequest { workspace: Some(workspace), ..shell("one") };
    let (client, asked) = (server.client(), request.clone());
    let spawn = tokio::spawn(async move { client.spawn(&asked).await });
    eventually("the host runs", || server.backend.count() == 1).await;
    let launch = server.backend.launches.lock().unwrap()[0].clone();
    let state = &server.config.state_dir;
    let (there, away) = (state.join("workspaces"), state.join("away"));
    std::fs::rename(&there, &away).unwrap();
    server.client().stop(&launch.agent.id, &Default::default()).await.unwrap();
    assert_eq!(spawn.await.unwrap().unwrap_err().code, Code::AgentStopped);
    std::fs::rename(&away, &there).unwrap();
    assert!(launch.workdir.exists());
    eventually("nothing is left", || std::fs::read_dir(&there).unwrap().next().is_none()).await;
}

/// A role that does not allow it, or a cluster that does not answer.
#[tokio::test]
async fn a_server_starts_without_what_is_kept_of_workspaces_and_learns_it_later() {
    let mut server = TestServer::new().await;
    server.end().await;
    *server.backend.kept.lock().unwrap() = Err(Problem::internal("the account may not list claims"));
    server.start().await;
    let listed = async || server.client().workspaces().await.unwrap().workspaces;
    assert_eq!(listed().await.len(), 0);
    // What this server makes meanwhile is its own to know.
    let repository = repository(&server);
    let workspace = WorkspaceRequest { repo: repository.display().to_string(), ..Default::default() };
    let request = SpawnRequest { workspace: Some(workspace), ..shell("two") };
    let agent = server.client().spawn(&request).await.unwrap();

    let record = serde_json::json!({
        "id": "earlier", "name": "earlier", "repository": "", "gitDirectory": "", "url": "https://example.com/x",
        "isClone": true, "isStore": true, "branch": "work", "base": "", "createdAt": "2020-01-01T00:00:00.000Z",
    });
    let kept = |id: &str| {
        let record = record.to_string().replace("earlier", id);
        KeptWorkspace { id: id.parse().unwrap(), record, secret: None }
    };
    *server.backend.kept.lock().unwrap() = Ok(Some(vec![kept(agent.id.as_str()), kept("earlier")]));
    let asking = async {
        loop {
            let listed = listed().await;
            if listed.len() > 1 {
                return listed;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let listed = tokio::time::timeout(PATIENCE, asking).await.unwrap();
    let branch = |id: &str| listed.iter().find(|one| one.id.as_str() == id).map(|one| one.branch.as_str());
    assert_eq!(branch("earlier"), Some("work"));
    assert_ne!(branch(agent.id.as_str()), Some("work"), "{listed:?}");
}

/// A git repository with one commit, where agents may work.
pub fn repository(server: &TestServer) -> std::path::PathBuf {
    let repository = server.work_dir().join("repository");
    std::fs::create_dir(&repository).unwrap();
    let identity = ["-c", "user.name=T", "-c", "user.email=t@example.com"];
    for args in [&["init", "--quiet"] as &[&str], &["commit", "--quiet", "--allow-empty", "-m", "first"]] {
        let git =
            std::process::Command::new("git").current_dir(&repository).args(identity).args(args).status();
        assert!(git.unwrap().success());
    }
    repository
}
