//! One control plane at a time: a runtime serves the one that asked first, for as long as it goes on asking.
//!
//! Two of them would each follow runs, tell events and stop agents as if they were alone. A control plane names itself in a
//! header of every request; callers that are no control plane name nobody and are not concerned. Whoever may not operate agents cannot
//! take the lease: `GET /ready` is open to everybody.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use parallax_api::runtime::{CONTROL_PLANE_FILE, CONTROL_PLANE_HEADER};
use parallax_api::{Code, Problem};
use parallax_service::access::{Caller, Scope};
use tokio::time::Instant;

/// A control plane that was silent for so long has lost the runtime. It asks every two seconds.
const LEASE: Duration = Duration::from_secs(15);
/// The longest name that is taken, in bytes.
const MAX_NAME: usize = 128;

/// The control plane that is served. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct ControlPlaneLease(Arc<Mutex<Option<Holder>>>);

#[derive(Debug)]
struct Holder {
    name: String,
    asked: Instant,
}

impl ControlPlaneLease {
    /// These routes, for one control plane at a time.
    pub(super) fn guard(self, router: Router) -> Router {
        router.layer(from_fn_with_state(self, pass))
    }

    /// Takes the lease for `name` or renews it. Fails with `CONFLICT` while another one has it.
    fn take(&self, name: &str) -> Result<(), Problem> {
        let mut holder = self.0.lock().expect("nothing panics while it is locked");
        let now = Instant::now();
        match &mut *holder {
            Some(held) if held.name == name => held.asked = now,
            Some(held) if now.duration_since(held.asked) < LEASE => {
                return Err(refusal(&held.name, now.duration_since(held.asked)));
            }
            held => {
                tracing::info!(control_plane = name, "a control plane has this runtime now");
                *held = Some(Holder { name: name.to_owned(), asked: now });
            }
        }
        Ok(())
    }
}

async fn pass(
    State(lease): State<ControlPlaneLease>,
    caller: Caller,
    request: Request,
    next: Next,
) -> Response {
    let taken = match name(request.headers()) {
        Ok(Some(name)) if caller.scope() >= Scope::Operate => lease.take(name),
        named => named.map(drop),
    };
    match taken {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

/// How the caller names itself. None: it is no control plane, or one of a version that did not.
fn name(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let Some(value) = headers.get(CONTROL_PLANE_HEADER) else { return Ok(None) };
    let name = value.to_str().ok().filter(|name| !name.is_empty() && name.len() <= MAX_NAME);
    name.map(Some).ok_or_else(|| {
        Problem::invalid(CONTROL_PLANE_HEADER, format!("a name of 1 to {MAX_NAME} visible characters"))
    })
}

fn refusal(holder: &str, ago: Duration) -> Problem {
    Problem::new(
        Code::Conflict,
        format!(
            "this runtime serves another control plane (`{holder}`, which asked {} s ago; the name is in {CONTROL_PLANE_FILE} of its state \
             directory); two of them do not know of each other: stop one, or give each runtimes of its own. The runtime is free {} s \
             after the other was stopped",
            ago.as_secs(),
            LEASE.as_secs()
        ),
    )
    .with("controlPlane", holder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_at_a_time() {
        let lease = ControlPlaneLease::default();
        lease.take("one").unwrap();
        tokio::time::advance(LEASE / 2).await;
        let refused = lease.take("two").unwrap_err();
        assert_eq!(refused.code, Code::Conflict);
        assert!(refused.detail.contains("`one`, which asked 7 s ago"), "{refused:?}");
        lease.take("one").unwrap();
        tokio::time::advance(LEASE / 2).await;
        lease.take("two").unwrap_err();
        tokio::time::advance(LEASE).await;
        lease.take("two").unwrap();
        lease.take("one").unwrap_err();
    }
}
