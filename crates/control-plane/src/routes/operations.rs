//! Runtimes, health and readiness.

use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use parallax_api::access::{ScopeName, Whoami};
use parallax_api::check::CheckList;
use parallax_api::runtime::{RuntimeInfo, RuntimeList};
use parallax_api::{Code, Problem};
use parallax_service::access::{Caller, Operator, Scope};
use parallax_service::extract::{Json, Path};
use parallax_store::StoreError;
use reqwest::Method;
use serde_json::{Value, json};

use crate::app::App;
use crate::{placement, relay};

/// How long a runtime may take to look at what it needs.
const CHECKS_TIMEOUT: Duration = Duration::from_secs(65);

/// Every runtime: kind, address, priority, health and why, agents, capacity, agent types.
#[utoipa::path(get, path = "/api/runtimes", tag = "operations", responses((status = 200, body = RuntimeList)))]
pub async fn runtimes(State(app): State<App>) -> Json<RuntimeList> {
    Json(RuntimeList { runtimes: app.runtimes.infos() })
}

/// Have a runtime look at what it needs: its engine or cluster, images, rights, and what a container reaches. It may take a minute.
#[utoipa::path(
    post, path = "/api/runtimes/{name}/checks", tag = "operations", params(("name" = String, Path)),
    responses(
        (status = 200, body = CheckList),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn check_runtime(
    State(app): State<App>,
    _: Operator,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let runtime = app.runtimes.get(&name).ok_or_else(|| {
        Problem::new(Code::NotFound, format!("no runtime is called `{name}`; GET /api/runtimes lists them"))
    })?;
    let asked = runtime.exchange(runtime.request(Method::POST, "/api/checks"), CHECKS_TIMEOUT).await;
    let response = asked.map_err(|unanswered| unanswered.problem)?;
    Ok(relay::into_response(response, &app.shutdown))
}

/// What the caller may do: a page shows no buttons beyond that.
#[utoipa::path(
    get, path = "/api/whoami", tag = "operations",
    responses(
        (status = 200, body = Whoami),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn whoami(State(app): State<App>, caller: Caller) -> Json<Whoami> {
    let scope = match caller.scope() {
        Scope::View => ScopeName::View,
        Scope::Operate => ScopeName::Operate,
        Scope::Admin => ScopeName::Admin,
    };
    let proxies_ports = app.ports.check_enabled().is_ok();
    Json(Whoami { scope, access: caller.rule().as_str().into(), proxies_ports })
}

/// Whether the server lives.
#[utoipa::path(get, path = "/health", tag = "operations", responses((status = 200, description = "It does")))]
pub async fn health(caller: Caller) -> Json<Value> {
    Json(json!({ "status": "ok", "access": caller.rule().as_str() }))
}

/// Whether an agent could be spawned: some runtime is healthy, and the disk takes writes. `storage` names what was found
/// damaged. Why a runtime cannot be used, and what is wrong with the disk, is told to callers with a scope.
#[utoipa::path(
    get, path = "/ready", tag = "operations",
    responses(
        (status = 200, description = "Some runtime is healthy"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn ready(State(app): State<App>, caller: Caller) -> Result<Json<Value>, Problem> {
    if app.shutdown.is_shutting_down() {
        return Err(Problem::new(Code::ShuttingDown, "the server is going away"));
    }
    let storage = app.storage.status().filter(|_| caller.is_known());
    if let Some(why) = app.storage.full() {
        return Err(match storage {
            Some(storage) => Problem::from(StoreError::Full(why)).with("storage", json!(storage)),
            None => Problem::new(Code::StorageFull, "the disk takes no writes"),
        });
    }
    let infos = app.runtimes.infos();
    let healthy: Vec<&str> =
        infos.iter().filter(|runtime| runtime.status.healthy).map(|runtime| runtime.name.as_str()).collect();
    if healthy.is_empty() {
        let why = |runtime: &RuntimeInfo| match caller.is_known() {
            true => placement::away(runtime),
            // Addresses and names of the place stand in the reasons.
            false => Problem::new(
                Code::RuntimeUnavailable,
                format!("the runtime `{}` cannot be used", runtime.name),
            ),
        };
        return Err(placement::refusal(
            infos.iter().map(|runtime| (runtime.name.clone(), why(runtime))).collect(),
        ));
    }
    let mut ready = json!({ "status": "ok", "runtimes": healthy });
    if let (Some(storage), Some(ready)) = (storage, ready.as_object_mut()) {
        ready.insert("storage".into(), json!(storage));
    }
    Ok(Json(ready))
}
