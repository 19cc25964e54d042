//! A scripted host: the host API on a Unix socket, on a thread of its own, so that it outlives the server under test.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Body;
use axum::extract::ws::{CloseFrame, Message as Frame, WebSocket, WebSocketUpgrade};
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use parallax_api::host::{HostEvent, HostLine, HostSend};
use parallax_api::message::{MessageList, MessageState, MessagesQuery, Role};
use parallax_api::observe::{LogFormat, Logs, LogsQuery, Metrics, StatusReport};
use parallax_api::terminal::{
    CLOSE_AGENT_ENDED, Cursor, Screen, ServerFrame, TERMINAL_V1, TerminalMode, TerminalQuery,
};
use parallax_api::{
    Agent, AgentExit, AgentStatus, Code, EventData, Message, Problem, SendResponse, TerminalSize, Time,
};
use serde_json::json;
use tokio::net::UnixListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub struct Host {
    pub socket: PathBuf,
    state: watch::Sender<HostState>,
    death: CancellationToken,
    counted: AtomicUsize,
}

#[derive(Clone)]
struct HostState {
    agent: Agent,
    events: Vec<HostEvent>,
    output: Vec<u8>,
    messages: Vec<Message>,
    released: bool,
    /// Lines that it says first, whatever they are.
    odd_lines: Vec<String>,
    /// So many requests for the log fail.
    failures: usize,
    /// Whose agent it answers with.
    answers_with: Option<Agent>,
}

impl Host {
    pub fn start(socket: PathBuf, agent: Agent) -> Arc<Self> {
        let state = HostState {
            agent,
            events: vec![],
            output: vec![],
            messages: vec![],
            released: false,
            odd_lines: vec![],
            failures: 0,
            answers_with: None,
        };
        let death = CancellationToken::new();
        let host = Arc::new(Self {
            socket: socket.clone(),
            state: watch::Sender::new(state),
            death: death.clone(),
            counted: AtomicUsize::new(0),
        });
        host.tell(|_| (), |agent| EventData::AgentStarted { agent });
        let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        listener.set_nonblocking(true).unwrap();
        let app = routes(host.clone());
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            // When this ends the runtime goes, and every connection with it: as a process dies.
            runtime.block_on(async {
                let listener = UnixListener::from_std(listener).unwrap();
                tokio::select! {
                    served = axum::serve(listener, app) => served.unwrap(),
                    () = death.cancelled() => {}
                }
            });
        });
        host
    }

    pub fn lives(&self) -> bool {
        !self.death.is_cancelled()
    }

    /// As `kill -9` does it.
    pub fn die(&self) {
        self.death.cancel();
    }

    /// How often it was asked for what it counts.
    pub fn counted(&self) -> usize {
        self.counted.load(Ordering::Relaxed)
    }

    pub fn released(&self) -> bool {
        self.state.borrow().released
    }

    /// Changes the agent and tells the event about it.
    pub fn tell(&self, change: impl FnOnce(&mut Agent), event: impl FnOnce(Box<Agent>) -> EventData) {
        self.state.send_modify(|state| {
            change(&mut state.agent);
            state.agent.updated_at = Time::now().max(state.agent.updated_at);
            let data = event(Box::new(state.agent.clone()));
            state.push(data);
        });
    }

    pub fn become_ready(&self) {
        self.tell(|agent| agent.status = AgentStatus::Ready, |agent| EventData::AgentReady { agent });
    }

    /// Says these lines first, to every follower.
    pub fn say_first(&self, lines: &[&str]) {
        self.state.send_modify(|state| state.odd_lines = lines.iter().map(|line| (*line).into()).collect());
    }

    /// Lets so many requests for the log fail.
    pub fn fail_logs(&self, times: usize) {
        self.state.send_modify(|state| state.failures = times);
    }

    /// Answers with this agent when it is to stop its own, which it does not.
    pub fn answer_with(&self, agent: Agent) {
        self.state.send_modify(|state| state.answers_with = Some(agent));
    }

    /// How many requests for the log are still to fail.
    pub fn failures_left(&self) -> usize {
        self.state.borrow().failures
    }

    /// The agent says something of its own.
    pub fn say(&self, content: &str) {
        self.state.send_modify(|state| {
            let message = state.message(Role::Agent, content, None);
            state.messages.push(message.clone());
            state.push(EventData::Message { message });
        });
    }

    pub fn print(&self, text: &str) {
        self.state.send_modify(|state| state.output.extend_from_slice(text.as_bytes()));
    }

    /// The agent's process ends by itself.
    pub fn exit(&self, code: i32) {
        self.end(AgentExit {
            code: Some(code),
            signal: None,
            reason: "exited".into(),
            at: Time::now(),
            workspace: None,
        });
    }

    /// As [`Self::exit`], by a clock that was set back since this agent was launched.
    pub fn exit_in_the_past(&self, code: i32) {
        let at = Time::from_millis(0);
        let exit = AgentExit { code: Some(code), signal: None, reason: "exited".into(), at, workspace: None };
        let change = |state: &mut HostState| {
            state.agent.status = AgentStatus::Stopped;
            (state.agent.exit, state.agent.updated_at) = (Some(exit), at);
            let agent = Box::new(state.agent.clone());
            state.push(EventData::AgentStopped { agent, reason: "exited".into() });
        };
        self.state.send_modify(change);
    }

    fn end(&self, exit: AgentExit) {
        let reason = exit.reason.clone();
        let change = |agent: &mut Agent| {
            agent.status = AgentStatus::Stopped;
            agent.exit = Some(exit);
        };
        self.tell(change, |agent| EventData::AgentStopped { agent, reason });
    }
}

