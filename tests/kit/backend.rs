//! A backend under test: a runtime server, its agents, and what an operator can see and do there.

use parallax_api::runtime::RuntimeKind;
use parallax_api::{AgentId, SpawnRequest};

use tokio::sync::Mutex;

use crate::processes;
use crate::server::Server;
use crate::user::User;

/// How the runtime server of a backend is started.
#[derive(Clone, Copy, Debug)]
pub struct ServerOptions {
    /// Agents that may run at once.
    pub max_agents: usize,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self { max_agents: 150 }
    }
}

/// A backend with a runtime server in front that has the profile of the fake agent. Each value is a separate server with its own
/// state. What it starts it ends, at the latest when it is dropped.
#[expect(async_fn_in_trait, reason = "a test awaits them where it stands, on one thread")]
pub trait TestBackend: Sized {
    /// The kind.
    const KIND: RuntimeKind;

    /// Makes a backend and starts its server.
    async fn start() -> Self;

    /// The server in front.
    fn server(&self) -> &Mutex<Server>;

    /// Where the server answers: the same for the backend's whole life.
    fn url(&self) -> String;

    /// Starts the server that was killed or ended, with the same state.
    async fn start_server(&self, options: ServerOptions) {
        let more = ["--max-agents".to_owned(), options.max_agents.to_string()];
        self.server().lock().await.start(&more).await;
    }

    /// Kills the server (SIGKILL). Its agents do not notice.
    async fn kill_server(&self) {
        self.server().lock().await.kill().await;
    }

    /// Asks the server to end (SIGTERM) and waits until it has.
    async fn end_server(&self) {
        self.server().lock().await.end().await;
    }

    /// Kills a process of an agent, by the id that the agent itself knows it by.
    async fn kill_process(&self, agent: &AgentId, pid: u32);

    /// Whether a process of an agent lives, by the id that the agent itself knew it by.
    async fn process_lives(&self, agent: &AgentId, pid: u32) -> bool;

    /// How many things (file descriptors, connections) the server holds; for comparing.
    async fn server_holdings(&self) -> usize {
        self.server().lock().await.pid().map_or(0, processes::open_descriptors)
    }

    /// Everything that agents have left behind: processes, sockets, containers. Readable for a person.
    async fn leftovers(&self) -> Vec<String>;

    /// A user of the server.
    fn user(&self) -> User {
        User::of_runtime(&self.url())
    }
}

/// A request for a fake agent with these arguments.
pub fn fake(name: &str, args: &[&str]) -> SpawnRequest {
    SpawnRequest {
        name: name.into(),
        r#type: "fake".into(),
        args: args.iter().map(|&arg| arg.to_owned()).collect(),
        ..SpawnRequest::default()
    }
}
