//! The Docker backend: a `parallax-runtime-docker` of its own on the engine of this machine.

pub mod engine;

use std::fs;
use std::net::{Ipv4Addr, UdpSocket};
use std::path::Path;

use parallax_api::AgentId;
use parallax_api::runtime::RuntimeKind;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::sync::Mutex;

use crate::backend::{ServerOptions, TestBackend};
use crate::local::Directory;
use crate::models::Models;
use crate::models::log::Log;
use crate::models::scenario::{Pace, Reply, Scenario};
use crate::server::Server;
use crate::{processes, programs};

/// The image with the fake agent: `make test-images` builds it.
pub const FAKE_IMAGE: &str = "parallax-test-fake";
/// An image with git: `make test-images` builds it.
pub const GIT_IMAGE: &str = "parallax-test-git";
/// The label that a server's containers and volumes carry.
const SERVER_LABEL: &str = "io.parallax.server";

/// The agents of tests, whose programs are in images.
pub const PROFILES: [(&str, &str); 2] = [
    ("fake.toml", include_str!("../profiles/fake.toml")),
    ("shell.toml", include_str!("../../examples/profiles/shell.toml")),
];

/// A Docker runtime and its agents.
#[derive(Debug)]
pub struct DockerBackend {
    url: String,
    server: Mutex<Server>,
    directory: Directory,
}

impl DockerBackend {
    /// A backend whose server has these arguments as well, and these variables.
    pub async fn start_with(args: &[&str], env: &[(&str, String)]) -> Self {
        let directory = Directory::new();
        let profiles = directory.path().join("profiles");
        fs::create_dir_all(&profiles).expect("the directory can be written");
        for (name, profile) in PROFILES {
            fs::write(profiles.join(name), profile).expect("the directory can be written");
        }
        let state = directory.path().join("state");
        let mut server = Server::new("parallax-runtime-docker", directory.path()).args(&[
            "--state-dir",
            &state.to_string_lossy(),
            "--profiles",
            &profiles.to_string_lossy(),
            "--image",
            &format!("fake={FAKE_IMAGE}"),
            "--image",
            "shell=debian:bookworm-slim",
        ]);
        server = server.args(args).env("PARALLAX_AGENT_HOST", programs::static_host().to_string_lossy());
        for (name, value) in env {
            server = server.env(name, value.as_str());
        }
        let backend = Self { url: server.url(), server: Mutex::new(server), directory };
        backend.start_server(ServerOptions::default()).await;
        backend
    }

    /// The directory that everything of this backend is in: home, state, profiles.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// What the engine says of an agent's container, in this format (a Go template).
    pub async fn inspect(&self, agent: &AgentId, format: &str) -> String {
        docker(&["inspect", "--format", format, &container(agent)]).await.unwrap_or_default()
    }

    async fn processes_of(&self, agent: &AgentId) -> Option<String> {
        let first = docker(&["inspect", "--format", "{{.State.Pid}}", &container(agent)]).await?;
        processes::pid_namespace(first.parse().ok()?)
    }

    /// The id that the machine knows a process by which has this id in the agent's container.
    async fn on_this_machine(&self, agent: &AgentId, pid: u32) -> Option<u32> {
        processes::in_namespace(&self.processes_of(agent).await?, pid)
    }

    fn label(&self) -> Option<String> {
        let identity = fs::read(self.directory.path().join("state/docker-identity.json")).ok()?;
        let identity: Value = serde_json::from_slice(&identity).ok()?;
        Some(format!("label={SERVER_LABEL}={}", identity["server"].as_str()?))
    }
}

/// The name of an agent's container.
pub fn container(agent: &AgentId) -> String {
    format!("parallax-{agent}")
}

/// Runs `docker` with these arguments: what it prints, or none when it fails.
pub async fn docker(args: &[&str]) -> Option<String> {
    let done = Command::new("docker").args(args).output().await.expect("docker can be run");
    let text = String::from_utf8_lossy(&done.stdout).trim().to_owned();
    done.status.success().then_some(text)
}

/// The address of this machine on a network of the engine.
pub async fn gateway(network: &str) -> String {
    let configured = ["network", "inspect", network, "--format", "{{json (index .IPAM.Config 0)}}"];
    let configured = docker(&configured).await.expect("the engine has this network");
    let configured: Value = serde_json::from_str(&configured).expect("JSON");
    let named = configured["Gateway"].as_str().filter(|gateway| !gateway.is_empty());
    match named {
        Some(gateway) => gateway.to_owned(),
        // A bridge that another program had made for the engine.
        None => address_towards(configured["Subnet"].as_str().expect("a network has a subnet")),
    }
}

/// The address by which this machine reaches others of `ADDRESS/BITS`. Nothing is sent.
fn address_towards(subnet: &str) -> String {
    let (address, _) = subnet.split_once('/').expect("an address and a number of bits");
    let first = u32::from(address.parse::<Ipv4Addr>().expect("an address")) | 1;
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a free port");
    socket.connect((Ipv4Addr::from(first), 9)).expect("there is a route");
    socket.local_addr().expect("it is bound").ip().to_string()
}

/// Scripted models where containers reach them that have it as `--egress`: at the address of the engine's own bridge.
pub async fn scripted_models(replies: Vec<Reply>) -> Models {
    let listener = TcpListener::bind((gateway("bridge").await, 0)).await.expect("the bridge is here");
    let defaults = Pace { chunk_chars: Some(16), chunk_delay_ms: Some(2), first_delay_ms: Some(5) };
    let scenario = Scenario { defaults, replies, ..Scenario::default() };
    Models::listen(listener, scenario, Log::default()).expect("a listener has an address")
}

impl TestBackend for DockerBackend {
    const KIND: RuntimeKind = RuntimeKind::Docker;

    async fn start() -> Self {
        Self::start_with(&[], &[]).await
    }

    fn server(&self) -> &Mutex<Server> {
        &self.server
    }

    fn url(&self) -> String {
        self.url.clone()
    }

    async fn kill_process(&self, agent: &AgentId, pid: u32) {
        let pid = self.on_this_machine(agent, pid).await;
        processes::kill(pid.expect("the container has such a process"));
    }

    async fn process_lives(&self, agent: &AgentId, pid: u32) -> bool {
        self.on_this_machine(agent, pid).await.is_some_and(processes::lives)
    }

    async fn leftovers(&self) -> Vec<String> {
        let Some(label) = self.label() else { return Vec::new() };
        let containers = ["ps", "--all", "--filter", &label, "--format", "container {{.Names}} {{.Status}}"];
        let volumes = ["volume", "ls", "--filter", &label, "--format", "volume {{.Name}}"];
        let (containers, volumes) = tokio::join!(docker(&containers), docker(&volumes));
        let lines = [containers, volumes].into_iter().flatten();
        lines.flat_map(|text| text.lines().map(ToOwned::to_owned).collect::<Vec<_>>()).collect()
    }
}

impl Drop for DockerBackend {
    fn drop(&mut self) {
        let Some(label) = self.label() else { return };
        let run = |args: &[&str]| std::process::Command::new("docker").args(args).output().ok();
        let Some(left) = run(&["ps", "--all", "--quiet", "--filter", &label]) else { return };
        for id in String::from_utf8_lossy(&left.stdout).lines() {
            drop(run(&["rm", "--force", "--volumes", id]));
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn this_machine_has_an_address_in_a_network_of_its_own() {
        assert_eq!(super::address_towards("127.0.0.0/8"), "127.0.0.1");
    }
}
