//! Servers within the test's own process, on free ports: for many small systems of several servers. What needs a process of
//! its own (SIGKILL, what a server holds) is in [`crate::server`].

use std::path::Path;
use std::sync::Arc;

use parallax_control_plane::{Config, ControlPlane, PushConfig, RuntimeSpec};
use parallax_profile::Profiles;
use parallax_profile::launch::DEFAULT_LOG_LIMIT;
use parallax_runtime_core::{
    Environment, Keep, Policy, PortSpace, Repositories, RuntimeConfig, Workdirs, WorkspacePolicy,
};
use parallax_runtime_local::LocalConfig;
use parallax_service::access::AccessConfig;
use parallax_service::serve::DEFAULT_GRACE;
use parallax_service::shutdown::Shutdown;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::local::write_profiles;
use crate::programs;
use crate::server::path_with_programs;
use crate::user::User;
use crate::wait::{PATIENCE, until, within};

/// A server in this process.
#[derive(Debug)]
pub struct InProcess {
    /// Where it answers.
    pub url: String,
    shutdown: Shutdown,
    task: JoinHandle<anyhow::Result<()>>,
}

impl InProcess {
    /// A local runtime of that name, with `directory` for a home, a workdir and its state.
    pub async fn local_runtime(name: &str, directory: &Path, max_agents: usize) -> Self {
        let variables = [
            ("HOME".to_owned(), directory.to_string_lossy().into_owned()),
            ("PATH".to_owned(), path_with_programs()),
        ];
        let profiles = Profiles::with_more(Some(&write_profiles(directory)));
        let config = LocalConfig {
            runtime: RuntimeConfig {
                name: name.into(),
                state_dir: directory.join(name),
                profiles: Arc::new(profiles.expect("the tests' profiles are valid")),
                max_agents,
                workdirs: Workdirs::Here { default: directory.to_owned(), roots: vec![directory.to_owned()] },
                repositories: Repositories::Any,
                workspace_policy: WorkspacePolicy::default(),
                environment: Environment::of(variables),
                ports: PortSpace::MACHINE,
                keep: Keep::default(),
                log_limit: DEFAULT_LOG_LIMIT,
                policy: Policy::default(),
                access: AccessConfig::default(),
            },
            host_program: programs::program("parallax-agent-host"),
        };
        let shutdown = Shutdown::new();
        let server = parallax_runtime_local::build(config, shutdown.clone()).await;
        let server = server.expect("a local runtime can be built in a new directory");
        let (listener, url) = listen().await;
        Self { url, shutdown, task: tokio::spawn(server.serve(listener, DEFAULT_GRACE)) }
    }

    /// A control plane over these runtimes, with its state in `directory`.
    pub async fn control_plane(directory: &Path, runtimes: Vec<RuntimeSpec>) -> Self {
        let config = Config {
            state_dir: directory.join("control-plane"),
            runtimes,
            access: AccessConfig::default(),
            push: PushConfig::default(),
            proxy_ports: true,
            usage_interval: parallax_control_plane::DEFAULT_USAGE_INTERVAL,
        };
        let shutdown = Shutdown::new();
        let server = ControlPlane::build(config, shutdown.clone()).await;
        let server = server.expect("a control plane can be built in a new directory");
        let (listener, url) = listen().await;
        Self { url, shutdown, task: tokio::spawn(server.serve(listener)) }
    }

    /// Waits until it can use the runtime of this name: on a busy machine its first look at that takes a while.
    pub async fn finds(&self, runtime: &str) {
        let client = self.user().client;
        until("the runtime is found", PATIENCE, async || {
            let known = client.runtimes().await.expect("they are listed").runtimes;
            let is_found = known.iter().any(|one| one.name == runtime && one.status.healthy);
            if is_found { Ok(()) } else { Err(known) }
        })
        .await;
    }

    /// A user of it as a control plane.
    pub fn user(&self) -> User {
        User::of_control_plane(&self.url)
    }

    /// Ends it as SIGTERM would.
    pub async fn end(self) {
        self.shutdown.begin();
        let ended = within("a server to end", PATIENCE, self.task).await;
        ended.expect("a server does not panic").expect("a server ends well");
    }
}

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("the loopback interface has a free port");
    let url = format!("http://{}", listener.local_addr().expect("a listener has an address"));
    (listener, url)
}
