//! The routes of the scripted models.

use axum::Router;
use axum::extract::{Path, Request, State as Shared};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, body::Bytes, extract::DefaultBodyLimit};
use serde_json::{Value, json};

use super::ask::{Api, Ask};
use super::log::{LogEvent, Request as Asked};
use super::scenario::{Failure, Scenario};
use super::{State, play, wire};

/// A conversation with a few messages of 100 kB is well below this.
const MAX_BODY: usize = 64 * 1024 * 1024;
/// Headers that carry credentials; their names are logged, never what they hold.
const CREDENTIALS: [&str; 3] = ["authorization", "x-api-key", "x-goog-api-key"];

pub(super) fn router(state: State) -> Router {
    Router::new()
        .route("/", get(alive))
        .route("/v1/messages", post(anthropic))
        .route("/v1/messages/count_tokens", post(anthropic_tokens))
        .route("/v1/responses", post(openai))
        .route("/v1/models", get(models))
        .route("/v1beta/models", get(gemini_models))
        .route("/v1beta/models/{call}", post(gemini))
        .route("/__fake/scenario", post(scenario))
        .route("/__fake/gate/{name}", post(gate))
        .route("/__fake/log", get(log))
        .fallback(other)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(state)
}

async fn alive() -> Json<Value> {
    Json(json!({}))
}

async fn models() -> Json<Value> {
    Json(json!({"object": "list", "data": [], "models": [], "has_more": false}))
}

async fn gemini_models() -> Json<Value> {
    Json(json!({"models": []}))
}

async fn anthropic(Shared(state): Shared<State>, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    answer(state, Api::Anthropic, &body, &headers).await
}

async fn anthropic_tokens(body: Bytes) -> Json<Value> {
    Json(json!({"input_tokens": (body.len() / 4).max(1)}))
}

async fn openai(Shared(state): Shared<State>, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    answer(state, Api::Openai, &body, &headers).await
}

/// `MODEL:VERB`, which is one segment of the path.
async fn gemini(
    Shared(state): Shared<State>,
    Path(call): Path<String>,
    headers: HeaderMap,
    Json(mut body): Json<Value>,
) -> Response {
    let (model, verb) = call.split_once(':').unwrap_or((&call, ""));
    match verb {
        "countTokens" => Json(json!({"totalTokens": (body.to_string().len() / 4).max(1)})).into_response(),
        "generateContent" | "streamGenerateContent" => {
            body["model"] = model.into();
            body["stream"] = (verb == "streamGenerateContent").into();
            answer(state, Api::Gemini, &body, &headers).await
        }
        _ => not_found(),
    }
}

async fn answer(state: State, api: Api, body: &Value, headers: &HeaderMap) -> Response {
    let ask = Ask::read(api, body);
    let playing = state.playing();
    let reply = playing.pick(&ask);
    let auth = CREDENTIALS.into_iter().filter(|name| headers.contains_key(*name)).collect();
    state.log.note(LogEvent::Request(Asked::new(&ask, auth, reply.id.clone(), body.to_string())));
    match &reply.error {
        Some(failure) => {
            let status = failure.status.unwrap_or(500);
            state.log.note(LogEvent::ReplyError { api: ask.api, status });
            refuse(ask.api, status, failure)
        }
        None => play::play(state, playing, ask, reply).await,
    }
}

fn refuse(api: Api, status: u16, failure: &Failure) -> Response {
    let status_code = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status_code, Json(wire::error_body(api, status, failure))).into_response();
    for (name, value) in &failure.headers {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(&text)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

async fn scenario(Shared(state): Shared<State>, Json(scenario): Json<Scenario>) -> Json<Value> {
    state.replace(scenario);
    Json(json!({"ok": true}))
}

async fn gate(Shared(state): Shared<State>, Path(name): Path<String>) -> Json<Value> {
    state.playing().gate(&name).send_replace(true);
    Json(json!({"ok": true}))
}

async fn log(Shared(state): Shared<State>) -> Response {
    Json(state.log.entries()).into_response()
}

/// What is not scripted. `HEAD` is how CLIs look whether anybody is there, at paths of their own.
async fn other(Shared(state): Shared<State>, request: Request) -> Response {
    if request.method() == Method::HEAD {
        return StatusCode::OK.into_response();
    }
    let (method, path) = (request.method().to_string(), request.uri().path().to_owned());
    state.log.note(LogEvent::Other { method, path });
    not_found()
}

fn not_found() -> Response {
    let failure = Failure { message: Some("not found".into()), ..Failure::default() };
    refuse(Api::Anthropic, 404, &failure)
}
