//! Agents as containers of a Docker engine.
//!
//! - [`DockerBackend`]: the place. A host is the first process of a container; it is found again by its labels, and reached
//!   at the container's address or, where there is none, by a program run beside it.
//!   - `launch` tells the story of a start: `image` (which one, and fetching it) → `network` → `host_volume` (the host's
//!     program, for any image) → `container` (what the engine is asked for: a pure function) → `ownership` (its directories)
//!     → `start` (the launch goes in by standard input, how it went comes out) → `reach`.
//!   - `remains` says what is left of agents: those that live, and how others ended; `usage` what they use.
//!   - `identity` makes this server's agents its own: several servers share an engine without touching each other's.
//! - [`DockerSettings`] and [`build`]: this backend in a [`RuntimeServer`]. [`gc`]: removes what no server owns.
//!
//! [`RuntimeServer`]: parallax_runtime_core::RuntimeServer

mod backend;
mod config;
mod container;
mod engine;
pub mod gc;
mod host_volume;
mod identity;
mod image;
mod launch;
mod network;
mod ownership;
mod reach;
mod remains;
mod start;
mod usage;

pub use backend::DockerBackend;
pub use config::{DockerArgs, DockerConfig, build};
