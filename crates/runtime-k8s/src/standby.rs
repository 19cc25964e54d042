//! Answering while another replica leads: alive, not ready, and who is.

use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use parallax_api::{Code, Problem};
use parallax_service::serve::{DEFAULT_GRACE, serve};
use parallax_service::shutdown::Shutdown;

use crate::lease::{Leader, Lease};

/// Why this replica does nothing.
type Reason = Arc<Mutex<String>>;

/// Waits on `listener`'s address until this replica leads. False: the shutdown began first.
///
/// # Errors
/// When the listener cannot be used.
pub async fn until_leader(
    lease: &mut Lease,
    listener: &TcpListener,
    shutdown: &Shutdown,
) -> anyhow::Result<bool> {
    match lease.take().await {
        // Most often: nobody waits, and nothing is answered that would be untrue a moment later.
        Ok(Leader::Me) => return Ok(true),
        Ok(Leader::Other(holder)) => tracing::info!(holder, "standing by: another replica leads"),
        Err(problem) => tracing::warn!(%problem, "standing by"),
    }
    let reason: Reason = Arc::default();
    let standing = Shutdown::new();
    let clone = tokio::net::TcpListener::from_std(listener.try_clone()?)?;
    let serving = tokio::spawn(serve(clone, router(reason.clone()), standing.clone(), DEFAULT_GRACE / 10));
    let told = move |why: String| *reason.lock().expect("nothing panics while it is locked") = why;
    let leads = tokio::select! {
        () = lease.lead(told) => true,
        () = shutdown.begun() => false,
    };
    standing.begin();
    serving.await??;
    Ok(leads)
}

fn router(reason: Reason) -> Router {
    Router::new().route("/health", get(|| async { "ok" })).fallback(stands_by).with_state(reason)
}

async fn stands_by(State(reason): State<Reason>) -> Problem {
    let reason = reason.lock().expect("nothing panics while it is locked").clone();
    Problem::new(Code::RuntimeUnavailable, format!("this replica of the runtime stands by: {reason}"))
}