impl HostState {
    fn push(&mut self, data: EventData) {
        self.events.push(HostEvent { seq: self.events.len() as u64 + 1, data, timestamp: Time::now() });
    }

    fn message(&self, role: Role, content: &str, in_reply_to: Option<String>) -> Message {
        Message {
            id: format!("m{}", self.messages.len() + 1),
            agent_id: self.agent.id.clone(),
            role,
            in_reply_to,
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
}

type Shared = State<Arc<Host>>;

fn routes(host: Arc<Host>) -> Router {
    Router::new()
        .route("/agent", get(async |State(host): Shared| Json(host.state.borrow().agent.clone())))
        .route("/events", get(events))
        .route("/send", post(send))
        .route("/messages", get(messages))
        .route("/screen", get(screen))
        .route("/status", get(status))
        .route("/metrics", get(metrics))
        .route("/logs", get(logs))
        .route("/input", post(async || StatusCode::NO_CONTENT))
        .route("/stop", post(stop))
        .route("/terminal", get(terminal))
        .route("/release", post(release))
        .with_state(host)
}

#[derive(serde::Deserialize)]
struct Following {
    since: usize,
    quiet: bool,
}

async fn events(State(host): Shared, Query(Following { since, quiet }): Query<Following>) -> Body {
    assert!(quiet, "a host of the server's own machine says nothing without news");
    let mut changes = host.state.subscribe();
    let state = HostLine::State { agent: Box::new(changes.borrow_and_update().agent.clone()) };
    let (lines_tx, lines_rx) = tokio::sync::mpsc::channel::<Result<Bytes, std::io::Error>>(16);
    tokio::spawn(async move {
        let line = |line: &HostLine| Ok(Bytes::from(serde_json::to_string(line).unwrap() + "\n"));
        let mut told = since;
        let odd = changes.borrow().odd_lines.clone();
        for odd in odd {
            lines_tx.send(Ok(Bytes::from(odd + "\n"))).await.ok()?;
        }
        lines_tx.send(line(&state)).await.ok()?;
        loop {
            let events = changes.borrow_and_update().events.clone();
            for event in events.iter().skip(told) {
                lines_tx.send(line(&HostLine::Event(event.clone()))).await.ok()?;
            }
            told = events.len();
            changes.changed().await.ok()?;
        }
        #[expect(unreachable_code, reason = "gives the block its type")]
        Some(())
    });
    Body::from_stream(tokio_stream::wrappers::ReceiverStream::new(lines_rx))
}

/// Answers every message with `echo: …`, at once. The same id again is the same message.
async fn send(State(host): Shared, Json(send): Json<HostSend>) -> Result<Json<SendResponse>, Problem> {
    let mut response = None;
    if host.state.borrow().agent.status == AgentStatus::Stopped {
        return Err(Problem::new(Code::AgentStopped, "it has ended"));
    }
    host.state.send_modify(|state| {
        let known =
            state.messages.iter().find(|message| message.in_reply_to.as_ref() == Some(&send.message_id));
        if let Some(known) = known {
            response = Some(known.clone());
            return;
        }
        let mut sent = state.message(Role::User, &send.request.message, None);
        sent.id.clone_from(&send.message_id);
        sent.state = Some(MessageState::Answered);
        state.messages.push(sent);
        let answer = state.message(
            Role::Agent,
            &format!("echo: {}", send.request.message),
            Some(send.message_id.clone()),
        );
        state.messages.push(answer.clone());
        state.push(EventData::Message { message: answer.clone() });
        response = Some(answer);
    });
    let response = response.filter(|_| send.request.expect_response);
    Ok(Json(SendResponse { sent: true, message_id: send.message_id, response }))
}

async fn messages(
    State(host): Shared,
    Query(query): Query<MessagesQuery>,
) -> Result<Json<MessageList>, Problem> {
    Ok(Json(MessageList { messages: query.page(&host.state.borrow().messages)? }))
}

async fn screen(State(host): Shared) -> Json<Screen> {
    let state = host.state.borrow();
    Json(Screen {
        lines: vec!["the screen".into()],
        cursor: Cursor { row: 0, col: 0, visible: true },
        size: TerminalSize::default(),
        title: "title".into(),
        alternate: false,
        offset: state.output.len() as u64,
    })
}

async fn status(State(host): Shared) -> Json<StatusReport> {
    let agent = host.state.borrow().agent.clone();
    Json(StatusReport {
        status: agent.status,
        since: agent.updated_at,
        attention: None,
        source: "process".into(),
        rule: "script".into(),
        evidence: "the test said so".into(),
        detail: None,
        cli_version: None,
        checked_versions: vec![],
        history: vec![],
    })
}

async fn metrics(State(host): Shared) -> Json<Metrics> {
    host.counted.fetch_add(1, Ordering::Relaxed);
    let output_bytes = host.state.borrow().output.len() as u64;
    Json(Metrics { output_bytes, messages_sent: 7, cpu_seconds: 99.0, ..Metrics::default() })
}

async fn logs(State(host): Shared, Query(query): Query<LogsQuery>) -> Response {
    if host.state.borrow().failures > 0 {
        host.state.send_modify(|state| state.failures -= 1);
        return Problem::internal("not now").into_response();
    }
    let output = host.state.borrow().output.clone();
    let text = String::from_utf8_lossy(&output).into_owned();
    match query.format.unwrap_or_default() {
        LogFormat::Raw => output.into_response(),
        LogFormat::Asciicast | LogFormat::AsciicastV3 => {
            let header = json!({"version": 2, "width": 120, "height": 40, "timestamp": 1000});
            format!("{header}\n{}\n", json!([1.0, "o", text])).into_response()
        }
        LogFormat::Text | LogFormat::Ansi => {
            let logs: Vec<String> = text.lines().map(Into::into).collect();
            Json(Logs { count: logs.len(), logs }).into_response()
        }
    }
}

async fn stop(State(host): Shared) -> Json<Agent> {
    let other = host.state.borrow().answers_with.clone();
    if let Some(other) = other {
        return Json(other);
    }
    host.end(AgentExit {
        code: None,
        signal: Some("SIGTERM".into()),
        reason: "stopped".into(),
        at: Time::now(),
        workspace: None,
    });
    Json(host.state.borrow().agent.clone())
}

async fn release(State(host): Shared) -> Result<StatusCode, Problem> {
    if host.state.borrow().agent.status != AgentStatus::Stopped {
        return Err(Problem::new(Code::Conflict, "it runs"));
    }
    host.state.send_modify(|state| state.released = true);
    Ok(StatusCode::NO_CONTENT)
}

async fn terminal(
    State(host): Shared,
    Query(query): Query<TerminalQuery>,
    upgrade: WebSocketUpgrade,
) -> Response {
    let upgrade = upgrade.protocols([TERMINAL_V1]);
    let v1 = upgrade.selected_protocol().is_some();
    upgrade.on_upgrade(async move |socket| drop(view(host, query, socket, v1).await)).into_response()
}

/// What is typed is printed, in brackets; the end closes.
async fn view(
    host: Arc<Host>,
    query: TerminalQuery,
    mut socket: WebSocket,
    v1: bool,
) -> Result<(), axum::Error> {
    let mut changes = host.state.subscribe();
    let mode = query.mode.unwrap_or_default();
    let mut offset = usize::try_from(query.since.unwrap_or(0)).unwrap();
    if v1 {
        let hello = ServerFrame::Hello {
            offset: offset as u64,
            epoch: "e1".into(),
            size: TerminalSize::default(),
            mode,
            lease: None,
        };
        socket.send(Frame::text(serde_json::to_string(&hello).unwrap())).await?;
    }
    loop {
        let state = changes.borrow_and_update().clone();
        let news = &state.output[offset.min(state.output.len())..];
        if !news.is_empty() {
            let frame = match v1 {
                true => Frame::binary([&(offset as u64).to_be_bytes(), news].concat()),
                false => Frame::text(String::from_utf8_lossy(news).into_owned()),
            };
            offset = state.output.len();
            socket.send(frame).await?;
        }
        if let Some(exit) = state.agent.exit {
            let reason = exit.reason.clone();
            if v1 {
                socket.send(Frame::text(serde_json::to_string(&ServerFrame::Exit { exit }).unwrap())).await?;
            }
            let close = CloseFrame { code: CLOSE_AGENT_ENDED, reason: reason.into() };
            socket.send(Frame::Close(Some(close))).await?;
            while let Some(Ok(_)) = socket.recv().await {}
            return Ok(());
        }
        tokio::select! {
            _ = changes.changed() => {}
            frame = socket.recv() => match frame {
                Some(Ok(Frame::Text(text))) if mode == TerminalMode::Interactive => host.print(&format!("[{text}]")),
                Some(Ok(Frame::Binary(bytes))) if mode == TerminalMode::Interactive => {
                    host.print(&format!("<{}>", String::from_utf8_lossy(&bytes)));
                }
                Some(Ok(_)) => {}
                _ => return Ok(()),
            },
        }
    }
}
