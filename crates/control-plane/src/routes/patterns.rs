//! The library of patterns, and starting a run.

use std::time::Duration;

use axum::Json as PlainJson;
use axum::extract::{FromRequest, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use parallax_api::execution::Execution;
use parallax_api::message::MAX_TIMEOUT_MS;
use parallax_api::pattern::{
    Accepted, ExecuteQuery, ExecuteRequest, MAX_SOURCE, PatternList, StoredPattern, Validation,
};
use parallax_api::{Code, Problem};
use parallax_patterns::schema;
use parallax_service::extract::{Json, Path, Query};
use parallax_service::idempotency::{IdempotencyKey, StoredResponse};

use super::extract::Body;
use crate::app::App;
use crate::patterns::{self, File};

/// How long `wait` waits by default, in milliseconds.
const DEFAULT_WAIT_MS: u64 = 600_000;

/// A pattern file: the body as it is, in YAML or JSON.
#[derive(Debug)]
pub struct Source(String);

impl<S: Send + Sync> FromRequest<S> for Source {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let essence =
            kind.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let known =
            ["application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml", "application/json"];
        if !known.contains(&essence.as_str()) {
            let detail = "the body is the pattern file: send it with `Content-Type: application/yaml`";
            return Err(Problem::new(Code::UnsupportedMediaType, detail));
        }
        let Body(bytes) = Body::from_request(request, state).await?;
        if bytes.len() > MAX_SOURCE {
            let detail = format!("a pattern file has at most {MAX_SOURCE} bytes");
            return Err(Problem::new(Code::PayloadTooLarge, detail));
        }
        let text = String::from_utf8(bytes.into())
            .map_err(|_| Problem::new(Code::Validation, "the pattern file is not UTF-8"))?;
        Ok(Self(text))
    }
}

/// The patterns of the library, by name.
#[utoipa::path(get, path = "/api/patterns", tag = "patterns", responses((status = 200, body = PatternList)))]
pub async fn list(State(app): State<App>) -> Result<Json<PatternList>, Problem> {
    Ok(Json(PatternList { patterns: app.library.list().await? }))
}

/// Add a pattern: the body is the file, YAML or JSON.
///
/// What is wrong with it is all in `errors`, each with line, field and suggestion.
#[utoipa::path(
    post, path = "/api/patterns", tag = "patterns",
    request_body(content((Object = "application/yaml"), (Object = "application/json"))),
    responses(
        (status = 201, body = StoredPattern, headers(("location" = String, description = "The pattern"))),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn create(State(app): State<App>, Source(source): Source) -> Result<Response, Problem> {
    let (_, stored) = app.library.put(File::read(source).await?, false).await?;
    created(stored)
}

/// What is wrong with a pattern file: everything at once. 200 also when something is.
#[utoipa::path(
    post, path = "/api/patterns/validate", tag = "patterns",
    request_body(content((serde_json::Value = "application/yaml"), (serde_json::Value = "application/json"))),
    responses(
        (status = 200, body = Validation),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn validate(Source(source): Source) -> Result<Json<Validation>, Problem> {
    patterns::validate(source).await.map(Json)
}

/// The JSON Schema of pattern files, for editors.
#[utoipa::path(
    get, path = "/api/patterns/schema.json", tag = "patterns",
    responses((status = 200, description = "The schema", content_type = "application/schema+json", body = Object))
)]
pub async fn json_schema() -> Response {
    let kind = HeaderValue::from_static("application/schema+json");
    ([(header::CONTENT_TYPE, kind)], PlainJson(schema::schema())).into_response()
}

