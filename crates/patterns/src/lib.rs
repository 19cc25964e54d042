//! Org-chart patterns: a team described in one file, run by real agents.
//!
//! A file goes `yaml` (a tree that knows its lines) → [`schema`] (its shape, all of it at once) → [`pattern`] (types) →
//! [`check`] (what types cannot say). A [`run`] then does what the file says, with [`run::agents::Agents`] for hands and a
//! [`run::Journal`] for memory: a control plane has real ones, a simulation its own. Nothing here opens a socket or a file.
//!
//! `expression` is the language of conditions and variables; `form` finds verdicts, questions and choices in answers.

pub mod check;
mod expression;
mod form;
pub mod pattern;
mod place;
pub mod run;
pub mod schema;
mod suggest;
mod yaml;
