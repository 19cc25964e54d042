//! The versions of the parts of a database: how many of its migrations each part has seen. The table is called `parts`.

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use super::errors::OpenError;
use super::schema::Schema;

/// Brings every part of the database to its last version, all or none. Writes nothing when nothing is to be done, so that
/// a server starts on a full disk.
pub(super) fn migrate(connection: &mut Connection, schema: &Schema) -> Result<(), OpenError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Deferred)?;
    let has_versions: bool = transaction.query_row(
        "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'parts'",
        [],
        |row| row.get(0),
    )?;
    if !has_versions {
        transaction.execute_batch("CREATE TABLE parts (name TEXT PRIMARY KEY, version INTEGER NOT NULL)")?;
    }
    for (part, migrations) in schema.parts {
        let found = transaction
            .query_row("SELECT version FROM parts WHERE name = ?", [part], |row| row.get::<_, i64>(0))
            .optional()?
            .map_or(0, |version| usize::try_from(version).unwrap_or_default());
        let Some(unseen) = migrations.get(found..) else {
            return Err(OpenError::Newer { part, found, known: migrations.len() });
        };
        if unseen.is_empty() {
            continue;
        }
        for script in unseen {
            transaction.execute_batch(script)?;
        }
        let version = i64::try_from(migrations.len()).unwrap_or(i64::MAX);
        transaction
            .execute("INSERT OR REPLACE INTO parts (name, version) VALUES (?, ?)", params![part, version])?;
    }
    transaction.commit()?;
    Ok(())
}
