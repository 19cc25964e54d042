//! Agents as containers of a Docker engine.
//!
//! - `context`: what the following parts share. `backend` implements the trait with them: `launch` starts a container,
//!   `discovery` finds containers, `removal` removes them, `host_files` copies a dead host's
//!   files out of one, `usage` measures them.
//! - A launch: `image` (which one, and pulling it, which `pull_metrics` counts) → `network` → `host_program` (the one for the engine's
//!   machine) → `host_volume` (it, for any image) → `container`
//!   (the request to the engine: a pure function) → `directories` → `start` (the launch goes in by standard input, the result
//!   of the start comes out) → `connector`.
//! - `pool`: containers that wait for a launch. `suspension`: agents that come back, and `kept_launches`, with which they do.
//! - `policy`: what an operator sets for containers. `pauses`: containers that somebody paused. `storage`: whether the engine limits disk
//!   space. `pull_progress`: how far a pull is.
//! - `look`: a look into a workspace whose agents have ended.
//! - What keeps agents apart: `volumes` (which ones may be worked in), `egress` (what may be reached).
//! - `examine`: all of it looked at for `parallax doctor`, also from inside a container.
//! - `user` and `credentials`: who an agent is, and what is mounted into its home. `layout`: paths, labels and names.
//! - `identity`: several servers share an engine without touching each other's containers.
//! - [`DockerConfig`] and [`build`]: this backend in a [`RuntimeServer`]. [`gc`]: removes what no server owns.
//!
//! [`RuntimeServer`]: parallax_runtime_core::RuntimeServer

mod backend;
mod config;
mod connector;
mod container;
mod context;
mod credentials;
mod directories;
mod discovery;
mod egress;
mod elf;
mod engine;
mod examine;
pub mod gc;
mod host_files;
mod host_program;
mod host_volume;
mod identity;
mod image;
mod kept_launches;
mod launch;
mod layout;
mod look;
mod network;
mod pauses;
mod policy;
mod pool;
mod pull_metrics;
mod pull_progress;
mod removal;
mod start;
mod storage;
mod suspension;
mod usage;
mod user;
mod volumes;

pub use backend::DockerBackend;
pub use config::{DockerArgs, DockerConfig, build};
pub use policy::ContainerArgs;
