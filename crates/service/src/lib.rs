//! What every server of Parallax does, apart from what it is for.
//!
//! A `main` reads [`args`] into one [`args::Settings`], starts [`telemetry`], opens the `parallax_store` in its state
//! directory, builds its routes, wraps them in the [`middleware`] and hands listener and router to [`serve`].
//!
//! One request then moves through these pieces, outermost first:
//!
//! 1. [`serve`] accepts the connection, asks the kernel whose it is ([`peer`]), and owns it until [`shutdown`] ends it.
//! 2. [`telemetry::trace`] gives it a span, [`metrics`] counts it under its route's template.
//! 3. [`access`] checks `Host`, `Origin` and token, bounds the body and says who calls ([`access::Caller`]).
//! 4. [`extract`] turns path, query and body into types; what does not fit is refused as a
//!    [`parallax_api::Problem`]. [`fallback`] does the same for unknown routes and for panics.
//! 5. The handler answers. Where a retry must be safe it goes through [`idempotency`]; where it follows events it
//!    hands an [`events::EventLog`] to [`events::stream`], which speaks SSE and WebSocket ([`websocket`]).
//!    [`listing`] is the one answer that both kinds of server give alike: agents, filtered, in pages, each state of
//!    an agent written once ([`known`]).
//! 6. On the way out, what the API answers is marked as data (`inert`), and texts are compressed (`compression`).
//!
//! [`memory`] is what the allocator keeps; `os` is what is asked of the operating system.

pub mod access;
pub mod args;
mod compression;
pub mod events;
pub mod extract;
pub mod fallback;
pub mod idempotency;
mod inert;
pub mod known;
pub mod listing;
pub mod memory;
pub mod metrics;
pub mod middleware;
pub mod openapi;
mod os;
pub mod peer;
mod private_dir;
pub mod process;
pub mod serve;
pub mod shutdown;
pub mod telemetry;
pub mod websocket;

pub use private_dir::private_dir;
