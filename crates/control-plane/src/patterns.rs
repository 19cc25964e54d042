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

pub use library::{File, Library, findings};
pub use runs::{RunServices, Runs};
pub use sweep::sweep;

/// The tables.
pub const MIGRATION: &str = "
    CREATE TABLE patterns (
        name TEXT PRIMARY KEY,
        source TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        updated_at INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE executions (
        id TEXT PRIMARY KEY,
        pattern TEXT NOT NULL,
        source TEXT NOT NULL,
        status TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        ended_at INTEGER
    ) WITHOUT ROWID;
    CREATE INDEX executions_by_status ON executions (status);
    CREATE TABLE execution_events (
        execution TEXT NOT NULL,
        seq INTEGER NOT NULL,
        data TEXT NOT NULL,
        at INTEGER NOT NULL,
        PRIMARY KEY (execution, seq)
    ) WITHOUT ROWID;
";
