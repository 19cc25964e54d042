//! The API of a control plane: one line a route.

mod agents;
mod calls;
mod extract;
mod files;
mod operations;
mod patterns;
mod ports;
mod presets;
mod push;
mod runs;
mod search;
mod streams;
mod usage;
mod workspaces;

use axum::Router;
use axum::routing::{any, get, post};
use parallax_api::files::ArchiveFormat;
use parallax_api::observe::LogFormat;
use parallax_api::terminal::TerminalMode;
use parallax_api::workspace::{Diff, DiffAgainst, DiffFormat};
use parallax_service::openapi;
use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Document;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::web_ui;

#[derive(OpenApi)]
#[openapi(
    paths(parallax_service::access::ticket::create),
    // Those that only queries use.
    components(schemas(ArchiveFormat, Diff, DiffAgainst, DiffFormat, LogFormat, TerminalMode)),
    info(
        title = "Parallax control plane",
        description = "Spawns and manages CLI agents on every runtime. Refusals are `application/problem+json` with a `code`."
    ),
    tags(
        (name = "agents", description = "Spawn, list, stop"),
        (name = "conversation", description = "Messages, keys, answers"),
        (name = "observation", description = "Screens, logs, metrics, reasons"),
        (name = "files", description = "Files of working directories"),
        (name = "ports", description = "What agents serve"),
        (name = "workspaces", description = "Checkouts of agents: what was changed, commit, push, merge"),
        (name = "streams", description = "Terminals and events"),
        (name = "patterns", description = "Org-chart patterns and their runs"),
        (name = "presets", description = "Named spawn requests"),
        (name = "push", description = "Devices that are told when somebody waits"),
        (name = "operations", description = "For whoever runs the server"),
    )
)]
struct Root;

/// Every route.
pub fn router(app: App) -> Router {
    let (router, _) = described().split_for_parts();
    router
        .merge(agents())
        .merge(served())
        .route("/ws/events", get(streams::events_socket))
        .route("/ws/agents/{id}/terminal", get(streams::terminal))
        .route("/api/openapi.json", openapi::route(document))
        .with_state(app)
        .merge(web_ui::routes())
}

/// The description of the API.
pub fn document() -> Document {
    openapi::complete(openapi::agents::described_at("/api/managed-agents", described().into_openapi()))
}

/// The routes of agents, which [`openapi::agents`] describes.
fn agents() -> Router<App> {
    Router::new()
        .route("/api/managed-agents", post(agents::spawn).get(agents::list))
        .route("/api/managed-agents/{id}", get(agents::get).delete(agents::stop))
        .route("/api/managed-agents/{id}/send", post(calls::send))
        .route("/api/managed-agents/{id}/messages", get(calls::forward))
        .route("/api/managed-agents/{id}/input", post(calls::forward))
        .route("/api/managed-agents/{id}/answer", post(calls::forward_for_agent))
        .route("/api/managed-agents/{id}/interrupt", post(calls::forward_for_agent))
        .route("/api/managed-agents/{id}/restart", post(calls::restart))
        .route("/api/managed-agents/{id}/suspend", post(calls::restart))
        .route("/api/managed-agents/{id}/resume", post(calls::resume))
        .route("/api/managed-agents/{id}/logs", get(calls::forward))
        .route("/api/managed-agents/{id}/screen", get(calls::forward))
        .route("/api/managed-agents/{id}/status", get(calls::forward))
        .route("/api/managed-agents/{id}/metrics", get(calls::forward))
        .route("/api/managed-agents/{id}/ports", get(calls::forward))
        .route("/api/managed-agents/{id}/files", get(files::root).post(files::root))
        .route(
            "/api/managed-agents/{id}/files/{*path}",
            get(files::below).put(files::below).post(files::below).delete(files::below),
        )
        .route("/api/managed-agents/{id}/changes", get(calls::forward_git))
        .route("/api/managed-agents/{id}/diff", get(calls::forward_git))
        .route("/api/managed-agents/{id}/conflicts", get(calls::forward_git))
        .route("/api/managed-agents/{id}/commit", post(calls::forward_git))
        .route("/api/managed-agents/{id}/push", post(calls::forward_git))
        .route("/api/managed-agents/{id}/pull-request", post(calls::forward_pull_request))
        .route("/api/managed-agents/{id}/merge", post(calls::forward_git))
}

/// What agents serve. Not described: what is there is theirs.
fn served() -> Router<App> {
    Router::new()
        .route("/agents/{id}/ports/{port}", any(ports::proxy))
        .route("/agents/{id}/ports/{port}/", any(ports::proxy))
        .route("/agents/{id}/ports/{port}/{*path}", any(ports::proxy))
}

fn described() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Root::openapi())
        .routes(routes!(calls::message, calls::withdraw))
        .routes(routes!(streams::terminal))
        .routes(routes!(streams::events))
        .routes(routes!(patterns::list, patterns::create))
        .routes(routes!(patterns::validate))
        .routes(routes!(patterns::json_schema))
        .routes(routes!(patterns::get, patterns::put, patterns::delete))
        .routes(routes!(patterns::execute))
        .routes(routes!(runs::list))
        .routes(routes!(runs::get))
        .routes(routes!(runs::chart))
        .routes(routes!(runs::events))
        .routes(routes!(runs::answer))
        .routes(routes!(runs::budget))
        .routes(routes!(runs::cancel))
        .routes(routes!(presets::list))
        .routes(routes!(presets::get, presets::put, presets::delete))
        .routes(routes!(search::find))
        .routes(routes!(usage::series))
        .routes(routes!(usage::agents))
        .routes(routes!(push::info))
        .routes(routes!(push::put))
        .routes(routes!(push::delete))
        .routes(routes!(workspaces::list))
        .routes(routes!(workspaces::gc))
        .routes(routes!(operations::runtimes))
        .routes(routes!(operations::check_runtime))
        .routes(routes!(operations::whoami))
        .routes(routes!(operations::health))
        .routes(routes!(operations::ready))
}
