//! The API of one agent, as listed in [`parallax_api::host`]. Each handler extracts, asks the session and answers.

mod events;
mod files;
mod host;
mod logs;
mod ports;
mod terminal;
mod workspace;

use std::convert::Infallible;

use axum::body::Bytes;
use axum::extract::rejection::JsonRejection;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
pub use host::{Host, Parts};
use parallax_api::agent::{RestartRequest, StopRequest};
use parallax_api::host::{HookReport, HostSend};
use parallax_api::message::{AnswerRequest, MessageList, MessageProgress, MessageQuery, MessagesQuery};
use parallax_api::observe::{Metrics, StatusReport};
use parallax_api::terminal::{InputRequest, Screen};
use parallax_api::{Agent, AgentStatus, Code, Problem, SendResponse};
use parallax_profile::Launch;
pub use terminal::serve_handed;
use tower::{Layer as _, Service};

/// A hook's report may carry a whole message and a whole tool input.
const MAX_BODY: usize = 32 * 1024 * 1024;

type Answer<T> = Result<Json<T>, Problem>;
type Body<T> = Result<Json<T>, JsonRejection>;

/// The routes of a host.
pub fn router(host: Host) -> Router {
    let routes = Router::new()
        .route("/agent", get(agent))
        .route("/events", get(events::events))
        .route("/send", post(send))
        .route("/messages", get(messages))
        .route("/messages/{id}", get(message).delete(withdraw))
        .route("/screen", get(screen))
        .route("/status", get(status))
        .route("/metrics", get(metrics))
        .route("/logs", get(logs::logs))
        .route("/files", get(files::get).put(files::put).post(files::unpack).delete(files::delete))
        .route("/ports", get(ports::list))
        .route("/ports/{port}/tunnel", get(ports::tunnel))
        .route("/workspace", post(workspace::call))
        .route("/input", post(input))
        .route("/answer", post(answer))
        .route("/interrupt", post(interrupt))
        .route("/restart", post(restart))
        .route("/stop", post(stop))
        .route("/suspend", post(suspend))
        .route("/launch", get(launch))
        .route("/terminal", get(terminal::terminal))
        .route("/report", post(report))
        .route("/release", post(release))
        .with_state(host);
    around(DefaultBodyLimit::max(MAX_BODY).layer(routes))
}

/// Everything goes to this service. A layer of a router's own is made anew for each route, and kept beside every agent.
pub(crate) fn around<S>(service: S) -> Router
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    Router::new().fallback_service(service)
}

async fn agent(State(host): State<Host>) -> Json<Agent> {
    Json(host.session.agent())
}

async fn send(State(host): State<Host>, body: Body<HostSend>) -> Result<Response, Problem> {
    let response: SendResponse = host.session.send(parsed(body)?).await?;
    let status = if response.response.is_some() { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok((status, Json(response)).into_response())
}

async fn messages(
    State(host): State<Host>,
    query: Result<axum::extract::Query<MessagesQuery>, axum::extract::rejection::QueryRejection>,
) -> Answer<MessageList> {
    let query = query.map_err(|error| Problem::invalid("query", error.body_text()))?;
    Ok(Json(MessageList { messages: host.session.inbox().list(&query)? }))
}

async fn message(
    State(host): State<Host>,
    axum::extract::Path(id): axum::extract::Path<String>,
    query: Result<axum::extract::Query<MessageQuery>, axum::extract::rejection::QueryRejection>,
) -> Answer<MessageProgress> {
    let query = query.map_err(|error| Problem::invalid("query", error.body_text()))?;
    host.session.message(&id, query.duration()?).await.map(Json)
}

async fn withdraw(
    State(host): State<Host>,
    axum::extract::Path(id): axum::extract::Path<String>,
) -> Result<StatusCode, Problem> {
    host.session.withdraw(id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn screen(State(host): State<Host>) -> Answer<Screen> {
    host.session.screen().await.map(Json)
}

async fn status(State(host): State<Host>) -> Answer<StatusReport> {
    host.session.status().await.map(Json)
}

async fn metrics(State(host): State<Host>) -> Answer<Metrics> {
    host.session.metrics().await.map(Json)
}

async fn input(State(host): State<Host>, body: Body<InputRequest>) -> Result<StatusCode, Problem> {
    host.session.input(parsed(body)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn answer(State(host): State<Host>, body: Body<AnswerRequest>) -> Answer<Agent> {
    host.session.answer(parsed(body)?).await.map(Json)
}

async fn interrupt(State(host): State<Host>) -> Answer<Agent> {
    host.session.interrupt().await.map(Json)
}

async fn restart(State(host): State<Host>, body: Bytes) -> Answer<Agent> {
    host.session.restart(optional::<RestartRequest>(&body)?).await.map(Json)
}

async fn stop(State(host): State<Host>, body: Bytes) -> Answer<Agent> {
    host.session.stop(optional::<StopRequest>(&body)?).await.map(Json)
}

async fn suspend(State(host): State<Host>) -> Answer<Agent> {
    host.session.suspend().await.map(Json)
}

async fn launch(State(host): State<Host>) -> Answer<Launch> {
    host.session.launch().await.map(Json)
}

async fn report(State(host): State<Host>, body: Body<HookReport>) -> Result<StatusCode, Problem> {
    host.session.report(parsed(body)?).await;
    Ok(StatusCode::NO_CONTENT)
}

async fn release(State(host): State<Host>) -> Result<StatusCode, Problem> {
    if host.session.agent().status != AgentStatus::Stopped {
        return Err(Problem::new(Code::Conflict, "the agent still runs; stop it first"));
    }
    host.released.cancel();
    Ok(StatusCode::NO_CONTENT)
}

/// The runtime server has checked what people sent; a refusal here is for the server itself, in the same form.
fn parsed<T>(body: Body<T>) -> Result<T, Problem> {
    let Json(value) = body.map_err(|error| Problem::new(Code::Validation, error.body_text()))?;
    Ok(value)
}

/// A body that may be empty.
fn optional<T: Default + serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    if body.is_empty() {
        return Ok(T::default());
    }
    serde_json::from_slice(body).map_err(|error| Problem::new(Code::Validation, error.to_string()))
}
