//! The words of the contract: what crosses a socket, and the typed client that speaks it.
//!
//! Nothing here has behaviour beyond parsing and checking itself. Read in this order:
//!
//! - [`agent`]: an agent as everyone sees it, and the request that spawns one
//! - [`workspace`]: a git checkout of an agent's own
//! - [`files`]: files of its working directory
//! - [`ports`]: a range of ports of its own, and who listens
//! - [`message`]: what is sent to an agent and what it answers
//! - [`terminal`]: keys, screens, and the frames of the terminal WebSocket
//! - [`event`]: what is told about agents as it happens
//! - [`observe`]: logs, metrics, and why an agent has the status it has
//! - [`pattern`], [`execution`]: org-chart patterns, and their runs
//! - [`preset`]: named spawn requests
//! - [`search`]: over what agents were told, said and showed
//! - [`push`]: devices that are told when somebody waits
//! - [`usage`]: what agents use over time
//! - [`access`]: what the caller may do
//! - [`runtime`]: the runtimes behind a control plane
//! - [`check`]: what a server found when it looked at what it needs
//! - [`quantity`]: amounts of CPU and memory
//! - [`problem`]: every refusal, one list of codes
//! - [`retry`]: waiting between attempts
//! - [`host`]: what an agent host and its runtime server say to each other
//! - [`time`]: points in time, and lengths of it
//! - [`tunnel`]: two streams of bytes as one connection, for ports
//! - [`text`]: which characters of a text a person sees
//! - [`client`]: the typed client (REST and streams)

pub mod access;
pub mod agent;
mod beside;
pub mod check;
pub mod client;
pub mod compat;
pub mod env_value;
pub mod event;
pub mod execution;
pub mod files;
pub mod host;
pub mod message;
pub mod observe;
pub mod pace;
pub mod pattern;
pub mod ports;
pub mod preset;
pub mod problem;
pub mod push;
pub mod quantity;
pub mod retry;
pub mod runtime;
pub mod search;
pub mod terminal;
pub mod text;
pub mod time;
pub mod tunnel;
pub mod usage;
pub mod workspace;

pub use agent::{
    Activity, Agent, AgentError, AgentExit, AgentId, AgentStatus, Approvals, Attention, AttentionKind,
    AttentionOption, AttentionQuestion, AttentionTool, SpawnRequest, TerminalSize,
};
pub use event::{Event, EventData};
pub use message::{Message, Role, SendRequest, SendResponse, WhenBusy};
pub use problem::{Code, Problem};
pub use time::Time;
