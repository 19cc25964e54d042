//! A real `parallax-agent-host serve` with a shell as its agent, over its socket.

#![allow(clippy::unwrap_used, reason = "the harness fails its test")]

mod full_disk;
mod harness;
mod lifecycle;
mod peers;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod program;
mod workspaces;
