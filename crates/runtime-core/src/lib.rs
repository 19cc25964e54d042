//! The runtime server: one backend behind it, the runtime API in front of it.
//!
//! - [`backend`]: the one seam. [`AgentBackend`] starts, reaches, finds, measures and removes an agent's host.
//! - [`host`]: the other end of a host's socket: HTTP, event stream and terminal over any stream of bytes to it.
//! - [`policy`]: what an operator sets: maxima, defaults, images, variables, and classes of these.
//! - [`pool`]: what warm pools have in common.
//! - [`handshake`], [`find_host_program`], [`files`], [`os`], [`args`], [`name_pattern`], [`PackedFiles`]: what backends have in common.
//! - [`run()`]: a program's `main`.
//! - [`server`]: everything else, the same for every backend:
//!   - `routes` extract, call `core`, answer. `core` finds the entry in the `registry` and asks its host, or, after the
//!     end, the `archive`.
//!   - `spawn` makes a `Launch` of a request and has the backend launch it; `adopt` finds agents again after a restart,
//!     and `backend_events` handles what comes from the backend itself.
//!   - `follower` pulls each host's journal into the event log, once each, and sees an agent to its end: what stays
//!     readable goes into the `archive` (from the host, or from the disk of a dead one), then the host goes. `purge` forgets
//!     the agent an hour later.
//!   - `suspension` ends agents so that they come back; its `lock` lets one at a time.
//!   - `workspaces`, `clones` (`carrying`, `ending`), `change_watch` and `repositories`: checkouts, what changes in them, and from where they may be cloned;
//!     `kept_workspaces`: what the next server finds of them.
//!   - `ports`: which ports an agent gets for itself.
//!   - `viewing` hands viewers of terminals to hosts of the same machine, and relays those of others frame by frame.
//!
//! A spawn: `routes::agents::spawn` → `RuntimeCore::spawn` → [`AgentBackend::launch`] ⇒ host. A message: `routes::agents::send`
//! → `RuntimeCore::send` → [`host::HostClient::send`] ⇒ host. Its answer: host ⇒ `follower` → event log → WebSocket or SSE.

pub mod args;
pub mod backend;
pub mod files;
pub mod handshake;
pub mod host;
mod host_program;
pub mod name_pattern;
pub mod os;
mod packed_files;
pub mod policy;
pub mod pool;
mod run;
pub mod server;

pub use backend::{AgentBackend, BackendEvent, FoundHost, Health, Usage};
pub use host::HostAddress;
pub use host_program::find_host_program;
pub use packed_files::PackedFiles;
pub use parallax_workspace::KeptWorkspace;
pub use policy::Policy;
pub use run::run;
pub use server::{
    Environment, Keep, PortSpace, Repositories, RuntimeConfig, RuntimeServer, Workdirs, WorkspacePolicy,
};
