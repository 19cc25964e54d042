//! One agent and many: started, refused, ended, with nothing left.

use parallax_api::agent::{CpuQuantity, Resources, StopRequest};
use parallax_api::{AgentStatus, Code, SpawnRequest};

use crate::local_runtime::{LocalRuntime, eventually, kill, marked, request, stop_reason};

#[tokio::test]
async fn bash_runs_and_leaves_nothing() {
    let program = LocalRuntime::start();
    let client = program.client();
    let agent = program.bash().await;
    let id = &agent.id;
    assert_eq!(agent.workdir.as_deref(), program.dir.path().join("work").canonicalize().unwrap().to_str());
    program.run(id, "echo $((6*7)) $PWD; env; echo done-${SHLVL:+now}").await;
    let output = program.until_printed(id, "done-now").await;
    assert!(output.contains("42 /"), "{output}");
    assert!(output.contains("HOME=") && output.contains("PATH="), "{output}");
    assert!(!output.contains("SERVER_SECRET") && !output.contains("PARALLAX_AGENT_HOST="), "{output}");
    let host = std::fs::read(format!("/proc/{}/environ", program.host(id))).unwrap();
    assert!(!String::from_utf8_lossy(&host).contains("s3cret"), "nor does the host get the server's secrets");

    program.run(id, "sleep 1000 & (setsid sleep 1001 &) ; echo three-${SHLVL:+now}").await;
    program.until_printed(id, "three-now").await;
    let metrics = client.metrics(id).await.unwrap();
    assert_eq!(metrics.processes, 3, "bash, its child, and the one that went away");
    assert!(metrics.memory_bytes > 1_000_000 && metrics.uptime_seconds > 0.0, "{metrics:?}");

    let stopped = client.stop(id, &StopRequest::default()).await.unwrap();
    assert_eq!((stopped.status, stopped.exit.unwrap().reason.as_str()), (AgentStatus::Stopped, "stopped"));
    eventually("its directory to go", || !program.agent_dir(id).exists()).await;
    assert_eq!(marked(id), Vec::<u32>::new());
    assert!(program.output(id).await.contains("done-now"), "its log is still there");
}

#[tokio::test]
async fn an_exit_is_told_with_its_code() {
    let program = LocalRuntime::start();
    let mut events = program.events("0").await;
    let agent = program.bash().await;
    program.run(&agent.id, "exit 7").await;
    assert_eq!(stop_reason(&mut events, &agent.id).await, "exited");
    let exit = program.client().get(&agent.id).await.unwrap().exit.unwrap();
    assert_eq!((exit.code, exit.signal), (Some(7), None));
}

#[tokio::test]
async fn a_program_that_ends_at_once_has_not_started_or_has_ended_as_its_profile_says() {
    let program = LocalRuntime::start();
    let client = program.client();
    let problem = client.spawn(&request("stillborn")).await.unwrap_err();
    assert_eq!(problem.code, Code::SpawnFailed, "{problem}");
    assert!(problem.more["output"].to_string().contains("no licence"), "{problem:?}");
    // Answered as soon as it runs, or refused because it had ended by then: never an agent that nobody hears of.
    let mut events = program.events("0").await;
    match client.spawn(&request("brief")).await {
        Ok(agent) => {
            assert_eq!(stop_reason(&mut events, &agent.id).await, "exited");
            assert_eq!(client.get(&agent.id).await.unwrap().exit.unwrap().code, Some(7));
            let output = program.output(&agent.id).await;
            assert!(output.contains("no licence"), "{output}");
        }
        Err(problem) => assert_eq!(problem.code, Code::SpawnFailed, "{problem}"),
    }
}

#[tokio::test]
async fn a_killed_host_takes_its_agent_with_it() {
    let program = LocalRuntime::start();
    let mut events = program.events("0").await;
    let agent = program.bash().await;
    let id = &agent.id;
    program.run(id, "(setsid sleep 1002 &); trap '' HUP; echo ready-${SHLVL:+now}").await;
    program.until_printed(id, "ready-now").await;
    assert!(marked(id).len() >= 3, "host, bash, sleep");
    kill(program.host(id)).unwrap();
    let killed = std::time::Instant::now();
    assert_eq!(stop_reason(&mut events, id).await, "host_lost");
    assert!(killed.elapsed() < std::time::Duration::from_secs(1), "{:?}", killed.elapsed());
    eventually("its directory to go", || !program.agent_dir(id).exists()).await;
    assert_eq!(marked(id), Vec::<u32>::new());
}

#[tokio::test]
async fn what_cannot_be_done_here_is_refused() {
    let program = LocalRuntime::start();
    let client = program.client();
    let refused = async |request: SpawnRequest| client.spawn(&request).await.unwrap_err();
    let problem = refused(request("gone")).await;
    assert_eq!((problem.code, problem.more["install"].as_str()), (Code::CliNotFound, Some("install it")));
    assert!(problem.detail.contains("a-program-that-is-not-installed"), "{problem}");
    let limits = |resources| SpawnRequest { resources: Some(resources), ..request("bash") };
    let cpu = Resources { cpu: Some(CpuQuantity::Number(0.5)), ..Default::default() };
    for (request, field) in [
        (SpawnRequest { image: Some("debian".into()), ..request("bash") }, "image"),
        (limits(cpu), "resources.cpu"),
        (limits(Resources { memory: Some("1Gi".into()), ..Default::default() }), "resources.memory"),
        (limits(Resources { pids: Some(9), ..Default::default() }), "resources.pids"),
    ] {
        let problem = refused(request).await;
        assert_eq!((problem.code, problem.more["field"].as_str()), (Code::Unsupported, Some(field)));
    }
    let problem = refused(SpawnRequest { workdir: Some("/proc".into()), ..request("bash") }).await;
    assert_eq!(problem.code, Code::WorkdirForbidden);
    assert!(
        std::fs::read_dir(program.state_dir().join("agents")).unwrap().next().is_none(),
        "nothing is left"
    );
    let ready = client.runtime_status().await.unwrap();
    let kinds: Vec<_> = ready.types.iter().map(|kind| (kind.name.as_str(), kind.available)).collect();
    assert!(kinds.contains(&("bash", true)) && kinds.contains(&("gone", false)), "{kinds:?}");
}

#[tokio::test]
async fn many_come_and_go_without_a_trace() {
    let program = LocalRuntime::start();
    let client = program.client();
    let descriptors = || std::fs::read_dir(format!("/proc/{}/fd", program.pid())).unwrap().count();
    let bash = request("bash");
    let mut after_first = None;
    for _ in 0..2 {
        let spawned = futures::future::join_all((0..100).map(|_| client.spawn(&bash))).await;
        let ids: Vec<_> = spawned.into_iter().map(|agent| agent.unwrap().id).collect();
        let force = StopRequest { force: true, grace_ms: 0 };
        for stopped in futures::future::join_all(ids.iter().map(|id| client.stop(id, &force))).await {
            assert_eq!(stopped.unwrap().status, AgentStatus::Stopped);
        }
        let agents = program.state_dir().join("agents");
        eventually("every directory to go", || agents.read_dir().unwrap().next().is_none()).await;
        assert!(ids.iter().all(|id| marked(id).is_empty()));
        let open = descriptors();
        let before = *after_first.get_or_insert(open);
        assert!(open <= before + 8, "{before} descriptors after the first round, {open} now");
    }
}
