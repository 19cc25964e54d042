//! Tickets: for a browser's WebSocket and `EventSource`, which cannot send a header. A ticket stands in the query
//! instead, works once, and only for a short time, so that one found in a log opens nothing.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderName, Method, header};
use parallax_api::{Code, Problem, Time};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use utoipa::ToSchema;
use uuid::Uuid;

use super::Access;
use super::client::ClientKey;
use super::token::{Caller, Scope, digest};

/// Where tickets are given out.
pub const PATH: &str = "/api/tickets";
/// How long a ticket works: long enough to open a socket, too short to be passed on.
pub const LIFETIME: Duration = Duration::from_secs(30);
/// Tickets that may be out at once; past it `RESOURCE_LIMIT` until old ones end.
const MAX_TICKETS: usize = 4096;
/// The same for one client, so that none takes those of the others.
const MAX_TICKETS_PER_CLIENT: usize = 256;

/// A ticket.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Ticket {
    /// What to send as `?ticket=`, once.
    pub ticket: String,
    /// When it ends.
    pub expires_at: Time,
}

/// `POST /api/tickets`: a ticket with the caller's own scope.
#[utoipa::path(
    post, path = "/api/tickets", tag = "operations", operation_id = "create_ticket",
    responses((status = 200, description = "A single-use ticket for `?ticket=` on a GET or an upgrade", body = Ticket))
)]
pub async fn create(
    State(access): State<Access>,
    caller: Caller,
) -> Result<([(HeaderName, &'static str); 1], Json<Ticket>), Problem> {
    let ticket = access.0.tickets.issue(caller.scope(), caller.client())?;
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(ticket)))
}

/// A ticket that is out.
#[derive(Debug)]
struct Issued {
    scope: Scope,
    client: ClientKey,
    ends: Instant,
}

/// The tickets that are out.
#[derive(Debug, Default)]
pub(super) struct Tickets {
    /// By digest, so that looking one up tells nothing about the others.
    out: Mutex<HashMap<[u8; 32], Issued>>,
}

impl Tickets {
    fn issue(&self, scope: Scope, client: ClientKey) -> Result<Ticket, Problem> {
        // 122 random bits of the system's generator.
        let ticket = Uuid::new_v4().simple().to_string();
        let now = Instant::now();
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        out.retain(|_, issued| issued.ends > now);
        let of_client = out.values().filter(|issued| issued.client == client).count();
        if of_client >= MAX_TICKETS_PER_CLIENT || out.len() >= MAX_TICKETS {
            return Err(Problem::new(
                Code::ResourceLimit,
                format!(
                    "{of_client} tickets of this client and {} in all are out; try again when some have ended, in {} s",
                    out.len(),
                    LIFETIME.as_secs()
                ),
            )
            .with("limit", MAX_TICKETS_PER_CLIENT));
        }
        out.insert(digest(&ticket), Issued { scope, client, ends: now + LIFETIME });
        let expires_at = Time::from_millis(Time::now().as_millis() + LIFETIME.as_millis() as i64);
        Ok(Ticket { ticket, expires_at })
    }

    /// What the ticket allows, and whose it is; it is used up.
    pub fn redeem(&self, ticket: &str) -> Option<(Scope, ClientKey)> {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        let issued = out.remove(&digest(ticket))?;
        (issued.ends > Instant::now()).then_some((issued.scope, issued.client))
    }
}

/// The ticket in the query, for requests that read: an upgrade is a GET too.
pub(super) fn of(request: &Request) -> Option<&str> {
    if request.method() != Method::GET {
        return None;
    }
    request.uri().query()?.split('&').find_map(|pair| pair.strip_prefix("ticket="))
}
