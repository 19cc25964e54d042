//! Agents as processes of this machine.
//!
//! - [`LocalBackend`]: the backend. A host is a detached process in a session of its own; it is found again by its directory
//!   under the state directory, and reached by the Unix socket in it.
//!   - `launch` starts one; `agent_dir` knows what a directory holds and whether its host lives; `end` takes an agent's
//!     processes away, to the last one; `types` says which CLIs are installed.
//!   - `census` is every process of the machine with its marks, looked at once for all who ask at the same time; `look` is every process by its
//!     parent, for what agents use.
//!   - `process` says which processes are hosts and which are below which; `os` lists and signals them without ever meeting a stranger that
//!     got a dead one's number.
//! - [`LocalConfig`] and [`build`]: this backend in a [`RuntimeServer`], for the program and for `parallax up`.
//!
//! [`RuntimeServer`]: parallax_runtime_core::RuntimeServer

mod agent_dir;
mod backend;
mod census;
mod config;
mod end;
mod launch;
mod look;
mod os;
mod process;
mod types;

pub use backend::LocalBackend;
pub use config::{LocalArgs, LocalConfig, build};
