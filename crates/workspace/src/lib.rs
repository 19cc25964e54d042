//! Git checkouts of agents: each agent has a worktree (or a clone) of its own, on a branch of its own.
//!
//! [`Workspaces`] makes and ends checkouts, outside of the repositories: worktrees of repositories on this machine, and clones (`clone`, from
//! a URL by `remote`, with `credentials`). A [`Workspace`] says what was
//! changed in it ([`Workspace::changes`], [`Workspace::diff`], [`Workspaces::conflicts`]), and hands it on
//! ([`Workspace::commit`], [`Workspaces::push`], [`Workspaces::pull_request`], [`Workspaces::merge`]). Everything is done by the `git` program, through
//! [`git`]: with a fixed configuration, in bounded time and with bounded output. What a repository holds (hooks, filters,
//! attributes, names of files) is hostile input, and runs nothing here.
//!
//! An agent with a file system of its own has its clone there. The server then has a *store*: the same repository without files,
//! which holds what needs credentials or the network. `carry` takes the store to the agent's side ([`Workspaces::pack`],
//! [`Workspaces::unpack`]), and commits back ([`Workspace::export`], [`Workspaces::receive`]); `store` ends it, once nothing would be lost
//! with the clone (`unpublished`), and `restore` takes over one that another server had.

mod carry;
pub mod changes;
mod clone;
mod command_template;
mod commit;
mod conflicts;
mod credentials;
mod diff;
pub mod error;
mod finish;
pub mod git;
pub mod hunks;
mod identity;
mod index_names;
mod merge;
mod process;
mod pull_request;
mod push;
mod record;
mod refs;
pub mod remote;
mod restore;
mod scratch;
mod scratch_name;
mod size;
mod status;
mod store;
mod unpublished;
mod workspace;
mod workspaces;

pub use carry::{Incoming, ScratchFile, Stand};
pub use command_template::CommandTemplate;
pub use conflicts::{Other, Side};
pub use credentials::Credentials;
pub use error::WorkspaceError;
pub use finish::Outcome;
pub use pull_request::PullRequestCommand;
pub use record::{Ending, Record, Reopened, cut_reason};
pub use restore::KeptWorkspace;
pub use size::Size;
pub use unpublished::Unpublished;
pub use workspace::Workspace;
pub use workspaces::{CloneOptions, NewWorkspace, Workspaces};
