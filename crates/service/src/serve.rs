//! Serving: accept, own every connection, end all of them within a grace.

use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::shutdown::Shutdown;

/// How long an agent's or a server's clients get to finish when the server goes, unless told otherwise.
pub const DEFAULT_GRACE: Duration = Duration::from_secs(10);

/// Connections at once; more wait in the listener's backlog.
const MAX_CONNECTIONS: usize = 4096;
/// A request's head must be there in this time. The same clock runs on idle kept-alive connections, so it stands
/// above the 90 s after which common clients drop theirs: they, not we, end an idle connection.
const HEAD_TIMEOUT: Duration = Duration::from_secs(120);
/// Pause after the system refused a connection, most often for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves `router` on `listener` until `shutdown` begins, then gives connections and tracked tasks `grace` to end
/// and drops what is left.
///
/// # Errors
/// None yet: accepting goes on after every failure. The result leaves room for a listener that is gone for good.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: Shutdown,
    grace: Duration,
) -> anyhow::Result<()> {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = shutdown.begun() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, router.clone(), shutdown.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "failed to accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    shutdown.tracker().close();
    let ended = async {
        while connections.join_next().await.is_some() {}
        shutdown.tracker().wait().await;
    };
    if tokio::time::timeout(grace, ended).await.is_err() {
        tracing::warn!(
            connections = connections.len(),
            tasks = shutdown.tracker().len(),
            "dropping what did not end within the grace"
        );
        connections.shutdown().await;
    }
    Ok(())
}

/// One connection to its end. A shutdown lets the request in progress finish and ends the connection after it.
async fn connection(stream: TcpStream, router: Router, shutdown: Shutdown) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "failed to set TCP_NODELAY");
    }
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.begun() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended");
    }
}
