//! Agents as pods of a Kubernetes cluster.
//!
//! An agent is a `ParallaxAgent` resource ([`resource`]), whether the API made it or a person; its host runs in a pod. The way
//! is resource → controller → pod → connector; `controller` has it drawn.
//!
//! - `server`: [`ConnectedCluster`] builds a [`RuntimeServer`] over this backend, with the configuration of `config`.
//! - `context`: what the following parts share.
//!   - `backend` implements the trait: `launch` makes the resource and a Secret with the launch and waits for the host,
//!     `discovery` finds hosts, `removal` removes them, `moving` says which of them go on elsewhere.
//!   - `controller` brings pods to what resources say. It makes the pod (`pod`: a pure function), suspends it, cleans up and
//!     writes the status.
//!   - `cache` mirrors the namespace by two watches and holds the controller's work queue; all reads go there.
//!   - `pod_state` is the state of a pod: why it cannot start, how it ended. `connector` opens connections to hosts.
//!     `launch_tracker` has the launches of this server. `events` writes Kubernetes Events.
//! - [`lease`], `leader` and [`standby`]: leader election, the label of the leader's pod, and what the other replicas answer.
//! - `pool`: pods that wait for a launch. `busy_label`: pods whose agents work, for a PodDisruptionBudget.
//! - `examine`: what is needed, looked at for `parallax doctor`.
//! - `claims`: which ones agents may work in. `workspace_claims`: those that git workspaces are on. `sealed`: secrets among what is kept
//!   with them.
//! - `policy`: what an operator sets for pods; `classes`: the same by resources. `suspension`: suspending by the API. `quantity`:
//!   amounts as Kubernetes writes them.
//! - `token_key`, `names`, `image`, `cluster`, `request_metrics`: what the above need.
//!
//! [`RuntimeServer`]: parallax_runtime_core::RuntimeServer

mod backend;
mod busy_label;
mod cache;
mod claims;
mod classes;
mod cluster;
mod config;
mod connector;
mod context;
mod controller;
mod discovery;
mod events;
mod examine;
mod host_files;
mod image;
mod launch;
mod launch_tracker;
mod leader;
pub mod lease;
mod moving;
mod names;
mod pod;
mod pod_state;
mod policy;
mod pool;
mod quantity;
mod removal;
mod request_metrics;
pub mod resource;
#[cfg(test)]
mod scripted;
mod sealed;
mod server;
pub mod standby;
mod suspension;
mod token_key;
mod workspace_claims;

pub use config::{KubernetesArgs, KubernetesConfig};
pub use server::ConnectedCluster;
