//! The API of a control plane: one line a route.

mod agents;
mod calls;
mod extract;
mod operations;
mod patterns;
mod runs;
mod streams;

use axum::Router;
use axum::routing::get;
use parallax_api::observe::LogFormat;
use parallax_api::terminal::TerminalMode;
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
    components(schemas(LogFormat, TerminalMode)),
    info(
        title = "Parallax control plane",
        description = "Spawns and manages CLI agents on every runtime. Refusals are `application/problem+json` with a `code`."
    ),
    tags(
        (name = "agents", description = "Spawn, list, stop"),
        (name = "conversation", description = "Messages, keys, answers"),
        (name = "observation", description = "Screens, logs, metrics, reasons"),
        (name = "streams", description = "Terminals and events"),
        (name = "patterns", description = "Org-chart patterns and their runs"),
        (name = "operations", description = "For whoever runs the server"),
    )
)]
struct Root;

/// Every route.
pub fn router(app: App) -> Router {
    let (router, document) = described().split_for_parts();
    router
        .route("/ws/events", get(streams::events_socket))
        .route("/ws/agents/{id}/terminal", get(streams::terminal))
        .route("/api/openapi.json", get(move || async move { axum::Json(document) }))
        .with_state(app)
        .merge(web_ui::routes())
}

/// The description of the API.
pub fn document() -> Document {
    described().into_openapi()
}

fn described() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Root::openapi())
        .routes(routes!(agents::spawn, agents::list))
        .routes(routes!(agents::get, agents::stop))
        .routes(routes!(calls::send))
        .routes(routes!(calls::messages))
        .routes(routes!(calls::input))
        .routes(routes!(calls::answer))
        .routes(routes!(calls::interrupt))
        .routes(routes!(calls::restart))
        .routes(routes!(calls::logs))
        .routes(routes!(calls::screen))
        .routes(routes!(calls::status))
        .routes(routes!(calls::metrics))
        .routes(routes!(streams::terminal))
        .routes(routes!(streams::events))
        .routes(routes!(patterns::list, patterns::create))
        .routes(routes!(patterns::validate))
        .routes(routes!(patterns::json_schema))
        .routes(routes!(patterns::get, patterns::put, patterns::delete))
        .routes(routes!(patterns::execute))
        .routes(routes!(runs::list))
        .routes(routes!(runs::get))
        .routes(routes!(runs::events))
        .routes(routes!(runs::answer))
        .routes(routes!(runs::cancel))
        .routes(routes!(operations::runtimes))
        .routes(routes!(operations::health))
        .routes(routes!(operations::ready))
}
