//! The runtime's API: one line a route. The same verbs as the control plane's, without the choosing.

mod agents;
mod events;
mod logs;
mod ops;
mod terminal;

use std::sync::Arc;

use axum::Router;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use parallax_api::{AgentId, Problem};
use parallax_service::extract::Path;
use parallax_service::idempotency::Idempotency;
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
#[openapi(info(
    title = "Parallax runtime",
    description = "Runs CLI agents in one kind of place. Refusals are `application/problem+json` with a `code`."
))]
struct Root;

/// Every route, and the document that describes them.
pub(super) fn router(app: App) -> (Router, Document) {
    let (router, document) = OpenApiRouter::with_openapi(Root::openapi())
        .routes(routes!(agents::spawn, agents::list))
        .routes(routes!(agents::get, agents::stop))
        .routes(routes!(agents::send))
        .routes(routes!(agents::messages))
        .routes(routes!(agents::screen))
        .routes(routes!(agents::status))
        .routes(routes!(agents::metrics))
        .routes(routes!(agents::input))
        .routes(routes!(agents::answer))
        .routes(routes!(agents::interrupt))
        .routes(routes!(agents::restart))
        .routes(routes!(logs::logs))
        .routes(routes!(events::sse))
        .routes(routes!(events::websocket))
        .routes(routes!(terminal::terminal))
        .routes(routes!(ops::health))
        .routes(routes!(ops::ready))
        .split_for_parts();
    let described = document.clone();
    let router = router
        .with_state(app)
        .route("/api/openapi.json", axum::routing::get(move || async move { axum::Json(described) }));
    (router, document)
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
