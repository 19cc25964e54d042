//! Serving: accept, own every connection, drop idle ones when there are many, end all of them within a grace.

mod connections;
mod socket;
mod taking;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tower_service::Service;

use crate::memory;
use crate::peer::Peer;
use crate::process;
use crate::shutdown::Shutdown;
pub(crate) use connections::Connection;
use connections::Connections;
pub(crate) use socket::Socket;

/// How long an agent's or a server's clients get to finish when the server goes, unless told otherwise.
pub const DEFAULT_GRACE: Duration = Duration::from_secs(10);

/// Connections past the bound that wait until others end; more wait in the listener's backlog.
const SPARE: usize = 32;
/// Connections that are too slow are looked for when one may be, no more often than this …
const MIN_SWEEP: Duration = Duration::from_secs(1);
/// … and no less, while there are any: what a connection does changes unseen. It is less than any of them may take.
const MAX_SWEEP: Duration = Duration::from_secs(8);
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
    process::prepare();
    memory::trim();
    shutdown.tracker().spawn(memory::tidy(shutdown.clone()));
    serve_at_most(process::max_connections(), listener, router, shutdown, grace).await
}

/// The same with at most so many connections.
///
/// # Errors
/// As [`serve`].
pub async fn serve_at_most(
    max_connections: usize,
    listener: TcpListener,
    router: Router,
    shutdown: Shutdown,
    grace: Duration,
) -> anyhow::Result<()> {
    let connections = Connections::new(max_connections);
    let mut tasks = JoinSet::new();
    let mut sweep_at = None;
    loop {
        tokio::select! {
            biased;
            () = shutdown.begun() => break,
            Some(_) = tasks.join_next() => {}
            () = sleep_until(sweep_at) => {
                connections.drop_late();
                sweep_at = next_sweep(&connections);
            }
            accepted = listener.accept(), if connections.count() < max_connections + SPARE => match accepted {
                Ok((stream, _)) => {
                    let connection = connections.add();
                    connections.make_room();
                    sweep_at = sweep_at.into_iter().chain(next_sweep(&connections)).min();
                    tasks.spawn(serve_connection(stream, connection, router.clone(), shutdown.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "failed to accept a connection");
                    connections.drop_idle();
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    shutdown.tracker().close();
    let ended = async {
        while tasks.join_next().await.is_some() {}
        shutdown.tracker().wait().await;
    };
    if tokio::time::timeout(grace, ended).await.is_err() {
        tracing::warn!(
            connections = tasks.len(),
            tasks = shutdown.tracker().len(),
            "dropping what did not end within the grace"
        );
        tasks.shutdown().await;
    }
    Ok(())
}

/// When to look next. `None`: there is no connection.
fn next_sweep(connections: &Connections) -> Option<Instant> {
    let now = Instant::now();
    Some(connections.late_at()?.clamp(now + MIN_SWEEP, now + MAX_SWEEP))
}

/// Without connections there is nothing to wait for.
async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// One connection to its end. A shutdown lets the request in progress finish and ends the connection after it.
async fn serve_connection(
    stream: TcpStream,
    connection: Arc<Connection>,
    router: Router,
    shutdown: Shutdown,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "failed to set TCP_NODELAY");
    }
    // Before the first request: a socket that its owner has closed since belongs to nobody.
    let peer = Peer::of(&stream);
    let dropped = connection.dropped();
    let socket = Socket::new(stream, connection.clone());
    let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let (connection, mut router) = (connection.clone(), router.clone());
        async move {
            let busy = connection.begin_request();
            let mut request: Request = request.map(Body::new);
            let extensions = request.extensions_mut();
            extensions.insert(connection.until_closed());
            if let Some(peer) = peer {
                extensions.insert(peer);
            }
            let response = router.call(request).await?;
            if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                connection.upgraded();
            }
            Ok::<_, std::convert::Infallible>(response.map(|body| busy.until_sent(body)))
        }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        // `Connections` measures the time of a head.
        .header_read_timeout(None)
        .serve_connection(TokioIo::new(socket), service)
        .with_upgrades();
    let mut served = std::pin::pin!(served);
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = dropped.cancelled() => return,
        () = shutdown.begun() => {
            served.as_mut().graceful_shutdown();
            tokio::select! {
                ended = served => ended,
                () = dropped.cancelled() => return,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended");
    }
}
