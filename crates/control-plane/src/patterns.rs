//! Org-chart patterns: the library, and the runs. A *run* is called *execution* on the wire and in tables.
//!
//! The engine is [`parallax_patterns::run::Run`]. `run_agents` connects it to agents, through the same services as the
//! routes; `journal` stores its events. `runs` starts runs, resumes those of an earlier server and shows them; `stream`
//! publishes their events; `sweep` stops agents whose run has ended.

mod journal;
mod library;
mod run_agents;
mod runs;
pub mod stream;
mod sweep;

pub use library::{File, Library, validate};
pub use runs::{RunServices, Runs};
pub use sweep::sweep;
