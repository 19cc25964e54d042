//! Ports of agents, proxied: `/agents/ID/ports/PORT/…` is what the agent serves there.
//!
//! - `target`: which agent, port and path a request is for
//! - `headers`: what goes on to the agent, and what comes back. Of the caller's credentials nothing goes on; of the agent's words nothing
//!   comes back that would make its page a page of this server
//! - `exchange`: HTTP over a tunnel through the runtime and the agent's host
//! - `reader`: whether the caller reads what is answered
//!
//! A person's browser is sent on to a path with a key in it ([`parallax_service::access::path_key`]): the agent's page is sandboxed, so
//! that it has no origin and can use nothing of this server but what the key opens, which is itself.

mod exchange;
mod headers;
mod reader;
mod target;

use std::sync::Arc;

use parallax_api::{Code, Problem};
use parallax_service::access::Caller;
use parallax_service::access::path_key::PathKeys;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub use exchange::{forward, is_websocket};
pub use headers::{Base, cross_origin};
pub use target::Target;

/// Requests and sockets to ports of all agents at once. Those of one agent are bounded by its host.
const MAX_OPEN: usize = 512;

/// Whether and for whom ports are proxied. Clones share their keys and their room.
#[derive(Clone, Debug)]
pub struct Ports {
    is_enabled: bool,
    keys: PathKeys,
    room: Arc<Semaphore>,
}

impl Ports {
    /// The proxy of a server with these keys.
    pub fn new(is_enabled: bool, keys: PathKeys) -> Self {
        Self { is_enabled, keys, room: Arc::new(Semaphore::new(MAX_OPEN)) }
    }

    /// Fails with `FORBIDDEN` when this server proxies no ports.
    pub fn check_enabled(&self) -> Result<(), Problem> {
        if self.is_enabled {
            return Ok(());
        }
        Err(Problem::new(
            Code::Forbidden,
            "this server does not proxy ports of agents; start it with --proxy-ports if it should",
        ))
    }

    /// The path of the target with a new key in it.
    pub fn open(&self, target: &Target, caller: Caller) -> String {
        self.keys.issue(&target.prefix, caller)
    }

    /// Room for one more request. Fails with `RESOURCE_LIMIT`.
    fn begin(&self) -> Result<Arc<OwnedSemaphorePermit>, Problem> {
        let permit = self.room.clone().try_acquire_owned().map_err(|_| {
            let detail = format!("{MAX_OPEN} requests to ports of agents are open; try again later");
            Problem::new(Code::ResourceLimit, detail).with("limit", MAX_OPEN)
        })?;
        Ok(Arc::new(permit))
    }
}
