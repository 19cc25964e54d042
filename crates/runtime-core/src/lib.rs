//! The runtime server, whatever the place: one backend behind it, the runtime API in front of it.
//!
//! - [`backend`]: the one seam. [`AgentBackend`] starts, reaches, finds, measures and removes an agent's host in its place.
//! - [`host`]: the other end of a host's socket: HTTP, event stream and terminal over whatever opens a stream to it.
//! - [`find_host_program`]: which program is a host.
//! - [`server`]: everything else, the same for every place:
//!   - `routes` extract, ask `agents`, answer. `agents` finds the entry in the `registry` and asks its host, or, after the
//!     end, the `archive`.
//!   - `spawn` makes a `Launch` of a request and has the backend launch it; `adopt` finds agents again after a restart,
//!     and `arrivals` takes in those that come by another door.
//!   - `follow` pulls each host's journal into the event log, once each, and sees an agent to its end: `archive` what
//!     shall stay readable, release the host, give the place back. `purge` forgets it an hour later.
//!   - `viewing` relays terminals frame by frame.
//!
//! A spawn: `routes::agents::spawn` → `RuntimeCore::spawn` → [`AgentBackend::launch`] ⇒ host. A message: `routes::agents::send` →
//! `RuntimeCore::send` → [`host::HostClient::send`] ⇒ host. Its answer: host ⇒ `follow` → event log → WebSocket or SSE.

pub mod args;
pub mod backend;
pub mod handshake;
pub mod host;
mod host_program;
mod run;
pub mod server;

pub use backend::{AgentBackend, BackendEvent, FoundHost, Health, Usage};
pub use host::HostAddress;
pub use host_program::find_host_program;
pub use run::run;
pub use server::{Environment, Keep, RuntimeConfig, RuntimeServer, Workdirs};