/// One pattern with its file.
#[utoipa::path(
    get, path = "/api/patterns/{name}", tag = "patterns", params(("name" = String, Path)),
    responses(
        (status = 200, body = StoredPattern),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn get(State(app): State<App>, Path(name): Path<String>) -> Result<Json<StoredPattern>, Problem> {
    app.library.get(&name).await.map(Json)
}

/// Add a pattern, or replace it. Runs that are at work go on with the file they began with.
#[utoipa::path(
    put, path = "/api/patterns/{name}", tag = "patterns", params(("name" = String, Path)),
    request_body(content((Object = "application/yaml"), (Object = "application/json"))),
    responses(
        (status = 200, body = StoredPattern), (status = 201, body = StoredPattern),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn put(
    State(app): State<App>,
    Path(name): Path<String>,
    Source(source): Source,
) -> Result<Response, Problem> {
    let file = File::read(source).await?;
    if file.pattern.name != name {
        let detail = format!("the file calls the pattern `{}`, and the path `{name}`", file.pattern.name);
        return Err(Problem::invalid("name", detail));
    }
    match app.library.put(file, true).await? {
        (true, stored) => created(stored),
        (false, stored) => Ok(Json(stored).into_response()),
    }
}

/// Forget a pattern. Its runs go on.
#[utoipa::path(
    delete, path = "/api/patterns/{name}", tag = "patterns", params(("name" = String, Path)),
    responses(
        (status = 204),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn delete(State(app): State<App>, Path(name): Path<String>) -> Result<StatusCode, Problem> {
    app.library.delete(&name).await.map(|()| StatusCode::NO_CONTENT)
}

/// Run a pattern.
///
/// 202 with `executionId`; with `wait=true`, 200 with output, metrics and steps when it has ended. When that takes longer
/// than `timeoutMs` it is 504 with the `executionId`, and the run goes on.
#[utoipa::path(
    post, path = "/api/patterns/{name}/execute", tag = "patterns",
    params(
        ("name" = String, Path), ExecuteQuery,
        ("idempotency-key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = r"^[!-~]([\t -~]*[!-~])?$",
            description = "The same key makes it the same run"),
    ),
    request_body = Option<ExecuteRequest>,
    responses(
        (status = 200, body = Execution), (status = 202, body = Accepted),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn execute(
    State(app): State<App>,
    Path(name): Path<String>,
    Query(query): Query<ExecuteQuery>,
    key: IdempotencyKey,
    request: Option<Json<ExecuteRequest>>,
) -> Result<Response, Problem> {
    let limit = query.timeout_ms.unwrap_or(DEFAULT_WAIT_MS);
    if !(1..=MAX_TIMEOUT_MS).contains(&limit) {
        return Err(Problem::invalid("timeoutMs", format!("1 to {MAX_TIMEOUT_MS} milliseconds")));
    }
    let request = request.map(|Json(request)| request).unwrap_or_default();
    let (starting, asked) = (app.clone(), request.clone());
    let operation = format!("POST /api/patterns/{name}/execute");
    let work = move |id: String| async move {
        let file = File::read(starting.library.get(&name).await?.source).await?;
        starting.runs.start(&id, file, request).await?;
        let accepted = StoredResponse::new(StatusCode::ACCEPTED, &Accepted { execution_id: id.clone() })?;
        Ok(accepted.at(format!("/api/executions/{id}")))
    };
    let accepted = app.idempotency.respond(key, &operation, &asked, work).await?;
    if !query.wait {
        return Ok(accepted.into_response());
    }
    let Accepted { execution_id } = serde_json::from_value(accepted.body).map_err(Problem::internal)?;
    let late = || {
        let detail =
            format!("the run takes longer than {limit} ms; it goes on: `GET /api/executions/{execution_id}`");
        Problem::new(Code::Timeout, detail).with("executionId", execution_id.as_str())
    };
    tokio::select! {
        ended = tokio::time::timeout(Duration::from_millis(limit), app.runs.ended(&execution_id)) => {
            Ok(Json(ended.map_err(|_| late())??).into_response())
        }
        () = app.shutdown.begun() => {
            let problem = Problem::new(Code::ShuttingDown, "the server goes away; the next one goes on with the run");
            Err(problem.with("executionId", execution_id.as_str()))
        }
    }
}

fn created(stored: StoredPattern) -> Result<Response, Problem> {
    let location = HeaderValue::try_from(format!("/api/patterns/{}", stored.info.name));
    let location = location.map_err(Problem::internal)?;
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], PlainJson(stored)).into_response())
}
