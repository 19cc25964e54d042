//! The service crate through its front door: real servers on free ports, ordinary clients.

#![expect(clippy::unwrap_used, reason = "tests")]

mod access;
mod compression;
mod events;
mod idempotency;
mod inert;
mod model;
mod process;
mod refusals;
mod serve;
mod server;
mod shutdown;
