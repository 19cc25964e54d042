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
pub(crate) const PHASES: usize = 4;
/// Events that are sent at once.
const AT_ONCE: usize = 64;
/// Milliseconds since 1970 at the first event: what happens has the same time in every run.
const EPOCH_MS: i64 = 1_800_000_000_000;

/// The running server; it ends when this is dropped.
pub(crate) struct SyntheticRuntime {
    agents: Arc<Agents>,
    url: String,
    serving: JoinHandle<()>,
}

/// What it has: agents that differ in their ids alone.
struct Agents {
    number: usize,
    count: usize,
    /// Events that have happened.
    happened_tx: watch::Sender<usize>,
    like: Agent,
    /// The event of each phase as JSON, with [`SEQ`] and [`AGENT`] where those stand: the machine is for the control plane.
    like_events: [String; PHASES],
}

/// What stands in [`Agents::like_events`] for the event's number and the agent's id.
const SEQ: &str = "number-of-the-event";
const AGENT: &str = "id-of-the-agent";

/// What the event of an agent in this phase is called.
pub(super) fn event_name(phase: usize) -> &'static str {
    ["agent_started", "agent_ready", "agent_busy", "agent_ready"].get(phase).copied().unwrap_or("nothing")
}

impl SyntheticRuntime {
    /// Serves so many agents, whose events wait for [`SyntheticRuntime::happen`].
    pub(crate) async fn start(number: usize, count: usize) -> anyhow::Result<Self> {
        let like = serde_json::from_value(json!({
            "id": AGENT, "name": "simulated", "type": "claude", "status": "starting", "runtime": "synthetic",
            "createdAt": Time::from_millis(EPOCH_MS), "updatedAt": Time::from_millis(EPOCH_MS),
            "workdir": "/srv/work", "capabilities": ["code"], "labels": {"team": "simulation"},
        }))
        .context("an agent")?;
        let mut agents = Agents {
            number,
            count,
            happened_tx: watch::Sender::new(0),
            like,
            like_events: Default::default(),
        };
        for phase in 0..PHASES {
            agents.like_events[phase] = serde_json::to_string(&agents.event(phase)).context("an event")?;
        }
        let agents = Arc::new(agents);
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

    /// So many more of its events happen, as far as there are some: [`PHASES`] for each agent.
    pub(crate) fn happen(&self, events: usize) {
        let last = self.agents.count * PHASES;
        self.agents.happened_tx.send_modify(|happened| *happened = last.min(*happened + events));
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
    /// The id of the agent with this index.
    fn id(&self, index: usize) -> String {
        format!("synthetic-{}-{index:06}", self.number)
    }

    /// How many of the first `count` agents stand before what comes after this cursor: all were made at once, and their ids are in order.
    fn until(&self, cursor: &str, count: usize) -> usize {
        let id = cursor.split_once('.').map_or("", |(_, id)| id);
        let (mut low, mut high) = (0, count);
        while low < high {
            let middle = usize::midpoint(low, high);
            match self.id(middle).as_str() <= id {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        low
    }

    /// The agent with this id as the event of this phase shows it.
    fn agent(&self, id: &str, phase: usize) -> Agent {
        let status = [AgentStatus::Starting, AgentStatus::Ready, AgentStatus::Busy, AgentStatus::Ready];
        Agent {
            id: id.parse().expect("it is an id"),
            status: status[phase],
            updated_at: Time::from_millis(EPOCH_MS + i64::try_from(phase).unwrap_or_default()),
            ..self.like.clone()
        }
    }

    /// The event of this phase, of any agent.
    fn event(&self, phase: usize) -> Event {
        let agent = Box::new(self.agent(AGENT, phase));
        let timestamp = agent.updated_at;
        let data = match agent.status {
            AgentStatus::Starting => EventData::AgentStarted { agent },
            AgentStatus::Busy => EventData::AgentBusy { agent },
            _ => EventData::AgentReady { agent },
        };
        Event { id: SEQ.into(), data, timestamp }
    }

    /// Event number `seq`, from 1, as SSE: all agents are started, then all are ready, and so on.
    fn write_event(&self, seq: usize, text: &mut String) {
        let (phase, index) = ((seq - 1) / self.count, (seq - 1) % self.count);
        let data = self.like_events[phase].replacen(SEQ, &seq.to_string(), 1).replace(AGENT, &self.id(index));
        write!(text, "id: {seq}\nevent: {}\ndata: {data}\n\n", event_name(phase)).expect("memory takes it");
    }

    /// The events after number `seq`, some at a time, as SSE; then nothing, for ever.
    fn sse(self: Arc<Self>, seq: usize) -> impl Stream<Item = Result<String, Infallible>> {
        futures::stream::unfold((self, seq), |(agents, seq)| async move {
            // The sender is held here: it does not go away.
            let happened =
                agents.happened_tx.subscribe().wait_for(|happened| *happened > seq).await.map(|n| *n);
            let end = happened.unwrap_or(seq).min(seq + AT_ONCE);
            let mut text = String::new();
            (seq + 1..=end).for_each(|seq| agents.write_event(seq, &mut text));
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
    cursor: Option<String>,
}

/// Every agent as its last event shows it; before its first it is not there.
async fn list(State(agents): State<Arc<Agents>>, Query(page): Query<Page>) -> Json<AgentList> {
    let happened = *agents.happened_tx.borrow();
    let count = agents.count.min(happened);
    let begin = page.cursor.map_or(0, |cursor| agents.until(&cursor, count));
    let end = count.min(begin + page.limit.unwrap_or(100).max(1));
    let shown: Vec<Agent> = (begin..end)
        .map(|index| agents.agent(&agents.id(index), (happened - index - 1) / agents.count))
        .collect();
    let next = shown.last().filter(|_| end < count);
    let next_cursor = next.map(|last| format!("{}.{}", last.created_at.as_millis(), last.id));
    Json(AgentList { count: shown.len(), agents: shown, next_cursor })
}

async fn events(State(agents): State<Arc<Agents>>, Query(query): Query<EventsQuery>) -> Response {
    let since = query.since.and_then(|since| since.parse().ok()).unwrap_or(0);
    ([(CONTENT_TYPE, "text/event-stream")], Body::from_stream(agents.sse(since))).into_response()
}
