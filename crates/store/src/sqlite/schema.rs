//! The parts and tables of the two databases.

use super::{agents, attempts, events, idempotency, patterns, published, run_servers, runs};

/// A database.
#[derive(Debug)]
pub(super) struct Schema {
    /// The name of its file, without the extension.
    pub name: &'static str,
    /// Its parts, each with its migrations: SQL scripts that run once each, in order, and never change once released.
    pub parts: &'static [(&'static str, &'static [&'static str])],
    /// Its tables.
    pub tables: &'static [&'static Table],
}

/// A table, as far as repairing it needs to know.
#[derive(Debug)]
pub(super) struct Table {
    pub name: &'static str,
    /// The order in which it is read; `rowid` for tables that have one.
    pub key: &'static str,
    /// Every column, and `rowid` where its value has a meaning.
    pub columns: &'static [&'static str],
}

/// The database of a control plane. The migrations of its own tables are one part, called `main`.
pub(super) const CONTROL_PLANE: Schema = Schema {
    name: "control-plane",
    parts: &[
        ("main", &[published::MIGRATION, attempts::MIGRATION, patterns::MIGRATION, run_servers::MIGRATION]),
        ("events", &[events::MIGRATION]),
        ("idempotency", &[idempotency::MIGRATION]),
    ],
    tables: &[
        &events::LOG,
        &events::EVENTS,
        &events::SOURCES,
        &idempotency::TABLE,
        &published::TABLE,
        &attempts::TABLE,
        &patterns::TABLE,
        &runs::RUNS,
        &runs::EVENTS,
        &run_servers::TABLE,
    ],
};

/// The database of a runtime server.
pub(super) const RUNTIME: Schema = Schema {
    name: "runtime",
    parts: &[
        ("main", &[agents::MIGRATION]),
        ("events", &[events::MIGRATION]),
        ("idempotency", &[idempotency::MIGRATION]),
    ],
    tables: &[&events::LOG, &events::EVENTS, &events::SOURCES, &idempotency::TABLE, &agents::TABLE],
};
