//! The control plane over scripted runtimes, all in this process: [`plane`] and [`scripted_runtime`] are what the tests use.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod deaths;
mod events;
mod front;
mod full_disk;
mod listing;
mod patterns;
mod plane;
mod relay;
mod scripted_runtime;
mod search;
mod spawn;
mod terminal;
mod usage;
