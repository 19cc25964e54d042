//! Org-chart patterns: a team described in one file, run by real agents.
//!
//! A file goes `yaml` (a tree that knows its lines) → [`schema`] (its shape) → [`pattern`] (types) → [`check`] (what types cannot
//! express); each adds its `findings`. A [`run`] then does what the file says. It reaches agents through
//! [`run::agent_client::AgentClient`] and stores its events in a [`run::Journal`]: the control plane implements both, and so
//! does a simulation in the tests. Nothing here opens a socket or a file.
//!
//! `expression` is the language of conditions and variables; `answer_parser` finds verdicts, questions and choices in answers.
//!
//! A *run* in the code is an *execution* on the wire, in the tables and in the events. They are the same.

mod answer_parser;
pub mod check;
mod expression;
mod field_path;
mod findings;
pub mod pattern;
pub mod run;
pub mod schema;
mod suggest;
mod topics;
mod yaml;
