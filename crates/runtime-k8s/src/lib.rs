//! Agents as pods of a Kubernetes cluster.
//!
//! - `backend`: the place. An agent is a `ParallaxAgent` resource ([`resource`]), whoever made it; its host runs in a pod.
//!   - `launch` is what the API asks for: the resource, a Secret with the launch, and waiting for the host. Somebody with
//!     `kubectl` makes the resource alone; then the server is asked by it (`controller` → runtime-core → `launch`).
//!   - `controller` does what resources say: makes the pod (`pod`: a pure function), suspends, cleans up, shows the status.
//!   - `view` is the namespace as two watches tell it; everything reads there, and an idle agent costs the API server nothing.
//!   - `reasons` says what a pod says of itself: why it cannot start, how it ended. `remains` finds agents again and takes
//!     them away; `reach` connects to their hosts; `book` has what only this server knows.
//! - [`lease`] and [`standby`]: of several replicas one leads, the others answer that they stand by.
//! - `key`, `names`, `cluster`, `counting`, `pause`: tokens, names, the API's refusals, counting its requests, backing off.
//! - [`KubernetesSettings`] and [`Place`]: this backend in a [`RuntimeServer`].
//!
//! [`RuntimeServer`]: parallax_runtime_core::RuntimeServer

mod backend;
mod book;
mod cluster;
mod controller;
mod counting;
mod image;
mod key;
mod launch;
pub mod lease;
mod names;
mod pause;
mod pod;
mod reach;
mod reasons;
mod remains;
pub mod resource;
#[cfg(test)]
mod scripted;
mod settings;
pub mod standby;
mod view;

pub use settings::{KubernetesArgs, KubernetesSettings, Place};
