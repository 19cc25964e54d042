//! Launches and the containers they become.

use parallax_api::agent::{CpuQuantity, Resources};
use parallax_api::{Agent, Code, Time};
use parallax_profile::{Mount, Profiles};
use serde_json::{Value, json};

use super::*;

/// A launch as simple as they come.
pub(crate) fn launch(id: &AgentId) -> Launch {
    let now = Time::now();
    let agent = Agent {
        labels: [("team".to_owned(), "web".to_owned()), (label::SERVER.to_owned(), "other".to_owned())]
            .into(),
        ..Agent::new(id.clone(), "one", "claude", "docker", now)
    };
    let profile = Profiles::builtin().get("claude").expect("it is built in").as_ref().clone();
    Launch {
        env: [("ANTHROPIC_API_KEY".to_owned(), "secret".into())].into(),
        log_limit: 1,
        token: Some("token".into()),
        ..Launch::new(agent, profile, WORKDIR.into())
    }
}

static PLACE: std::sync::OnceLock<ContainerPlace> = std::sync::OnceLock::new();

fn params(id: &AgentId) -> ContainerParams<'_> {
    ContainerParams {
        id,
        is_pooled: false,
        image: "an-image",
        user: "7:8".parse().expect("a user"),
        network: "a-network",
        host_volume: "a-volume",
        server: "a-server",
        owner: "a-machine:/state",
        credentials: &[],
        read_only: false,
        place: PLACE.get_or_init(ContainerPlace::default),
        storage_limit: None,
        engine_nano_cpus: 4_000_000_000,
    }
}

fn made(change: impl FnOnce(&mut Launch, &mut ContainerParams<'_>)) -> Value {
    let id = AgentId::generate();
    let (mut launch, mut params) = (launch(&id), params(&id));
    change(&mut launch, &mut params);
    serde_json::to_value(body(&launch, &params).expect("a container")).expect("JSON")
}

#[test]
fn nothing_secret_and_nothing_more_than_needed() {
    let made = made(|_, _| {});
    let text = made.to_string();
    assert!(!text.contains("secret") && !text.contains("token") && !text.contains("ANTHROPIC"), "{text}");
    assert_eq!((&made["User"], &made["Env"]), (&json!("7:8"), &Value::Null));
    let host = &made["HostConfig"];
    assert_eq!(host["CapDrop"], json!(["ALL"]));
    assert_eq!(host["SecurityOpt"], json!(["no-new-privileges:true"]));
    assert_eq!((&host["Privileged"], &host["Binds"]), (&json!(false), &Value::Null));
    let targets: Vec<&Value> =
        host["Mounts"].as_array().expect("mounts").iter().map(|mount| &mount["Target"]).collect();
    assert_eq!(targets, [PROGRAM_DIR, OWN_DIR]);
    assert_eq!(host["Mounts"][0]["ReadOnly"], true, "nobody changes the host's program");
}

#[test]
fn limits() {
    let limits = |made: &Value| {
        let host = &made["HostConfig"];
        ["NanoCpus", "Memory", "MemorySwap", "PidsLimit"].map(|name| host[name].as_i64().expect("a number"))
    };
    assert_eq!(limits(&made(|_, _| {})), [2_000_000_000, 2 << 30, 2 << 30, 512]);
    assert_eq!(
        limits(&made(|_, params| params.engine_nano_cpus = 1_000_000_000))[0],
        1_000_000_000,
        "no more than there are"
    );
    let asked = Resources {
        cpu: Some(CpuQuantity::Text("500m".into())),
        memory: Some("1Gi".into()),
        pids: Some(9),
        ..Resources::default()
    };
    assert_eq!(limits(&made(|launch, _| launch.resources = asked)), [500_000_000, 1 << 30, 1 << 30, 9]);

    let id = AgentId::generate();
    let too_many = Resources { cpu: Some(CpuQuantity::Number(5.0)), ..Resources::default() };
    let problem = body(&Launch { resources: too_many, ..launch(&id) }, &params(&id)).unwrap_err();
    assert_eq!((problem.code, &problem.more["field"]), (Code::Validation, &json!("resources.cpu")));
}

#[test]
fn what_is_mounted() {
    let mounts = |made: &Value| made["HostConfig"]["Mounts"].as_array().expect("mounts")[2..].to_vec();
    let directory = Mount { source: MountSource::Directory("/srv/project".into()), read_only: true };
    let made_with = made(|launch, _| launch.mount = Some(directory));
    let expected = json!([{"Target": WORKDIR, "Source": "/srv/project", "Type": "bind", "ReadOnly": true}]);
    assert_eq!(Value::from(mounts(&made_with)), expected);

    let credentials =
        ["logins:.claude".parse().expect("credentials"), "/etc/me:.netrc:ro".parse().expect("credentials")];
    let id = AgentId::generate();
    let params = ContainerParams { credentials: &credentials, ..params(&id) };
    let made = serde_json::to_value(body(&launch(&id), &params).expect("a container")).expect("JSON");
    let expected = json!([
        {"Target": "/agent/home/.claude", "Source": "logins", "Type": "volume", "ReadOnly": false},
        {"Target": "/agent/home/.netrc", "Source": "/etc/me", "Type": "bind", "ReadOnly": true},
    ]);
    assert_eq!(Value::from(mounts(&made)), expected);
    assert_eq!(made["Env"], json!(["HOME=/agent/home"]), "credentials are where the agent's home is");
}

#[test]
fn networks_and_read_only() {
    let alone = made(|_, params| {
        params.network = "none";
        params.read_only = true;
    });
    assert_eq!(alone["HostConfig"]["NetworkMode"], "none");
    assert!(!alone["Cmd"].to_string().contains("--listen"), "there is nothing to listen on");
    assert_eq!(alone["HostConfig"]["ReadonlyRootfs"], true);
    assert!(alone["HostConfig"]["Tmpfs"]["/tmp"].is_string());
    let connected = made(|_, _| {});
    assert!(connected["Cmd"].to_string().contains("0.0.0.0:3110"));
    assert_eq!(connected["HostConfig"]["ReadonlyRootfs"], false);
}

#[test]
fn what_the_operator_set() {
    let place = ContainerPlace {
        runtime: Some("runsc".into()),
        volumes: Vec::new(),
        labels: [("team".to_owned(), "blue".to_owned())].into(),
    };
    let id = AgentId::generate();
    let params = ContainerParams { place: &place, storage_limit: Some(5 << 30), ..params(&id) };
    let made = serde_json::to_value(body(&launch(&id), &params).expect("a container")).expect("JSON");
    let host = &made["HostConfig"];
    assert_eq!((&host["Runtime"], &host["StorageOpt"]["size"]), (&json!("runsc"), &json!("5368709120")));
    assert_eq!((&made["Labels"]["team"], &made["Labels"]["io.parallax.agent"]), (&json!("blue"), &json!(id)));
}
