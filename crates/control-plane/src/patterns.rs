//! Org-chart patterns: the library, and the runs.
//!
//! A run is [`parallax_patterns::run::Run`] with this server's hands and memory: `agents` does what it wants done, through the
//! same services as the routes; `journal` keeps its events. `executions` starts runs, takes up those that another server
//! left, and shows them; `stream` tells their events; `sweep` stops agents whose run is over.

mod agents;
mod executions;
mod journal;
mod library;
pub mod stream;
mod sweep;

pub use executions::Executions;
pub use library::{File, Library};
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
