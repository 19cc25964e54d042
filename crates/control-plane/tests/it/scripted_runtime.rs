//! A runtime server that does what a test says: the API of one, without agents behind it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::body::{Body, Bytes};
use axum::extract::ws::{CloseFrame, Message, WebSocketUpgrade};
use axum::extract::{Path, Query, RawQuery, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use axum::{Json, Router};
use parallax_api::agent::AgentList;
use parallax_api::event::EventsQuery;
use parallax_api::message::{MessageList, MessagesQuery};
use parallax_api::observe::{AgentMetrics, AgentMetricsList, Logs, Metrics};
use parallax_api::runtime::{RuntimeKind, RuntimeStatus, TypeInfo};
use parallax_api::terminal::{CLOSE_AGENT_ENDED, CLOSE_UNKNOWN_AGENT, TERMINAL_V1};
use parallax_api::workspace::{WorkspaceCleanup, WorkspaceInfo, WorkspaceList};
use parallax_api::{
    Agent, AgentId, AgentStatus, Code, EventData, Message as Said, Problem, Role, SpawnRequest, Time,
};
use parallax_control_plane::RuntimeSpec;
use parallax_service::events::{self, EventLog};
use parallax_service::extract::Upgrade;
use parallax_service::serve;
use parallax_service::shutdown::Shutdown;
use parallax_store::sqlite::open_runtime;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// A scripted runtime. Its agents and events survive [`ScriptedRuntime::kill`] and are there after
/// [`ScriptedRuntime::revive`], as those of a real one.
pub struct ScriptedRuntime {
    pub address: SocketAddr,
    pub script: Arc<Script>,
    serving: Option<(Shutdown, JoinHandle<()>)>,
}

/// What it has and what it answers.
pub struct Script {
    pub agents: Mutex<BTreeMap<String, Agent>>,
    pub status: Mutex<RuntimeStatus>,
    /// What spawn requests are refused with.
    pub refusal: Mutex<Option<Problem>>,
    /// What somebody between answers spawn requests with, which the runtime takes all the same.
    pub answered_between: Mutex<Option<StatusCode>>,
    /// It answers spawn requests and for agents without an end.
    pub is_endless: Mutex<bool>,
    /// It takes spawn requests and drops the connection.
    pub dies_of_spawn: Mutex<bool>,
    /// What calls to agents are refused with.
    pub call_refusal: Mutex<Option<Problem>>,
    /// Whose id is in its answers, whichever agent it is asked for.
    pub answers_as: Mutex<Option<AgentId>>,
    /// The workspace that it has, if any.
    pub workspace: Mutex<Option<WorkspaceInfo>>,
    /// What requests for workspaces are refused with.
    pub workspaces_refusal: Mutex<Option<Problem>>,
    /// The agent whose host does not answer.
    pub held: Mutex<Option<String>>,
    /// What agents use, by their ids.
    pub metrics: Mutex<BTreeMap<String, Metrics>>,
    /// It is of a version that tells what one agent uses, and not what all do.
    pub is_older: Mutex<bool>,
    /// What agents were told and said, by their ids.
    pub messages: Mutex<BTreeMap<String, Vec<Said>>>,
    /// What requests for logs are refused with.
    pub log_refusal: Mutex<Option<Problem>>,
    /// The lines of everybody's log.
    pub lines: Mutex<Option<Vec<String>>>,
    /// What its list, once made, waits for before it is told; each takes a permit. None: nothing.
    pub list_gate: Mutex<Option<Arc<Semaphore>>>,
    /// Lists that wait for it, or have.
    pub lists_made: AtomicUsize,
    /// What an agent, once it is shown, waits for before it is told; each takes a permit. None: nothing.
    pub show_gate: Mutex<Option<Arc<Semaphore>>>,
    /// Agents that wait for it, or have.
    pub shows_made: AtomicUsize,
    /// How often it was asked for an agent, or for its list.
    pub shown: AtomicUsize,
    /// Spawn requests that it took, with their keys.
    pub spawned: Mutex<Vec<(Option<String>, Value)>>,
    log: Mutex<(EventLog, TempDir)>,
    appended: Mutex<u64>,
    shutdown: Mutex<Shutdown>,
}

impl ScriptedRuntime {
    pub async fn start(kind: RuntimeKind) -> Self {
        let claude = TypeInfo { name: "claude".into(), available: true, reason: None, version: None };
        let status = RuntimeStatus {
            kind,
            healthy: true,
            reason: None,
            agents: 0,
            capacity: 10,
            classes: Vec::new(),
            types: vec![claude],
            version: "1".into(),
            storage: None,
            workspaces: None,
        };
        let script = Arc::new(Script {
            agents: Mutex::default(),
            status: Mutex::new(status),
            refusal: Mutex::default(),
            answered_between: Mutex::default(),
            is_endless: Mutex::default(),
            dies_of_spawn: Mutex::default(),
            call_refusal: Mutex::default(),
            answers_as: Mutex::default(),
            workspace: Mutex::default(),
            workspaces_refusal: Mutex::default(),
            held: Mutex::default(),
            metrics: Mutex::default(),
            is_older: Mutex::default(),
            messages: Mutex::default(),
            log_refusal: Mutex::default(),
            lines: Mutex::default(),
            list_gate: Mutex::default(),
            lists_made: AtomicUsize::new(0),
            show_gate: Mutex::default(),
            shows_made: AtomicUsize::new(0),
            shown: AtomicUsize::new(0),
            spawned: Mutex::default(),
            log: Mutex::new(fresh_log().await),
            appended: Mutex::new(0),
            shutdown: Mutex::default(),
        });
        let mut runtime = Self { address: ([127, 0, 0, 1], 0).into(), script, serving: None };
        runtime.revive().await;
        runtime
    }

    /// How a control plane is told of it: by this name, with the priority of its kind.
    pub fn spec(&self, name: &str) -> RuntimeSpec {
        let kind = self.script.status.lock().unwrap().kind;
        RuntimeSpec { name: name.into(), ..RuntimeSpec::of_kind(kind, format!("http://{}", self.address)) }
    }

    /// Ends it at once, with every connection.
    pub async fn kill(&mut self) {
        let (upgraded, serving) = self.serving.take().unwrap();
        serving.abort();
        // Aborted is what was asked for.
        let _ = serving.await;
        upgraded.begin();
    }

    /// Serves again, on the same port.
    pub async fn revive(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.address = listener.local_addr().unwrap();
        let shutdown = Shutdown::new();
        *self.script.shutdown.lock().unwrap() = shutdown.clone();
        let router = router(self.script.clone());
        let serving = serve::serve(listener, router, shutdown.clone(), serve::DEFAULT_GRACE);
        self.serving = Some((shutdown, tokio::spawn(async move { serving.await.unwrap() })));
    }

    /// Forgets its events and begins a new log, as with an emptied state directory.
    pub async fn lose_events(&self) {
        *self.script.log.lock().unwrap() = fresh_log().await;
    }

    /// Has an agent in this state, without an event.
    pub fn has(&self, id: &str, status: AgentStatus) -> Agent {
        let mut agents = self.script.agents.lock().unwrap();
        let known = agents.get(id).cloned();
        let agent = Agent { status, updated_at: Time::now(), ..known.unwrap_or_else(|| agent(id, id)) };
        agents.insert(id.into(), agent.clone());
        agent
    }

    /// Has an agent in this state, and tells it.
    pub async fn becomes(&self, id: &str, status: AgentStatus) {
        let agent = Box::new(self.has(id, status));
        self.tell(match status {
            AgentStatus::Starting => EventData::AgentStarted { agent },
            AgentStatus::Ready => EventData::AgentReady { agent },
            AgentStatus::Busy => EventData::AgentBusy { agent },
            AgentStatus::Stopped => EventData::AgentStopped { agent, reason: "exited".into() },
            AgentStatus::Error => unreachable!("no test needs it"),
        })
        .await;
    }

    /// Has an agent use so much.
    pub fn measures(&self, id: &str, metrics: Metrics) {
        self.script.metrics.lock().unwrap().insert(id.into(), metrics);
    }

    /// Has these messages of an agent, without an event.
    pub fn keeps(&self, id: &str, texts: &[String]) {
        let said = texts.iter().map(|text| message(id, text)).collect();
        self.script.messages.lock().unwrap().insert(id.into(), said);
    }

    /// Has these lines in every log.
    pub fn shows(&self, lines: &[&str]) {
        *self.script.lines.lock().unwrap() = Some(lines.iter().map(|&line| line.to_owned()).collect());
    }

    /// Has the agent say something.
    pub async fn says(&self, id: &str, content: &str) {
        self.tell(EventData::Message { message: message(id, content) }).await;
    }

    async fn tell(&self, data: EventData) {
        let log = self.script.log.lock().unwrap().0.clone();
        let seq = {
            let mut appended = self.script.appended.lock().unwrap();
            *appended += 1;
            *appended
        };
        log.append("test", seq, data, Time::now()).await.unwrap().unwrap();
    }
}

fn message(id: &str, content: &str) -> Said {
    Said {
        id: uuid::Uuid::new_v4().to_string(),
        agent_id: id.parse().unwrap(),
        role: Role::Agent,
        in_reply_to: None,
        part_of: None,
        images: Vec::new(),
        messages: Vec::new(),
        source: None,
        content: content.into(),
        timestamp: Time::now(),
        state: None,
        failure: None,
        interrupted: false,
    }
}

async fn fresh_log() -> (EventLog, TempDir) {
    let dir = TempDir::new().unwrap();
    let stores = open_runtime(dir.path()).await.unwrap();
    (EventLog::open(stores.events, 1000).await.unwrap(), dir)
}

/// An agent as a runtime has it: named `local` there, whatever it is called elsewhere.
pub fn agent(id: &str, name: &str) -> Agent {
    let now = Time::now();
    serde_json::from_value(json!({
        "id": id, "name": name, "type": "claude", "status": "starting", "runtime": "local",
        "createdAt": now, "updatedAt": now,
    }))
    .unwrap()
}

fn router(script: Arc<Script>) -> Router {
    Router::new()
        .route("/ready", get(ready))
        .route("/api/events", get(follow))
        .route("/api/metrics", get(all_metrics))
        .route("/api/workspaces", get(workspaces))
        .route("/api/workspaces/gc", post(clean_workspaces))
        .route("/api/agents", get(list).post(spawn))
        .route("/api/agents/{id}", get(show_or_babble).delete(stop))
        .route("/api/agents/{id}/logs", get(logs))
        .route("/api/agents/{id}/interrupt", any(show))
        .route("/api/agents/{id}/{rest}", any(echo))
        .route("/ws/agents/{id}/terminal", get(terminal))
        .with_state(script)
}

type Shared = State<Arc<Script>>;

async fn ready(State(script): Shared) -> (StatusCode, Json<RuntimeStatus>) {
    let status = script.status.lock().unwrap().clone();
    (if status.healthy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, Json(status))
}

async fn follow(
    State(script): Shared,
    headers: HeaderMap,
    Query(query): Query<EventsQuery>,
    upgrade: Option<Upgrade>,
) -> Response {
    let log = script.log.lock().unwrap().0.clone();
    let shutdown = script.shutdown.lock().unwrap().clone();
    events::follow(&log, query, &headers, upgrade, &shutdown)
}

async fn list(State(script): Shared) -> Json<AgentList> {
    script.shown.fetch_add(1, Ordering::Relaxed);
    let agents: Vec<Agent> = script.agents.lock().unwrap().values().cloned().collect();
    let gate = script.list_gate.lock().unwrap().clone();
    if let Some(gate) = gate {
        script.lists_made.fetch_add(1, Ordering::Relaxed);
        gate.acquire().await.unwrap().forget();
    }
    Json(AgentList { count: agents.len(), agents, next_cursor: None })
}

/// The workspace that it has, unless it refuses.
fn workspace(script: &Script) -> Result<Vec<WorkspaceInfo>, Problem> {
    match script.workspaces_refusal.lock().unwrap().clone() {
        Some(problem) => Err(problem),
        None => Ok(script.workspace.lock().unwrap().clone().into_iter().collect()),
    }
}

async fn workspaces(State(script): Shared) -> Result<Json<WorkspaceList>, Problem> {
    Ok(Json(WorkspaceList { workspaces: workspace(&script)?, ..WorkspaceList::default() }))
}

async fn clean_workspaces(State(script): Shared) -> Result<Json<WorkspaceCleanup>, Problem> {
    Ok(Json(WorkspaceCleanup { removed: workspace(&script)?, ..WorkspaceCleanup::default() }))
}

async fn spawn(
    State(script): Shared,
    headers: HeaderMap,
    Json(request): Json<SpawnRequest>,
) -> Result<Response, Problem> {
    if let Some(problem) = script.refusal.lock().unwrap().clone() {
        return Err(problem);
    }
    let key = headers.get("idempotency-key").map(|key| key.to_str().unwrap().to_owned());
    script.spawned.lock().unwrap().push((key, serde_json::to_value(&request).unwrap()));
    if let Some(status) = *script.answered_between.lock().unwrap() {
        return Ok((status, "<html>a proxy says so</html>").into_response());
    }
    if let Some(answer) = endless(&script) {
        return Ok(answer);
    }
    if *script.dies_of_spawn.lock().unwrap() {
        let cut = futures::stream::iter([Err::<Bytes, _>(std::io::Error::other("cut"))]);
        return Ok((StatusCode::CREATED, Body::from_stream(cut)).into_response());
    }
    let id = script.answers_as.lock().unwrap().clone().unwrap_or_else(AgentId::generate);
    let agent = Agent { labels: request.labels, ..agent(id.as_str(), &request.name) };
    script.agents.lock().unwrap().insert(id.to_string(), agent.clone());
    Ok((StatusCode::CREATED, [("location", format!("/api/agents/{id}"))], Json(agent)).into_response())
}

/// An agent that begins and never ends.
fn endless(script: &Script) -> Option<Response> {
    let begun = std::iter::once(Bytes::from_static(b"{\"id\": \""));
    let pieces = begun.chain(std::iter::repeat_n(Bytes::from_static(&[b'x'; 64 * 1024]), usize::MAX));
    let body = Body::from_stream(futures::stream::iter(pieces.map(Ok::<_, std::convert::Infallible>)));
    script.is_endless.lock().unwrap().then(|| (StatusCode::CREATED, body).into_response())
}

async fn show_or_babble(state: Shared, path: Path<String>) -> Response {
    match endless(&state) {
        Some(answer) => answer,
        None => show(state, path).await.into_response(),
    }
}

async fn show(State(script): Shared, Path(id): Path<String>) -> Result<Json<Agent>, Problem> {
    script.shown.fetch_add(1, Ordering::Relaxed);
    let mut agent = script.agents.lock().unwrap().get(&id).cloned();
    if let Some(other) = script.answers_as.lock().unwrap().clone() {
        agent = Some(Agent { id: other, ..self::agent(&id, &id) });
    }
    let gate = script.show_gate.lock().unwrap().clone();
    if let Some(gate) = gate {
        script.shows_made.fetch_add(1, Ordering::Relaxed);
        gate.acquire().await.unwrap().forget();
    }
    agent.map(Json).ok_or_else(|| Problem::no_agent(id))
}

async fn stop(state: Shared, path: Path<String>, RawQuery(query): RawQuery) -> Result<Json<Agent>, Problem> {
    let Json(mut agent) = show(state, path).await?;
    agent.status = AgentStatus::Stopped;
    agent.role = query;
    Ok(Json(agent))
}

async fn all_metrics(State(script): Shared) -> Result<Json<AgentMetricsList>, Problem> {
    if *script.is_older.lock().unwrap() {
        return Err(Problem::new(Code::NotFound, "no such route"));
    }
    if let Some(problem) = script.call_refusal.lock().unwrap().clone() {
        return Err(problem);
    }
    let lives = |id: &str| {
        script.agents.lock().unwrap().get(id).is_some_and(|agent| agent.status != AgentStatus::Stopped)
    };
    let metrics = script.metrics.lock().unwrap();
    let of = |(id, metrics): (&String, &Metrics)| AgentMetrics {
        agent_id: id.parse().unwrap(),
        metrics: metrics.clone(),
    };
    Ok(Json(AgentMetricsList { agents: metrics.iter().filter(|(id, _)| lives(id)).map(of).collect() }))
}

/// Answers with what a test has said, or else with what was asked.
async fn echo(
    State(script): Shared,
    method: Method,
    Path((id, rest)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    if let Some(problem) = script.call_refusal.lock().unwrap().clone() {
        return Err(problem);
    }
    if script.held.lock().unwrap().as_ref() == Some(&id) {
        return Err(Problem::new(Code::RuntimeUnavailable, "the agent's container is paused"));
    }
    if let Some(metrics) = script.metrics.lock().unwrap().get(&id).filter(|_| rest == "metrics") {
        return Ok(Json(metrics.clone()).into_response());
    }
    if let Some(messages) = script.messages.lock().unwrap().get(&id).filter(|_| rest == "messages") {
        let uri = format!("/?{}", query.unwrap_or_default()).parse().unwrap();
        let Query(query) = Query::<MessagesQuery>::try_from_uri(&uri).unwrap();
        return Ok(Json(MessageList { messages: query.page(messages)? }).into_response());
    }
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let echoed = json!({
        "method": method.as_str(), "id": id, "rest": rest, "query": query,
        "key": header("idempotency-key"), "token": header("authorization"), "origin": header("origin"),
        "body": String::from_utf8_lossy(&body),
    });
    Ok((StatusCode::ACCEPTED, Json(echoed)).into_response())
}

/// One line, and the rest never; the lines that it has as a test says, whole.
async fn logs(State(script): Shared) -> Response {
    if let Some(problem) = script.log_refusal.lock().unwrap().clone() {
        return problem.into_response();
    }
    let lines = script.lines.lock().unwrap().as_mut().map(std::mem::take);
    if let Some(logs) = lines {
        let end = [(parallax_api::observe::LOG_OFFSET, "7")];
        return (end, Json(Logs { count: logs.len(), logs })).into_response();
    }
    let line = futures::stream::iter([Ok::<_, std::convert::Infallible>("a first line\n")]);
    let body = Body::from_stream(futures::StreamExt::chain(line, futures::stream::pending()));
    ([("content-type", "text/plain; charset=utf-8")], body).into_response()
}

/// Tells protocol and query, then echoes; `end` ends the agent.
async fn terminal(
    State(script): Shared,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    upgrade: WebSocketUpgrade,
) -> Response {
    let known = script.agents.lock().unwrap().contains_key(&id);
    let killed = script.shutdown.lock().unwrap().clone();
    upgrade.protocols([TERMINAL_V1]).on_upgrade(async move |mut socket| {
        let close = |code, reason: &str| Message::Close(Some(CloseFrame { code, reason: reason.into() }));
        if !known {
            let _ = socket.send(close(CLOSE_UNKNOWN_AGENT, "no such agent")).await;
            return;
        }
        let protocol = socket.protocol().map(|protocol| protocol.to_str().unwrap().to_owned());
        let hello = json!({ "protocol": protocol, "query": query }).to_string();
        let _ = socket.send(Message::text(hello)).await;
        loop {
            let message = tokio::select! {
                message = socket.recv() => message,
                () = killed.begun() => return,
            };
            let Some(Ok(message)) = message else { return };
            let answer = match message {
                Message::Text(text) if text == "end" => close(CLOSE_AGENT_ENDED, "exited"),
                Message::Text(_) | Message::Binary(_) => message,
                _ => continue,
            };
            if socket.send(answer).await.is_err() {
                return;
            }
        }
    })
}
