//! A host that waits for its launch: of a warm pool, whose pods are there before anybody asked for their agents.
//!
//! It listens on its TCP port, answers callers that show the token it was made with, and takes one launch from them. From then on
//! the port is the agent's, behind the token of the launch.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context as _;
use axum::Json;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use parallax_api::agent::EnvValue;
use parallax_api::host::HostStarted;
use parallax_api::{Code, Problem};
use parallax_profile::Launch;
use tokio::net::TcpListener;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::serve::{MAX_LAUNCH, terminated};
use crate::tcp::{ACCEPT_PAUSE, MAX_CONNECTIONS, guarded, serve_one};

/// How long a host waits that nobody asks whether it does. Its server asks ten times as often: one that is gone for good leaves nothing
/// that runs.
const PATIENCE: Duration = Duration::from_secs(300);
/// How long the caller may take to read how the start went.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(500);

/// Who gave the launch, and waits to be told how the start went.
pub struct Caller {
    listener: Option<TcpListener>,
    started_tx: oneshot::Sender<HostStarted>,
    connections: JoinSet<()>,
}

impl Caller {
    /// The port that the launch came by.
    pub fn take_listener(&mut self) -> Option<TcpListener> {
        self.listener.take()
    }

    /// Tells how the start went. Returns when it is read; a caller that has gone finds the host by its pod.
    pub async fn answer(mut self, started: HostStarted) {
        if self.started_tx.send(started).is_err() {
            tracing::warn!("who gave the launch does not wait for the start any more");
        }
        let answered = async { while self.connections.join_next().await.is_some() {} };
        drop(tokio::time::timeout(ANSWER_TIMEOUT, answered).await);
    }
}

type Given = (Launch, oneshot::Sender<HostStarted>);

/// What the handlers share.
struct Waiting {
    /// Taken by the first launch.
    given_tx: Mutex<Option<oneshot::Sender<Given>>>,
    visited: Notify,
}

/// Waits for a launch at `address`. `None`: nobody asked any more, or the container is to end.
///
/// # Errors
/// When the address is not available.
pub async fn wait(address: SocketAddr, verifier: EnvValue) -> anyhow::Result<Option<(Box<Launch>, Caller)>> {
    let listener = TcpListener::bind(address).await.with_context(|| format!("listening on {address}"))?;
    wait_on(listener, verifier).await
}

async fn wait_on(listener: TcpListener, verifier: EnvValue) -> anyhow::Result<Option<(Box<Launch>, Caller)>> {
    let (given_tx, mut given_rx) = oneshot::channel();
    let waiting = Arc::new(Waiting { given_tx: Mutex::new(Some(given_tx)), visited: Notify::new() });
    let limit = usize::try_from(MAX_LAUNCH).unwrap_or(usize::MAX);
    let routes = Router::new()
        .route("/waiting", get(visit))
        .route("/launch", post(take).layer(DefaultBodyLimit::max(limit)))
        .with_state(waiting.clone());
    let routes = guarded(routes, verifier);
    let closing = CancellationToken::new();
    let mut connections = JoinSet::new();
    let mut term = std::pin::pin!(terminated());
    let mut until = Instant::now() + PATIENCE;
    let (launch, started_tx) = loop {
        tokio::select! {
            given = &mut given_rx => break given.context("its sender is with the handlers until it is used")?,
            () = waiting.visited.notified() => until = Instant::now() + PATIENCE,
            () = &mut term => return Ok(None),
            () = tokio::time::sleep_until(until) => {
                tracing::warn!("nobody asked for this host any more");
                return Ok(None);
            }
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => match accepted {
                Ok((stream, _)) => drop(connections.spawn(serve_one(stream, routes.clone(), closing.clone()))),
                Err(error) => {
                    tracing::warn!(%error, "failed to accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    };
    // The caller's connection stays for its answer; the others end.
    closing.cancel();
    Ok(Some((Box::new(launch), Caller { listener: Some(listener), started_tx, connections })))
}

async fn visit(State(waiting): State<Arc<Waiting>>) -> StatusCode {
    waiting.visited.notify_one();
    StatusCode::NO_CONTENT
}

async fn take(State(waiting): State<Arc<Waiting>>, body: Bytes) -> Result<Json<HostStarted>, Problem> {
    let launch: Launch = serde_json::from_slice(&body)
        .map_err(|error| Problem::invalid("launch", format!("not a launch: {error}")))?;
    if launch.token.as_ref().is_none_or(|token| token.expose().is_empty()) {
        return Err(Problem::invalid(
            "token",
            "a host that listens on a network needs a token in its launch",
        ));
    }
    let given_tx = waiting.given_tx.lock().expect("nothing panics while it is locked").take();
    let given_tx = given_tx.ok_or_else(|| Problem::new(Code::Conflict, "this host has its launch"))?;
    let (started_tx, started_rx) = oneshot::channel();
    let ended = || Problem::internal("the host ended before it said how its start went");
    given_tx.send((launch, started_tx)).map_err(|_| ended())?;
    started_rx.await.map(Json).map_err(|_| ended())
}

#[cfg(test)]
mod tests {
    use parallax_api::{Agent, AgentId, Time};
    use parallax_profile::Profiles;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;

    fn launch(token: Option<&str>) -> String {
        let profile = Profiles::builtin().get("claude").expect("it is built in").as_ref().clone();
        let name = "its own";
        let agent = Agent::new(AgentId::generate(), name, "claude", "kubernetes", Time::now());
        let token = token.map(Into::into);
        let launch = Launch { token, ..Launch::new(agent, profile, "/workspace".into()) };
        serde_json::to_string(&launch).unwrap()
    }

    /// What is answered to a request, over a connection of its own.
    async fn ask(address: SocketAddr, what: &str, token: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = format!(
            "{what} HTTP/1.1\r\nhost: h\r\nconnection: close\r\nauthorization: Bearer {token}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn one_launch_is_taken_from_who_shows_the_token() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        // The digest of `abc`.
        let digest = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let waiting = tokio::spawn(wait_on(listener, digest.into()));
        let whole = launch(Some("the agent's"));
        for (what, token, body, answer) in [
            ("GET /health", "", "", "200"),
            ("GET /waiting", "abc", "", "204"),
            ("GET /waiting", digest, "", "401"),
            ("POST /launch", "abd", whole.as_str(), "401"),
            ("POST /launch", "abc", "{}", "400"),
            ("POST /launch", "abc", launch(None).as_str(), "400"),
            ("GET /agent", "abc", "", "404"),
        ] {
            let answered = ask(address, what, token, body).await;
            assert!(answered.starts_with(&format!("HTTP/1.1 {answer}")), "{what} {token}: {answered}");
        }
        let given = tokio::spawn(async move { ask(address, "POST /launch", "abc", &whole).await });
        let (launch, mut caller) = waiting.await.unwrap().unwrap().expect("it was given a launch");
        assert_eq!(launch.agent.name, "its own");
        assert!(caller.take_listener().is_some(), "the port is the agent's now");
        caller.answer(HostStarted::Ready { pid: 7 }).await;
        assert!(given.await.unwrap().ends_with(r#"{"ready":{"pid":7}}"#));
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_that_nobody_asks_for_ends() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let began = Instant::now();
        assert!(wait_on(listener, "sha256:00".into()).await.unwrap().is_none());
        assert_eq!(began.elapsed(), PATIENCE);
    }
}
