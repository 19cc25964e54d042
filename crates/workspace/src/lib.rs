//! Git checkouts of agents: each agent has a worktree of its own, on a branch of its own.
//!
//! [`Workspaces`] makes and ends worktrees of repositories on this machine, outside of them. A [`Workspace`] says what was
//! changed in it: [`Workspace::changes`] and [`Workspace::diff`]. Everything is done by the `git` program, through [`git`]: with a fixed
//! configuration, in bounded time and with bounded output. What a repository holds (hooks, filters, attributes, names of
//! files) is hostile input, and runs nothing here.

pub mod changes;
mod diff;
pub mod error;
mod finish;
pub mod git;
mod record;
mod workspace;
mod workspaces;

pub use changes::{Changes, FileChange};
pub use diff::{Against, DiffRequest};
pub use error::WorkspaceError;
pub use finish::{Keep, Outcome};
pub use record::Record;
pub use workspace::Workspace;
pub use workspaces::{NewWorkspace, Workspaces};
