//! Ports of an agent: who listens, and a stream of bytes to one of them, both through its host.

use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CONNECTION, UPGRADE};
use axum::http::{HeaderValue, Response, StatusCode};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use parallax_api::ports::{AgentPorts, TUNNEL};
use parallax_api::{Problem, tunnel};
use parallax_service::access::Operator;
use parallax_service::extract::Path;

use super::{App, Id};

/// Who listens.
pub(super) async fn list(State(app): State<App>, Id(id): Id) -> Result<Json<AgentPorts>, Problem> {
    app.core.ports(&id).await.map(Json)
}

/// A connection to a port of the agent, as a stream of bytes.
///
/// Only a port of its range, or one on which its own processes listen; 404 for others. For control planes, which speak HTTP over it.
#[utoipa::path(
    get, path = "/api/agents/{id}/ports/{port}/tunnel", tag = "ports", operation_id = "open_tunnel",
    params(
        ("id" = String, Path, description = "The agent's id"),
        ("port" = u16, Path, minimum = 1, maximum = 65535),
        ("upgrade" = String, Header, description = "`parallax-tunnel`"),
    ),
    responses(
        (status = 101, description = "The stream"),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn tunnel(
    State(app): State<App>,
    _: Operator,
    Path((id, port)): Path<(String, u16)>,
    mut request: Request,
) -> Result<Response<Body>, Problem> {
    let id = id.parse()?;
    let asks = request.headers().get(UPGRADE).is_some_and(|protocol| protocol == TUNNEL);
    let Some(upgrade) = request.extensions_mut().remove::<OnUpgrade>().filter(|_| asks) else {
        return Err(Problem::invalid("upgrade", format!("ask for an upgrade to `{TUNNEL}`")));
    };
    let host = app.core.tunnel(&id, port).await?;
    let shutdown = app.core.shutdown.clone();
    app.core.shutdown.tracker().spawn(async move {
        let Ok(client) = upgrade.await else { return };
        tokio::select! {
            () = tunnel::join(TokioIo::new(client), TokioIo::new(host)) => {}
            () = shutdown.begun() => {}
        }
    });
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static(TUNNEL));
    Ok(response)
}
