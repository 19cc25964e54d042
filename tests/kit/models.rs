//! Scripted models: the three model APIs answered from a scenario, so that the real Claude Code, Codex and Gemini CLI
//! run end to end without an account and without the network.
//!
//! [`Models::start`] serves on a free loopback port until it is dropped. A request goes [`ask`] (what was asked) →
//! [`scenario`] (which reply) → `play` (steps, paced) → `wire` (the API's own events); every step of it is in the
//! [`log`]. The program `parallax-fake-models` is this with a command line.
//!
//! Served: `POST /v1/messages` and `…/count_tokens`; `POST /v1/responses`; `POST /v1beta/models/M:generateContent`,
//! `:streamGenerateContent`, `:countTokens`; `GET …/models`; `HEAD /`. For the test: `POST /__fake/scenario` replaces
//! the scenario, `POST /__fake/gate/NAME` opens a gate, `GET /__fake/log` returns the log.

pub mod ask;
pub mod log;
mod play;
mod routes;
pub mod scenario;
mod wire;

use std::net::SocketAddr;
use std::sync::{Arc, RwLock};

use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use log::{Entry, Log, Request};
use scenario::{Playing, Scenario};

/// A running scripted model server. Dropping it ends it.
#[derive(Debug)]
pub struct Models {
    address: SocketAddr,
    state: State,
    task: JoinHandle<()>,
}

#[derive(Clone, Debug)]
struct State {
    playing: Arc<RwLock<Arc<Playing>>>,
    log: Arc<Log>,
}

impl State {
    fn playing(&self) -> Arc<Playing> {
        Arc::clone(&self.playing.read().expect("no holder of this lock panics"))
    }

    fn replace(&self, scenario: Scenario) {
        *self.playing.write().expect("no holder of this lock panics") = Playing::new(scenario);
    }
}

impl Models {
    /// Serves `scenario` on a free port of the loopback interface.
    pub async fn start(scenario: Scenario) -> std::io::Result<Self> {
        Self::listen(TcpListener::bind("127.0.0.1:0").await?, scenario, Log::default())
    }

    /// Serves `scenario` on `listener`, writing what happens to `log`.
    pub fn listen(listener: TcpListener, scenario: Scenario, log: Log) -> std::io::Result<Self> {
        let address = listener.local_addr()?;
        let playing = Arc::new(RwLock::new(Playing::new(scenario)));
        let state = State { playing, log: Arc::new(log) };
        let router = routes::router(state.clone());
        let task = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "the scripted models ended");
            }
        });
        Ok(Self { address, state, task })
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// `http://127.0.0.1:PORT`, the base for Anthropic and Gemini; OpenAI's is this and `/v1`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Replaces the scenario: all counts and gates start anew.
    pub fn replace(&self, scenario: Scenario) {
        self.state.replace(scenario);
    }

    /// Opens the gate of that name, for requests that wait and for later ones.
    pub fn open(&self, gate: &str) {
        self.state.playing().gate(gate).send_replace(true);
    }

    /// Everything that happened, oldest first.
    pub fn log(&self) -> Vec<Entry> {
        self.state.log.entries()
    }

    /// The requests that are turns of the conversation and bring a user's text (no tool's result), oldest first.
    pub fn turns(&self) -> Vec<Request> {
        let requests = self.log().into_iter().filter_map(Entry::into_request);
        requests.filter(|request| request.main && !request.tool_result).collect()
    }

    /// Waits until `found` finds something in the log, thirty seconds at most.
    pub async fn wait_for<T>(&self, what: &str, found: impl FnMut(&[Entry]) -> Option<T>) -> T {
        self.state.log.wait_for(what, found).await
    }

    /// Serves until the server fails; for the program.
    pub async fn wait(mut self) {
        // The only ways to end are a panic in the task, which has been printed, and an abort.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Models {
    fn drop(&mut self) {
        self.task.abort();
    }
}
