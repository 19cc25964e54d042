//! What a replica answers while another one leads: that it is alive, that it is not ready, and who leads.

use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use parallax_api::{Code, Problem};
use parallax_service::serve::{DEFAULT_GRACE, serve};
use parallax_service::shutdown::Shutdown;

use crate::lease::{Leader, Lease};

/// Why this replica stands by.
type Reason = Arc<Mutex<String>>;

/// Serves on `listener`'s address until this replica leads. False: the shutdown began first.
///
/// # Errors
/// When the listener cannot be used.
pub async fn until_leader(
    lease: &mut Lease,
    listener: &TcpListener,
    shutdown: &Shutdown,
) -> anyhow::Result<bool> {
    match lease.take().await {
        // The common case: no server is started for the moment between.
        Ok(Leader::Me) => return Ok(true),
        Ok(Leader::Other(holder)) => tracing::info!(holder, "standing by: another replica leads"),
        Err(problem) => tracing::warn!(%problem, "standing by"),
    }
    let reason: Reason = Arc::default();
    let standby = Shutdown::new();
    let clone = tokio::net::TcpListener::from_std(listener.try_clone()?)?;
    let serving = tokio::spawn(serve(clone, router(reason.clone()), standby.clone(), DEFAULT_GRACE / 10));
    let on_standby = move |why: String| *reason.lock().expect("nothing panics while it is locked") = why;
    let leads = tokio::select! {
        () = lease.lead(on_standby) => true,
        () = shutdown.begun() => false,
    };
    standby.begin();
    serving.await??;
    Ok(leads)
}

fn router(reason: Reason) -> Router {
    Router::new().route("/health", get(|| async { "ok" })).fallback(refuse).with_state(reason)
}

async fn refuse(State(reason): State<Reason>) -> Problem {
    let reason = reason.lock().expect("nothing panics while it is locked").clone();
    Problem::new(Code::RuntimeUnavailable, format!("this replica of the runtime stands by: {reason}"))
}
