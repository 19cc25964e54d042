//! Versions of the parts of a database: how many of its migrations each part has seen.

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use super::StoreError;

/// Runs the migrations of `part` that it has not seen, all or none.
pub(super) fn migrate(
    connection: &mut Connection,
    part: &str,
    migrations: &[&str],
) -> Result<(), StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(
        "CREATE TABLE IF NOT EXISTS parts (name TEXT PRIMARY KEY, version INTEGER NOT NULL)",
    )?;
    let found: usize = transaction
        .query_row("SELECT version FROM parts WHERE name = ?", [part], |row| row.get::<_, i64>(0))
        .optional()?
        .map_or(0, |version| usize::try_from(version).unwrap_or_default());
    let unseen = migrations.get(found..).ok_or_else(|| StoreError::Newer {
        name: part.into(),
        found,
        known: migrations.len(),
    })?;
    for script in unseen {
        transaction.execute_batch(script)?;
    }
    transaction
        .execute("INSERT OR REPLACE INTO parts VALUES (?, ?)", params![part, migrations.len() as i64])?;
    transaction.commit()?;
    Ok(())
}
