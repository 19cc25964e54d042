//! Reading columns that may hold anything: a damaged value costs its row at most.

use rusqlite::Row;

/// A text column, whatever bytes are in it.
pub(super) fn text(row: &Row<'_>, column: usize) -> rusqlite::Result<String> {
    Ok(match row.get_ref(column)?.as_bytes() {
        Ok(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Err(_no_text) => String::new(),
    })
}

/// A number column; 0 when it holds something else.
pub(super) fn number(row: &Row<'_>, column: usize) -> rusqlite::Result<i64> {
    Ok(row.get_ref(column)?.as_i64().unwrap_or_default())
}
