//! What a clone alone can run: built servers, hosts and agents as processes of this machine. `make test` runs it.

mod cli;
mod conformance;
mod control_plane;
mod dead_hosts;
mod delivery;
mod files;
mod models;
mod patterns;
mod quick_start;
mod refusals;
mod shell_runtime;
mod shells;
mod survival;
mod typing;
mod up;
mod workspaces;
