//! Ports: who listens, and a stream of bytes to one of them.

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::header::{CONNECTION, UPGRADE};
use axum::http::{Response, StatusCode};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use parallax_api::ports::{AgentPorts, TUNNEL};
use parallax_api::{AgentStatus, Code, Problem, tunnel};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_util::sync::CancellationToken;

use super::Host;
use crate::ports;

/// Connections to ports of the agent at once. A browser has six to a server, and a page some sockets beside.
const MAX_TUNNELS: usize = 64;
/// A host has one agent.
static TUNNELS: Semaphore = Semaphore::const_new(MAX_TUNNELS);

/// Who listens.
pub(super) async fn list(State(host): State<Host>) -> Result<Json<AgentPorts>, Problem> {
    let range = host.session.agent().ports;
    tokio::task::spawn_blocking(move || ports::list(range)).await.map(Json).map_err(Problem::internal)
}

/// Makes the connection one to a port.
pub(super) async fn tunnel(
    State(host): State<Host>,
    port: Result<Path<u16>, PathRejection>,
    mut request: Request,
) -> Result<Response<Body>, Problem> {
    let Path(port) = port.map_err(|error| Problem::invalid("port", error.body_text()))?;
    let agent = host.session.agent();
    if agent.status == AgentStatus::Stopped {
        return Err(Problem::new(Code::AgentStopped, "the agent has ended, and nothing of it listens"));
    }
    let asks = request.headers().get(UPGRADE).is_some_and(|protocol| protocol == TUNNEL);
    let Some(upgrade) = request.extensions_mut().remove::<OnUpgrade>().filter(|_| asks) else {
        return Err(Problem::invalid("upgrade", format!("ask for an upgrade to `{TUNNEL}`")));
    };
    let permit = TUNNELS.try_acquire().map_err(|_| too_many())?;
    let stream = ports::connect(port).await?;
    tokio::spawn(serve(upgrade, stream, permit, host.released.clone()));
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, "upgrade".parse().map_err(Problem::internal)?);
    headers.insert(UPGRADE, TUNNEL.parse().map_err(Problem::internal)?);
    Ok(response)
}

fn too_many() -> Problem {
    let detail = format!(
        "{MAX_TUNNELS} connections to ports of this agent are open, the most there may be; close some, or try again later"
    );
    Problem::new(Code::ResourceLimit, detail).with("limit", MAX_TUNNELS)
}

/// Until one side ends or nothing comes and goes any more, or the host ends.
async fn serve(
    upgrade: OnUpgrade,
    port: TcpStream,
    _permit: SemaphorePermit<'static>,
    released: CancellationToken,
) {
    let Ok(server) = upgrade.await else { return };
    tokio::select! {
        () = tunnel::join(TokioIo::new(server), port) => {}
        () = released.cancelled() => {}
    }
}
