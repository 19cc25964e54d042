//! The Kubernetes backend: a `parallax-runtime-k8s` of its own, in a namespace of its own of the cluster that the kubeconfig names.
//! The cluster's node is this machine and its containers are of this machine's Docker engine.

pub mod storage;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use parallax_api::AgentId;
use parallax_api::runtime::RuntimeKind;
use tokio::process::Command;
use tokio::sync::Mutex;

use crate::backend::{ServerOptions, TestBackend};
use crate::docker::{FAKE_IMAGE, PROFILES, docker};
use crate::local::Directory;
use crate::processes;
use crate::server::Server;
use crate::wait::{PATIENCE, until};

/// The image with the host: `make test-images` builds it.
pub const HOST_IMAGE: &str = "parallax-test-host";
/// What is looked through for what agents left.
const KINDS: &str = "parallaxagents,pods,persistentvolumeclaims";

/// A Kubernetes runtime and its agents.
#[derive(Debug)]
pub struct KubernetesBackend {
    url: String,
    server: Mutex<Server>,
    namespace: Namespace,
    directory: Directory,
}

impl KubernetesBackend {
    /// A backend whose server has these arguments as well.
    pub async fn start_with(args: &[&str]) -> Self {
        let directory = Directory::new();
        let namespace = Namespace::create().await;
        let server = server("parallax-runtime-k8s", &directory, &namespace, args);
        let backend = Self { url: server.url(), server: Mutex::new(server), namespace, directory };
        backend.start_server(ServerOptions::default()).await;
        backend
    }

    /// The namespace of its agents.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// The directory that everything of this backend is in: home, state, profiles.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The id that the machine knows a process by which has this id in the agent's pod.
    async fn on_this_machine(&self, agent: &AgentId, pid: u32) -> Option<u32> {
        // As the kubelet names its containers; the API server hears of them a moment later.
        let labels = [
            ("pod.namespace", self.namespace.name()),
            ("pod.name", agent.as_str()),
            ("container.name", "agent"),
        ];
        let filters = labels.map(|(label, value)| format!("label=io.kubernetes.{label}={value}"));
        let mut list = vec!["ps", "--quiet", "--no-trunc"];
        filters.iter().for_each(|filter| list.extend(["--filter", filter.as_str()]));
        let containers = docker(&list).await?;
        let container = containers.lines().next()?;
        let first = docker(&["inspect", "--format", "{{.State.Pid}}", container]).await?;
        processes::in_namespace(&processes::pid_namespace(first.parse().ok()?)?, pid)
    }
}

/// A runtime's server program over a namespace, with profiles and images of the test agents.
pub fn server(program: &str, directory: &Directory, namespace: &Namespace, args: &[&str]) -> Server {
    let profiles = directory.path().join("profiles");
    fs::create_dir_all(&profiles).expect("the directory can be written");
    for (name, profile) in PROFILES {
        fs::write(profiles.join(name), profile).expect("the directory can be written");
    }
    let state = directory.path().join("state");
    Server::new(program, directory.path())
        .args(&[
            "--state-dir",
            &state.to_string_lossy(),
            "--profiles",
            &profiles.to_string_lossy(),
            "--namespace",
            namespace.name(),
            "--pull",
            "never",
            "--host-image",
            HOST_IMAGE,
            "--image",
            &format!("fake={FAKE_IMAGE}"),
            "--image",
            "shell=debian:bookworm-slim",
        ])
        .args(args)
        .env("KUBECONFIG", kubeconfig().to_string_lossy())
}

/// The kubeconfig of the user who runs the tests.
pub fn kubeconfig() -> PathBuf {
    let home = || PathBuf::from(env::var_os("HOME").expect("there is a home")).join(".kube/config");
    env::var_os("KUBECONFIG").map_or_else(home, PathBuf::from)
}

/// A namespace of a test's own. At the end it is deleted, with whatever a failed test left in it.
#[derive(Debug)]
pub struct Namespace(String);

impl Namespace {
    /// A new one, ready for pods.
    pub async fn create() -> Self {
        let name = format!("px-{}", &uuid::Uuid::new_v4().simple().to_string()[..10]);
        let namespace = Self(name);
        let made = kubectl(&["create", "namespace", namespace.name()]).await;
        assert!(made.is_some(), "a namespace can be made; is there a cluster?");
        until("the namespace's service account", PATIENCE, async || {
            namespace.kubectl(&["get", "serviceaccount", "default", "-o", "name"]).await.ok_or(())
        })
        .await;
        namespace
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.0
    }

    /// Runs `kubectl` in it: what it prints, or none when it fails.
    pub async fn kubectl(&self, args: &[&str]) -> Option<String> {
        kubectl(&[&["--namespace", self.name()], args].concat()).await
    }

