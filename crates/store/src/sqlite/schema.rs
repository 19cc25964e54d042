//! What a database consists of.

use rusqlite::Connection;

/// A database.
#[derive(Debug)]
pub(super) struct Schema {
    /// The name of its file, without the extension.
    pub name: &'static str,
    /// Its parts, each with its migrations: SQL scripts that run once each, in order, and never change once released.
    pub parts: &'static [(&'static str, &'static [&'static str])],
    /// Its tables.
    pub tables: &'static [&'static Table],
    /// What is done when rows may be missing: they were copied from another database (`true` when all were), or the machine
    /// went down.
    pub after_loss: fn(&Connection, bool) -> rusqlite::Result<()>,
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
