//! A server with the API of a runtime as far as a control plane follows it, and no agents behind it.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::Arc;

use anyhow::Context;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use futures::Stream;
use parallax_api::agent::AgentList;
use parallax_api::event::EventsQuery;
use parallax_api::runtime::{RuntimeKind, RuntimeStatus};
use parallax_api::{Agent, AgentStatus, Event, EventData, Time};
use serde::Deserialize;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Events of each agent.
pub(super) const PHASES: usize = 4;
/// Events that are sent at once.
const AT_ONCE: usize = 64;
/// Milliseconds since 1970 at the first event: what happens has the same time in every run.
const EPOCH_MS: i64 = 1_800_000_000_000;

/// The running server; it ends when this is dropped.
pub(super) struct SyntheticRuntime {
    agents: Arc<Agents>,
    url: String,
    serving: JoinHandle<()>,
}

/// What it has: agents that differ in their ids alone.
struct Agents {
    number: usize,
    count: usize,
    begun_tx: watch::Sender<bool>,
    like: Agent,
}

/// What the event of an agent in this phase is called.
pub(super) fn event_name(phase: usize) -> &'static str {
    ["agent_started", "agent_ready", "agent_busy", "agent_ready"].get(phase).copied().unwrap_or("nothing")
}

impl SyntheticRuntime {
    /// Serves so many agents, whose events wait for [`SyntheticRuntime::begin`].
    pub(super) async fn start(number: usize, count: usize) -> anyhow::Result<Self> {
        let like = serde_json::from_value(json!({
            "id": "like", "name": "simulated", "type": "claude", "status": "starting", "runtime": "synthetic",
            "createdAt": Time::from_millis(EPOCH_MS), "updatedAt": Time::from_millis(EPOCH_MS),
            "workdir": "/srv/work", "capabilities": ["code"], "labels": {"team": "simulation"},
        }))
        .context("an agent")?;
        let agents = Arc::new(Agents { number, count, begun_tx: watch::Sender::new(false), like });
        let router = Router::new()
            .route("/ready", get(ready))
            .route("/api/agents", get(list))
            .route("/api/events", get(events))
            .with_state(agents.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        // It serves until it is aborted.
        let serving = tokio::spawn(async move { drop(axum::serve(listener, router).await) });
        Ok(Self { agents, url, serving })
    }

    pub(super) fn begin(&self) {
        self.agents.begun_tx.send_replace(true);
    }

    pub(super) fn name(&self) -> String {
        format!("synthetic-{}", self.agents.number)
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for SyntheticRuntime {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Agents {
    /// The agent with this index as the event of this phase shows it.
    fn agent(&self, index: usize, phase: usize) -> Agent {
        let status = [AgentStatus::Starting, AgentStatus::Ready, AgentStatus::Busy, AgentStatus::Ready];
        Agent {
            id: format!("synthetic-{}-{index:06}", self.number).parse().expect("it is an id"),
            status: status[phase],
            updated_at: Time::from_millis(EPOCH_MS + i64::try_from(phase).unwrap_or_default()),
            ..self.like.clone()
        }
    }

    /// Event number `seq`, from 1: all agents are started, then all are ready, and so on.
    fn event(&self, seq: usize) -> Event {
        let (phase, index) = ((seq - 1) / self.count, (seq - 1) % self.count);
        let agent = self.agent(index, phase);
        let timestamp = agent.updated_at;
        let agent = Box::new(agent);
        let data = match agent.status {
            AgentStatus::Starting => EventData::AgentStarted { agent },
            AgentStatus::Busy => EventData::AgentBusy { agent },
            _ => EventData::AgentReady { agent },
        };
        Event { id: seq.to_string(), data, timestamp }
    }

    /// The events after number `seq`, some at a time, as SSE; then nothing, for ever.
    fn sse(self: Arc<Self>, seq: usize) -> impl Stream<Item = Result<String, Infallible>> {
        futures::stream::unfold((self, seq), |(agents, seq)| async move {
            // The sender is held here: it does not go away.
            let _ = agents.begun_tx.subscribe().wait_for(|begun| *begun).await;
            let last = agents.count * PHASES;
            if seq >= last {
                std::future::pending::<()>().await;
            }
            let end = last.min(seq + AT_ONCE);
            let mut text = String::new();
            for seq in seq + 1..=end {
                let event = agents.event(seq);
                let data = serde_json::to_string(&event).expect("an event is plain data");
                write!(text, "id: {seq}\nevent: {}\ndata: {data}\n\n", event.data.name())
                    .expect("memory takes it");
            }
            Some((Ok(text), (agents, end)))
        })
    }
}

async fn ready(State(agents): State<Arc<Agents>>) -> Json<RuntimeStatus> {
    Json(RuntimeStatus {
        kind: RuntimeKind::Local,
        healthy: true,
        reason: None,
        agents: agents.count,
        capacity: agents.count,
        types: Vec::new(),
        classes: Vec::new(),
        version: env!("CARGO_PKG_VERSION").into(),
        storage: None,
        workspaces: None,
    })
}

#[derive(Deserialize)]
struct Page {
    limit: Option<usize>,
    cursor: Option<usize>,
}

/// Before the events nothing is there; afterwards every agent as its last event shows it.
async fn list(State(agents): State<Arc<Agents>>, Query(page): Query<Page>) -> Json<AgentList> {
    let count = if *agents.begun_tx.borrow() { agents.count } else { 0 };
    let begin = page.cursor.unwrap_or(0).min(count);
    let end = count.min(begin + page.limit.unwrap_or(100).max(1));
    let shown: Vec<Agent> = (begin..end).map(|index| agents.agent(index, PHASES - 1)).collect();
    let next_cursor = (end < count).then(|| end.to_string());
    Json(AgentList { count: shown.len(), agents: shown, next_cursor })
}

async fn events(State(agents): State<Arc<Agents>>, Query(query): Query<EventsQuery>) -> Response {
    let since = query.since.and_then(|since| since.parse().ok()).unwrap_or(0);
    ([(CONTENT_TYPE, "text/event-stream")], Body::from_stream(agents.sse(since))).into_response()
}
