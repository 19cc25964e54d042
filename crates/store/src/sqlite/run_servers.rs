//! The table of runs that a server works on: a server that dies leaves its runs in it.

use rusqlite::{Connection, OptionalExtension, params};

use super::schema::Table;
use crate::PreviousServer;

pub(super) const MIGRATION: &str = "
    CREATE TABLE run_servers (
        execution TEXT PRIMARY KEY,
        attempts INTEGER NOT NULL
    ) WITHOUT ROWID;
";

pub(super) const TABLE: Table =
    Table { name: "run_servers", key: "execution", columns: &["execution", "attempts"] };

/// Servers that may die in a row while they load a run.
const MAX_LOADS: i64 = 2;

/// Takes a run for this server.
pub(super) fn acquire(db: &Connection, run: &str) -> rusqlite::Result<PreviousServer> {
    let attempts: i64 = db
        .query_row("SELECT attempts FROM run_servers WHERE execution = ?", [run], |row| row.get(0))
        .optional()?
        .unwrap_or_default();
    set(db, run, attempts.saturating_add(1))?;
    Ok(match attempts {
        0 => PreviousServer::Stopped,
        // One for the server that worked on it, and one for each that died while it loaded the run.
        died if died > MAX_LOADS => PreviousServer::DiesLoading,
        _ => PreviousServer::Died,
    })
}

/// The run is loaded: the death before it is in its events.
pub(super) fn loaded(db: &Connection, run: &str) -> rusqlite::Result<()> {
    db.execute("UPDATE run_servers SET attempts = 1 WHERE execution = ?", [run]).map(drop)
}

/// No server works on the run any more.
pub(super) fn release(db: &Connection, run: &str) -> rusqlite::Result<()> {
    db.execute("DELETE FROM run_servers WHERE execution = ?", [run]).map(drop)
}

fn set(db: &Connection, run: &str, attempts: i64) -> rusqlite::Result<()> {
    let insert = "INSERT OR REPLACE INTO run_servers (execution, attempts) VALUES (?, ?)";
    db.execute(insert, params![run, attempts]).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_server_knows_of_a_death() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(MIGRATION).unwrap();
        for _ in 0..3 {
            assert_eq!(acquire(&db, "a"), Ok(PreviousServer::Stopped));
            release(&db, "a").unwrap();
        }
        assert_eq!(acquire(&db, "a"), Ok(PreviousServer::Stopped));
        for _ in 0..5 {
            assert_eq!(acquire(&db, "a"), Ok(PreviousServer::Died));
            loaded(&db, "a").unwrap();
        }
        assert_eq!(acquire(&db, "a"), Ok(PreviousServer::Died));
        assert_eq!(acquire(&db, "a"), Ok(PreviousServer::Died));
        assert_eq!(acquire(&db, "a"), Ok(PreviousServer::DiesLoading));
        assert_eq!(acquire(&db, "b"), Ok(PreviousServer::Stopped), "each run for itself");
    }
}
