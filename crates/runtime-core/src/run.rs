//! A runtime server as a program.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use parallax_service::serve::DEFAULT_GRACE;
use parallax_service::shutdown::Shutdown;
use tokio::net::TcpListener;

use crate::backend::AgentBackend;
use crate::server::{RuntimeConfig, RuntimeServer};

/// Serves the agents of `backend` on `listen` until the shutdown begins. For a `main`.
///
/// # Errors
/// When the address is taken, or the state directory cannot be used (another server may have it).
pub async fn run(
    listen: SocketAddr,
    config: RuntimeConfig,
    backend: Arc<dyn AgentBackend>,
    shutdown: Shutdown,
) -> anyhow::Result<()> {
    let kind = backend.kind();
    // First: nothing is touched when the address is taken.
    let listener =
        TcpListener::bind(listen).await.with_context(|| format!("failed to listen on {listen}"))?;
    let server = RuntimeServer::build(config, backend, shutdown).await?;
    tracing::info!(address = %listener.local_addr()?, "the {kind} runtime listens");
    server.serve(listener, DEFAULT_GRACE).await
}
