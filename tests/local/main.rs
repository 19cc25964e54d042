//! What a clone alone can run: built servers, hosts and agents as processes of this machine. `make test` runs it.

mod cli;
mod conformance;
mod control_plane;
mod dead_hosts;
mod delivery;
mod files;
mod following;
mod handed_viewers;
mod late_viewers;
mod local_runtime;
mod models;
mod patterns;
mod ports;
mod private_memory;
mod quick_start;
mod refusals;
mod shells;
mod stopped_host;
mod survival;
mod terminal_closes;
mod typing;
mod up;
mod workspaces;
