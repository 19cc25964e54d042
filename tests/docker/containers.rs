//! Limits, hardening, secrets, and how a container's end is reported.

use std::time::Duration;

use parallax_api::agent::{CpuQuantity, Resources};
use parallax_api::client::ListFilter;
use parallax_api::{AgentStatus, Code, EventData, SpawnRequest};
use parallax_testkit::backend::{ServerOptions, TestBackend, fake};
use parallax_testkit::conformance::run;
use parallax_testkit::docker::{DockerBackend, container, docker};
use parallax_testkit::wait::{PATIENCE, until};
use serde_json::{Value, json};

/// What is asked for is what the engine keeps to; who asks for nothing gets the defaults.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Docker engine: make test-docker"]
async fn limits_are_those_asked_for() {
    run(async |backend: &DockerBackend| {
        let limits = "{{.HostConfig.NanoCpus}} {{.HostConfig.Memory}} {{.HostConfig.MemorySwap}} {{.HostConfig.PidsLimit}}";
        let cpus: u64 = docker(&["info", "--format", "{{.NCPU}}"]).await.expect("an engine").parse().expect("a number");
        let default = format!("{} 2147483648 2147483648 512", cpus.min(2) * 1_000_000_000);
        let agent = backend.user().spawn_ready(fake("default", &[])).await;
        assert_eq!(backend.inspect(&agent.id, limits).await, default);

        for (cpu, memory, expected) in [
            (CpuQuantity::Text("500m".into()), "512m", "500000000 536870912 536870912 64"),
            (CpuQuantity::Text("0.25".into()), "0.5Gi", "250000000 536870912 536870912 64"),
            (CpuQuantity::Number(0.5), "300000000", "500000000 300000000 300000000 64"),
        ] {
            let resources = Resources { cpu: Some(cpu), memory: Some(memory.into()), pids: Some(64), ..Resources::default() };
            let request = SpawnRequest { resources: Some(resources), ..fake("limited", &[]) };
            let agent = backend.user().spawn_ready(request).await;
            assert_eq!(backend.inspect(&agent.id, limits).await, expected, "{memory}");
        }
        let metrics = agent.client.metrics(&agent.id).await.expect("metrics");
        assert!(metrics.memory_bytes > 1 << 20 && metrics.processes >= 2, "{metrics:?}");
    })
    .await;
}

/// Amounts that no engine could give, each refused by name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Docker engine: make test-docker"]
async fn bad_limits_are_refused() {
    run(async |backend: &DockerBackend| {
        for (resources, field) in [
            (json!({"cpu": 0}), "resources.cpu"),
            (json!({"cpu": "4000"}), "resources.cpu"),
            (json!({"cpu": "many"}), "resources.cpu"),
            (json!({"memory": "1m"}), "resources.memory"),
            (json!({"memory": "plenty"}), "resources.memory"),
            (json!({"pids": 0}), "resources.pids"),
        ] {
            let asked = serde_json::from_value(resources.clone()).expect("well-formed");
            let request = SpawnRequest { resources: Some(asked), ..fake("greedy", &[]) };
            let problem = backend.user().spawn_refused(&request).await;
            assert_eq!(
                (problem.code, &problem.more["field"]),
                (Code::Validation, &json!(field)),
                "{resources}: {problem:?}"
            );
        }
    })
    .await;
}

/// No root, no capabilities, no new privileges; and no secret where the engine shows it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Docker engine: make test-docker"]
async fn a_container_is_locked_up() {
    run(async |backend: &DockerBackend| {
        let mut request = shell("prisoner");
        request.env.insert("API_KEY".into(), "a-secret-value".into());
        let agent = backend.user().spawn_ready(request).await;
        assert_eq!(agent.say("id -u").await, "1000");
        let status =
            agent.say("grep -E '^(CapEff|CapBnd|NoNewPrivs):' /proc/self/status | tr -s '\\t' ' '").await;
        let expected = ["CapEff: 0000000000000000", "CapBnd: 0000000000000000", "NoNewPrivs: 1"];
        assert_eq!(status.lines().map(str::trim_end).collect::<Vec<_>>(), expected);
        assert_eq!(agent.say("echo $API_KEY").await, "a-secret-value");
        assert_eq!(
            agent.say("pwd; touch a && ls; touch ~/b && echo home; touch /tmp/c && echo tmp").await,
            "/agent/workspace\na\nhome\ntmp"
        );

        let shown = docker(&["inspect", &container(&agent.id)]).await.expect("the container is there");
        assert!(!shown.contains("a-secret-value") && !shown.contains("API_KEY"), "{shown}");
        let shown: Value = serde_json::from_str(&shown).expect("JSON");
        let host = &shown[0]["HostConfig"];
        assert_eq!(host["CapDrop"], json!(["ALL"]));
        assert_eq!(host["SecurityOpt"], json!(["no-new-privileges:true"]));
        assert_eq!((&host["Privileged"], &host["PidMode"]), (&json!(false), &json!("")));
        assert_eq!(host["Binds"], Value::Null);
        let mounts = shown[0]["Mounts"].as_array().expect("mounts");
        assert!(mounts.iter().all(|mount| mount["Type"] == "volume"), "nothing of the machine: {mounts:?}");
    })
    .await;
}

