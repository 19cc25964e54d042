//! What keeps one caller's agent from the next one's: volumes, the host program, the machine and its networks.

use std::fs;
use std::io::Write as _;
use std::net::{IpAddr, UdpSocket};

use parallax_api::{Code, SpawnRequest};
use parallax_testkit::backend::{TestBackend, fake};
use parallax_testkit::docker::{DockerBackend, docker, gateway};
use parallax_testkit::{own_host, programs};
use tokio::net::TcpListener;

use super::containers::shell;

const HOST_VOLUME: &str = "{{range .Mounts}}{{if eq .Destination \"/opt/parallax\"}}{{.Name}}{{end}}{{end}}";
const OWN_VOLUME: &str = "{{range .Mounts}}{{if eq .Destination \"/agent\"}}{{.Name}}{{end}}{{end}}";

fn working_in(workdir: &str) -> SpawnRequest {
    SpawnRequest { workdir: Some(workdir.into()), ..shell("worker") }
}

/// Volumes and containers that a test made by hand.
struct ByHand(Vec<String>, Vec<String>);

impl Drop for ByHand {
    fn drop(&mut self) {
        let run = |args: &[&str]| drop(std::process::Command::new("docker").args(args).output());
        self.1.iter().for_each(|container| run(&["rm", "--force", container]));
        self.0.iter().for_each(|volume| run(&["volume", "rm", "--force", volume]));
    }
}

/// Whatever is allowed, a volume that servers made or run on is no workdir.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Docker engine: make test-docker"]
async fn volumes_of_servers_and_of_other_agents_are_refused() {
    let backend = DockerBackend::start_with(
        &["--allow-volume", "*", "--credentials", "fake=parallax-test-isolation-login"],
        &[],
    )
    .await;
    let user = backend.user();
    let victim = user.spawn_ready(shell("victim")).await;
    let name = |what: &str| format!("parallax-test-isolation-{what}-{}", std::process::id());
    let (state, other) = (name("state"), name("other"));
    let left = ByHand(vec![state.clone(), other.clone()], vec![state.clone()]);
    let mount = format!("{state}:/var/lib/parallax");
    let server = ["run", "--detach", "--name", &state, "--label", "io.parallax.component=server", "--volume"];
    docker(&[&server[..], &[&mount, "debian:bookworm-slim", "sleep", "600"]].concat())
        .await
        .expect("it runs");

    let of_victim = backend.inspect(&victim.id, OWN_VOLUME).await;
    let with_host = backend.inspect(&victim.id, HOST_VOLUME).await;
    assert!(!of_victim.is_empty() && with_host.starts_with("parallax-host-"), "{of_victim} {with_host}");
    for volume in [
        with_host.as_str(),
        "parallax-host-0123456789abcdef",
        &of_victim,
        &state,
        "parallax-test-isolation-login",
    ] {
        for workdir in [volume.to_owned(), format!("{volume}:ro")] {
            let problem = user.spawn_refused(&working_in(&workdir)).await;
            assert_eq!(problem.code, Code::WorkdirForbidden, "{workdir}: {problem:?}");
        }
    }
    docker(&["volume", "create", &other]).await.expect("a volume can be made");
    let problem = user.spawn_refused(&working_in(&other)).await;
    assert!(problem.detail.contains("chown 1000:1000"), "an existing volume keeps its owner: {problem:?}");
    let owner =
        ["run", "--rm", "--volume", &format!("{other}:/v"), "debian:bookworm-slim", "chown", "1000", "/v"];
    docker(&owner).await.expect("it can be given away");
    let agent = user.spawn_ready(working_in(&other)).await;
    assert_eq!(agent.say("touch mine && stat --format %u .").await, "1000");
    agent.stop().await;
    victim.stop().await;
    drop(left);
    backend.end_server().await;
}

/// Without `--allow-volume`, a volume is somebody's unless it has the label or was made for an agent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Docker engine: make test-docker"]
async fn a_volume_without_a_label_is_somebodys() {
    let backend = DockerBackend::start().await;
    let user = backend.user();
    let name = |what: &str| format!("parallax-test-label-{what}-{}", std::process::id());
    let (plain, labelled, made) = (name("plain"), name("labelled"), name("made"));
    let left = ByHand(vec![plain.clone(), labelled.clone(), made.clone()], Vec::new());
    docker(&["volume", "create", &plain]).await.expect("a volume can be made");
    docker(&["volume", "create", "--label", "io.parallax.workdir=true", &labelled]).await.expect("a volume");
    let problem = user.spawn_refused(&working_in(&plain)).await;
    assert_eq!(problem.code, Code::WorkdirForbidden, "{problem:?}");
    assert!(problem.detail.contains("--allow-volume"), "{problem:?}");
    let reader = user.spawn_ready(working_in(&format!("{labelled}:ro"))).await;
    assert_eq!(reader.say("stat --format %u .").await, "0", "it keeps its owner");
    reader.stop().await;
    for _ in 0..2 {
        let agent = user.spawn_ready(working_in(&made)).await;
        assert_eq!(agent.say("touch mine && ls").await, "mine");
        agent.stop().await;
    }
    // The runtime's own state is under a directory that agents may otherwise work in.
    let state = backend.directory().join("state").to_string_lossy().into_owned();
    for workdir in [state, backend.directory().to_string_lossy().into_owned()] {
        let problem = user.spawn_refused(&working_in(&workdir)).await;
        assert_eq!(problem.code, Code::WorkdirForbidden, "{workdir}: {problem:?}");
    }
    drop(left);
    backend.end_server().await;
}

