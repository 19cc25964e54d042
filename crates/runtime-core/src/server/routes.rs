//! The runtime's API: one line a route. The same verbs as the control plane's, without the choosing.

mod agents;
mod events;
mod files;
mod logs;
mod ops;
mod ports;
mod terminal;
mod workspaces;

use std::sync::Arc;

use axum::Router;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::routing::{get, post};
use parallax_api::files::ArchiveFormat;
use parallax_api::observe::LogFormat;
use parallax_api::terminal::TerminalMode;
use parallax_api::workspace::{Diff, DiffAgainst, DiffFormat};
use parallax_api::{AgentId, Problem};
use parallax_service::extract::Path;
use parallax_service::idempotency::Idempotency;
use parallax_service::openapi;
use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Document;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::core::RuntimeCore;

/// What handlers share.
#[derive(Clone)]
pub(super) struct App {
    pub(super) core: Arc<RuntimeCore>,
    pub(super) idempotency: Idempotency,
}

#[derive(OpenApi)]
#[openapi(
    paths(parallax_service::access::ticket::create),
    components(schemas(ArchiveFormat, Diff, DiffAgainst, DiffFormat, LogFormat, TerminalMode)),
    info(
        title = "Parallax runtime",
        description = "Runs CLI agents on one backend. Refusals are `application/problem+json` with a `code`."
    ),
    tags(
        (name = "agents", description = "Spawn, list, stop"),
        (name = "conversation", description = "Messages, keys, answers"),
        (name = "observation", description = "Screens, logs, metrics, reasons"),
        (name = "files", description = "Files of working directories"),
        (name = "ports", description = "What agents serve"),
        (name = "workspaces", description = "Checkouts of agents: what was changed, commit, push, merge"),
        (name = "streams", description = "Terminals and events"),
        (name = "operations", description = "For whoever runs the server"),
    )
)]
struct Root;

/// Every route.
pub(super) fn router(app: App) -> Router {
    let (router, _) = described().split_for_parts();
    router.merge(agents()).with_state(app).route("/api/openapi.json", openapi::route(document))
}

/// The description of the API.
fn document() -> Document {
    openapi::complete(openapi::agents::described_at("/api/agents", described().into_openapi()))
}

fn described() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Root::openapi())
        .routes(routes!(agents::message, agents::withdraw))
        .routes(routes!(events::sse))
        .routes(routes!(events::websocket))
        .routes(routes!(terminal::terminal))
        .routes(routes!(ports::tunnel))
        .routes(routes!(workspaces::list))
        .routes(routes!(workspaces::gc))
        .routes(routes!(ops::health))
        .routes(routes!(ops::ready))
        .routes(routes!(ops::checks))
        .routes(routes!(ops::control_plane))
        .routes(routes!(ops::metrics))
}

/// The routes of agents, which [`openapi::agents`] describes.
fn agents() -> Router<App> {
    Router::new()
        .route("/api/agents", post(agents::spawn).get(agents::list))
        .route("/api/agents/{id}", get(agents::get).delete(agents::stop))
        .route("/api/agents/{id}/send", post(agents::send))
        .route("/api/agents/{id}/messages", get(agents::messages))
        .route("/api/agents/{id}/screen", get(agents::screen))
        .route("/api/agents/{id}/status", get(agents::status))
        .route("/api/agents/{id}/metrics", get(agents::metrics))
        .route("/api/agents/{id}/ports", get(ports::list))
        .route("/api/agents/{id}/input", post(agents::input))
        .route("/api/agents/{id}/answer", post(agents::answer))
        .route("/api/agents/{id}/interrupt", post(agents::interrupt))
        .route("/api/agents/{id}/restart", post(agents::restart))
        .route("/api/agents/{id}/suspend", post(agents::suspend))
        .route("/api/agents/{id}/resume", post(agents::resume))
        .route("/api/agents/{id}/logs", get(logs::logs))
        .route("/api/agents/{id}/files", get(files::root).post(files::unpack))
        .route(
            "/api/agents/{id}/files/{*path}",
            get(files::get).put(files::put).post(files::unpack_below).delete(files::delete),
        )
        .route("/api/agents/{id}/changes", get(workspaces::changes))
        .route("/api/agents/{id}/diff", get(workspaces::diff))
        .route("/api/agents/{id}/conflicts", get(workspaces::conflicts))
        .route("/api/agents/{id}/commit", post(workspaces::commit))
        .route("/api/agents/{id}/push", post(workspaces::push))
        .route("/api/agents/{id}/pull-request", post(workspaces::pull_request))
        .route("/api/agents/{id}/merge", post(workspaces::merge))
}

/// The agent's id in the path. Text that cannot be an id names no agent.
struct Id(AgentId);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(id) = Path::<String>::from_request_parts(parts, state).await?;
        id.parse().map(Self)
    }
}