/// An agent that the kernel kills for want of memory says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Docker engine: make test-docker"]
async fn want_of_memory_is_told() {
    run(async |backend: &DockerBackend| {
        let resources = Resources { memory: Some("64m".into()), ..Resources::default() };
        let mut agent =
            backend.user().spawn_ready(SpawnRequest { resources: Some(resources), ..shell("hungry") }).await;
        agent.tell("x=$(head -c 200000000 /dev/zero | tr '\\0' x); echo ${#x}").await;
        let exit = agent.ends().await;
        assert_eq!((exit.signal.as_deref(), exit.reason.as_str()), (Some("SIGKILL"), "oom"), "{exit:?}");
    })
    .await;
}

/// A killed container takes its host with it: published at once, with the container's exit.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Docker engine: make test-docker"]
async fn a_killed_container_is_told() {
    run(async |backend: &DockerBackend| {
        let mut agent = backend.user().spawn_ready(fake("victim", &[])).await;
        docker(&["kill", &container(&agent.id)]).await.expect("a container can be killed");
        let exit = agent.ends().await;
        assert_eq!(
            (exit.code, exit.signal.as_deref(), exit.reason.as_str()),
            (Some(137), Some("SIGKILL"), "container_ended"),
            "{exit:?}"
        );
        let stops = agent.seen().iter().filter(|event| matches!(event.data, EventData::AgentStopped { .. }));
        assert_eq!(stops.count(), 1);
    })
    .await;
}

/// A paused container is not dead, also for a new server: the agent is there again when it goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Docker engine: make test-docker"]
async fn a_paused_container_is_waited_for() {
    run(async |backend: &DockerBackend| {
        let agent = backend.user().spawn_ready(fake("sleeper", &[])).await;
        docker(&["pause", &container(&agent.id)]).await.expect("a container can be paused");
        backend.kill_server().await;
        backend.start_server(ServerOptions::default()).await;
        assert_eq!(agent.agent().await.status, AgentStatus::Ready, "as last known");
        docker(&["unpause", &container(&agent.id)]).await.expect("a container can go on");
        assert_eq!(agent.say("good morning").await, "echo: good morning");
    })
    .await;
}

/// The server killed in the middle of starting agents: each request that is sent again has its agent, and there is no other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Docker engine: make test-docker"]
async fn starts_that_are_cut_short() {
    run(async |backend: &DockerBackend| {
        let user = backend.user();
        for (round, millis) in [10, 60, 110, 160, 210, 260, 310, 360, 410, 460].into_iter().enumerate() {
            let key = format!("start-{round}");
            let request = fake(&key, &[]);
            let cut_short = user.client.spawn_once(&key, &request);
            // Moments of a start, which takes about half a second.
            let kill = async {
                tokio::time::sleep(Duration::from_millis(millis)).await;
                backend.kill_server().await;
            };
            drop(tokio::join!(cut_short, kill));
            backend.start_server(ServerOptions::default()).await;
            let agent = user.client.spawn_once(&key, &request).await.expect("a request that is sent again");
            assert_eq!(user.follow(agent.id).await.say("hello").await, "echo: hello");
        }
        until("no other container to be left", PATIENCE, async || {
            let known = user.client.list_all(&ListFilter::default()).await.expect("a list").len();
            let left = backend.leftovers().await;
            let containers = left.iter().filter(|line| line.starts_with("container")).count();
            if (known, containers) == (10, 10) { Ok(()) } else { Err((known, left)) }
        })
        .await;
    })
    .await;
}

/// `docker stop` is a request to exit, and the reason is `stopped`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Docker engine: make test-docker"]
async fn a_stopped_container_leaves_in_order() {
    run(async |backend: &DockerBackend| {
        let mut agent = backend.user().spawn_ready(fake("guest", &[])).await;
        agent.say("remember me").await;
        docker(&["stop", "--time", "20", &container(&agent.id)]).await.expect("a container can be stopped");
        assert_eq!(agent.ends().await.reason, "stopped");
        assert_eq!(agent.messages().await.len(), 2, "its conversation outlives the container");
        until("the container to be gone", PATIENCE, async || {
            let left =
                docker(&["ps", "--all", "--quiet", "--filter", &format!("name={}", container(&agent.id))])
                    .await;
            if left.as_deref() == Some("") { Ok(()) } else { Err(left) }
        })
        .await;
    })
    .await;
}

/// A request for bash as an agent, in the image of the test bed.
pub fn shell(name: &str) -> SpawnRequest {
    SpawnRequest { name: name.into(), r#type: "shell".into(), ..SpawnRequest::default() }
}

/// A host that is killed cannot hand anything over: its files are read from its container.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Docker engine: make test-docker"]
async fn a_killed_host_leaves_log_and_messages() {
    let backend = DockerBackend::start().await;
    let mut agent = backend.user().spawn_ready(fake("killed", &[])).await;
    assert_eq!(agent.say("remember this").await, "echo: remember this");
    docker(&["kill", "--signal", "KILL", &container(&agent.id)]).await.expect("it can be killed");
    assert_eq!(agent.ends().await.reason, "container_ended");
    let messages = agent.messages().await;
    assert!(messages.iter().any(|message| message.content.contains("remember this")), "{messages:?}");
    let log = parallax_testkit::conformance::terminal::raw_log(&agent).await;
    assert!(String::from_utf8_lossy(&log).contains("echo: remember this"), "its output stays readable");
    until("the container to be gone", PATIENCE, async || {
        match docker(&["inspect", &container(&agent.id)]).await {
            None => Ok(()),
            Some(_) => Err("it is still there"),
        }
    })
    .await;
    backend.end_server().await;
}