/// The host program is put right before it gets any secrets, and a volume that another container writes to is not used.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Docker engine: make test-docker"]
async fn a_host_program_that_was_replaced_is_never_run() {
    // A program of its own, so that other tests' agents have another volume.
    let dir = tempfile::tempdir().expect("a directory");
    let program = dir.path().join("parallax-agent-host");
    fs::copy(programs::static_host(), &program).expect("the host is built");
    let mut file = fs::File::options().append(true).open(&program).expect("it can be written");
    file.write_all(uuid::Uuid::new_v4().as_bytes()).expect("it can be written");
    drop(file);
    let backend = DockerBackend::start_with(&["--agent-host", &program.to_string_lossy()], &[]).await;
    let user = backend.user();
    let first = user.spawn_ready(fake("first", &[])).await;
    let volume = backend.inspect(&first.id, HOST_VOLUME).await;
    let mount = format!("{volume}:/v");
    let replace = "printf '#!/bin/sh\\ncat > /v/stolen\\n' > /v/new && chmod 755 /v/new && mv /v/new /v/parallax-agent-host";
    let replaced = ["run", "--rm", "--volume", &mount, "debian:bookworm-slim", "bash", "-c", replace];
    docker(&replaced).await.expect("root can replace it");
    let second = user.spawn_ready(fake("second", &[])).await;
    assert_eq!(second.say("hello").await, "echo: hello");
    assert_eq!(backend.inspect(&second.id, HOST_VOLUME).await, volume);

    // One who may write at any time makes the volume useless.
    let writer = format!("parallax-test-writer-{}", std::process::id());
    let left = ByHand(Vec::new(), vec![writer.clone()]);
    let hold =
        ["run", "--detach", "--name", &writer, "--volume", &mount, "debian:bookworm-slim", "sleep", "600"];
    docker(&hold).await.expect("it runs");
    let third = user.spawn_ready(fake("third", &[])).await;
    let another = backend.inspect(&third.id, HOST_VOLUME).await;
    assert!(another.starts_with("parallax-host-") && another != volume, "{another}");
    for agent in [first, second, third] {
        agent.stop().await;
    }
    drop(left);
    backend.end_server().await;
    for volume in [volume, another] {
        docker(&["volume", "rm", &volume]).await;
    }
}

/// Agents reach neither the bridge's gateway, nor the machine's other addresses, nor a metadata service, unless `--egress`
/// names them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Docker engine: make test-docker"]
async fn the_machine_is_out_of_reach() {
    let knock = |address: &str, port: u16| {
        format!("timeout 2 bash -c '</dev/tcp/{address}/{port}' 2>/dev/null && echo open || echo shut")
    };
    let backend = DockerBackend::start().await;
    let agent = backend.user().spawn_ready(shell("inside")).await;
    let own = gateway("parallax-agents").await;
    let listening = async |address: &str| {
        let listener = TcpListener::bind((address, 0)).await.expect("an address of this machine");
        let port = listener.local_addr().expect("it is bound").port();
        (listener, port)
    };
    let mut addresses = vec![own.clone(), gateway("bridge").await];
    addresses.extend(own_address());
    let metadata = Metadata::bind();
    addresses.extend(metadata.as_ref().map(|_| Metadata::ADDRESS.to_owned()));
    let mut held = Vec::new();
    for address in &addresses {
        let (listener, port) = listening(address).await;
        assert!(agent.say(knock(address, port)).await.ends_with("shut"), "{address}");
        held.push((listener, port));
    }
    agent.stop().await;

    // What the operator names, and no more.
    let allowed = format!("{}:{}", addresses[1], held[1].1);
    let open = DockerBackend::start_with(&["--egress", &allowed], &[]).await;
    let agent = open.user().spawn_ready(shell("inside")).await;
    assert!(agent.say(knock(&addresses[1], held[1].1)).await.ends_with("open"), "{allowed}");
    for (address, (_, port)) in addresses.iter().zip(&held).skip(2) {
        assert!(agent.say(knock(address, *port)).await.ends_with("shut"), "{address}");
    }
    agent.stop().await;
    drop(metadata);
    backend.end_server().await;
    open.end_server().await;
}

/// The API of its own host is of no use to an agent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Docker engine: make test-docker"]
async fn an_agents_own_host_is_out_of_reach() {
    let backend = DockerBackend::start().await;
    let agent = backend.user().spawn_ready(shell("inside")).await;
    own_host::is_out_of_reach(&agent).await;
    agent.stop().await;
    backend.end_server().await;
}

/// The address by which this machine reaches others. Nothing is sent.
fn own_address() -> Option<String> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    match socket.local_addr().ok()?.ip() {
        IpAddr::V4(address) if !address.is_loopback() => Some(address.to_string()),
        _ => None,
    }
}

/// The address of clouds' metadata services, on this machine for the length of a test.
struct Metadata;

impl Metadata {
    const ADDRESS: &str = "169.254.169.254";

    fn bind() -> Option<Self> {
        let add = ["addr", "add", "169.254.169.254/32", "dev", "lo"];
        let done = std::process::Command::new("ip").args(add).status().ok()?;
        done.success().then_some(Self)
    }
}

impl Drop for Metadata {
    fn drop(&mut self) {
        let remove = ["addr", "del", "169.254.169.254/32", "dev", "lo"];
        drop(std::process::Command::new("ip").args(remove).status());
    }
}