    /// Runs `kubectl` in it with this standard input: what it prints, or what it complains of.
    pub async fn apply(&self, manifest: &str) -> Result<String, String> {
        use std::process::Stdio;
        use tokio::io::AsyncWriteExt;
        let mut child = Command::new("kubectl")
            .args(["--namespace", self.name(), "apply", "-f", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("kubectl can be run");
        let mut input = child.stdin.take().expect("it is piped");
        // YAML in one line would be taken for JSON.
        input.write_all(format!("---\n{manifest}").as_bytes()).await.expect("kubectl reads");
        drop(input);
        let done = child.wait_with_output().await.expect("kubectl ends");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if done.status.success() { Ok(text(&done.stdout)) } else { Err(text(&done.stderr)) }
    }

    /// A field of a thing in it, such as `("pa/reviewer", "{.status.phase}")`; empty when there is none.
    pub async fn field(&self, what: &str, path: &str) -> String {
        self.kubectl(&["get", what, "-o", &format!("jsonpath={path}")]).await.unwrap_or_default()
    }

    /// Waits until a field is what it should be.
    pub async fn becomes(&self, what: &str, path: &str, wanted: &str) {
        until(&format!("{path} of {what} to be {wanted}"), PATIENCE, async || {
            let is = self.field(what, path).await;
            if is == wanted { Ok(()) } else { Err(is) }
        })
        .await;
    }

    /// Evicts a pod, as a drained node does.
    pub async fn evict(&self, pod: &str) {
        assert!(self.may_evict(pod).await, "{pod} can be evicted");
    }

    /// Tries to evict a pod; false when the cluster does not allow it.
    pub async fn may_evict(&self, pod: &str) -> bool {
        let path = format!("/api/v1/namespaces/{}/pods/{pod}/eviction", self.name());
        let eviction = format!(
            "{{\"apiVersion\": \"policy/v1beta1\", \"kind\": \"Eviction\", \"metadata\": {{\"name\": \"{pod}\"}}}}"
        );
        let file = tempfile::NamedTempFile::new().expect("a file can be made");
        fs::write(file.path(), eviction).expect("it can be written");
        let from = file.path().to_string_lossy().into_owned();
        kubectl(&["create", "--raw", &path, "-f", &from]).await.is_some()
    }

    /// Everything that agents have left in it.
    pub async fn leftovers(&self) -> Vec<String> {
        let things = ["get", KINDS, "-o", "name"];
        let secrets = ["get", "secrets", "--selector", "parallax.io/agent", "-o", "name"];
        let (things, secrets) = tokio::join!(self.kubectl(&things), self.kubectl(&secrets));
        let lines = [things, secrets].into_iter().flatten();
        lines.flat_map(|text| text.lines().map(ToOwned::to_owned).collect::<Vec<_>>()).collect()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let run = |args: &[&str]| {
            let mut command = std::process::Command::new("kubectl");
            command.args(["--namespace", self.name(), "--request-timeout", "20s"]).args(args);
            command
                .output()
                .map(|done| String::from_utf8_lossy(&done.stdout).into_owned())
                .unwrap_or_default()
        };
        // No controller is left that would remove the finalizers.
        for resource in run(&["get", "parallaxagents", "-o", "name"]).lines() {
            run(&["patch", resource, "--type", "merge", "-p", "{\"metadata\":{\"finalizers\":null}}"]);
        }
        run(&["delete", "namespace", self.name(), "--wait=false"]);
    }
}

/// Runs `kubectl`: what it prints, or none when it fails.
pub async fn kubectl(args: &[&str]) -> Option<String> {
    let done = Command::new("kubectl").args(args).output().await.expect("kubectl can be run");
    let text = String::from_utf8_lossy(&done.stdout).trim().to_owned();
    done.status.success().then_some(text)
}

impl TestBackend for KubernetesBackend {
    const KIND: RuntimeKind = RuntimeKind::Kubernetes;

    async fn start() -> Self {
        Self::start_with(&[]).await
    }

    fn server(&self) -> &Mutex<Server> {
        &self.server
    }

    fn url(&self) -> String {
        self.url.clone()
    }

    async fn kill_process(&self, agent: &AgentId, pid: u32) {
        let pid = self.on_this_machine(agent, pid).await;
        processes::kill(pid.expect("the pod has such a process"));
    }

    async fn process_lives(&self, agent: &AgentId, pid: u32) -> bool {
        self.on_this_machine(agent, pid).await.is_some_and(processes::lives)
    }

    async fn leftovers(&self) -> Vec<String> {
        self.namespace.leftovers().await
    }
}
