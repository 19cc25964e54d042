//! The stored patterns, by name.

use parallax_api::pattern::{Finding, PatternInfo, StoredPattern};
use parallax_api::{Code, Problem, Time};
use parallax_patterns::check;
use parallax_patterns::pattern::Pattern;
use parallax_service::store::Store;
use rusqlite::{Connection, OptionalExtension, params};

/// Stored patterns at most.
const MAX_PATTERNS: i64 = 1000;

/// The library.
#[derive(Clone, Debug)]
pub struct Library {
    store: Store,
}

/// A file that was read.
#[derive(Debug)]
pub struct File {
    /// As it was sent.
    pub source: String,
    /// What it says.
    pub pattern: Pattern,
}

impl File {
    /// Reads a file. A large one takes a while, so it is not read on the async workers.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` with everything that is wrong in `errors`.
    pub async fn read(source: String) -> Result<Self, Problem> {
        let (source, pattern) = check_file(source).await?;
        pattern.map(|pattern| Self { source, pattern }).map_err(|findings| invalid(&findings))
    }
}

/// Everything that is wrong with a file.
///
/// # Errors
/// When the server shuts down.
pub async fn findings(source: String) -> Result<Vec<Finding>, Problem> {
    Ok(check_file(source).await?.1.err().unwrap_or_default())
}

async fn check_file(source: String) -> Result<(String, Result<Pattern, Vec<Finding>>), Problem> {
    let checking = tokio::task::spawn_blocking(move || {
        let checked = check::read(&source);
        (source, checked)
    });
    checking.await.map_err(Problem::internal)
}

/// The refusal of a file.
fn invalid(findings: &[Finding]) -> Problem {
    let more = match findings.len() {
        0 | 1 => String::new(),
        count => format!("; `errors` has all {count}"),
    };
    let first = findings.first().map(|first| format!("line {}: {}{more}", first.line, first.message));
    let field = findings.first().map(|first| first.field.clone()).unwrap_or_default();
    Problem::invalid(&field, first.unwrap_or_default())
        .with("errors", serde_json::to_value(findings).unwrap_or_default())
}

impl Library {
    /// The library in `store`.
    pub fn new(store: Store) -> Self {
        Self { store }
    }

    /// Stores a pattern; `replace` says whether one of that name may exist. Returns whether it is new.
    ///
    /// # Errors
    /// `CONFLICT` when there is one of that name and it is not to be replaced, `RESOURCE_LIMIT` when the library is full.
    pub async fn put(&self, file: File, replace: bool) -> Result<(bool, StoredPattern), Problem> {
        let name = file.pattern.name.clone();
        let now = Time::now().as_millis();
        let (stored, full, put_name, source) = (replace, MAX_PATTERNS, name.clone(), file.source);
        let written = self.store.with(move |db| {
            let known: Option<i64> = db
                .query_row("SELECT created_at FROM patterns WHERE name = ?", [&put_name], |row| row.get(0))
                .optional()?;
            let count: i64 = db.query_row("SELECT count(*) FROM patterns", [], |row| row.get(0))?;
            if known.is_some() && !stored {
                return Ok(Err(Code::Conflict));
            }
            if known.is_none() && count >= full {
                return Ok(Err(Code::ResourceLimit));
            }
            let row = params![put_name, source, known.unwrap_or(now), now];
            db.execute("INSERT OR REPLACE INTO patterns VALUES (?, ?, ?, ?)", row)?;
            Ok(Ok(known.is_none()))
        });
        match written.await? {
            Ok(new) => Ok((new, self.get(&name).await?)),
            Err(Code::ResourceLimit) => {
                let detail = format!("the library has {MAX_PATTERNS} patterns already; delete some");
                Err(Problem::new(Code::ResourceLimit, detail))
            }
            Err(code) => {
                let detail = format!(
                    "there is a pattern `{name}` already; replace it with `PUT /api/patterns/{name}`"
                );
                Err(Problem::new(code, detail))
            }
        }
    }

    /// A pattern.
    ///
    /// # Errors
    /// `NOT_FOUND` when there is none of that name.
    pub async fn get(&self, name: &str) -> Result<StoredPattern, Problem> {
        let wanted = name.to_owned();
        let select = "SELECT name, source, created_at, updated_at FROM patterns WHERE name = ?";
        let found = self.store.with(move |db| db.query_row(select, [wanted], read).optional()).await?;
        let row = found.ok_or_else(|| not_found(name))?;
        tokio::task::spawn_blocking(move || describe(row)).await.map_err(Problem::internal)
    }

    /// Every pattern, by name.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list(&self) -> Result<Vec<PatternInfo>, Problem> {
        let list = |db: &Connection| {
            let mut select =
                db.prepare_cached("SELECT name, source, created_at, updated_at FROM patterns ORDER BY name")?;
            select.query_map([], read)?.collect::<rusqlite::Result<Vec<_>>>()
        };
        let rows = self.store.with(list).await?;
        let describing =
            tokio::task::spawn_blocking(|| rows.into_iter().map(|row| describe(row).info).collect());
        describing.await.map_err(Problem::internal)
    }

    /// Deletes a pattern. Its runs go on.
    ///
    /// # Errors
    /// `NOT_FOUND` when there is none of that name.
    pub async fn delete(&self, name: &str) -> Result<(), Problem> {
        let gone = name.to_owned();
        let deleted =
            self.store.with(move |db| db.execute("DELETE FROM patterns WHERE name = ?", [gone])).await?;
        if deleted == 0 { Err(not_found(name)) } else { Ok(()) }
    }
}

fn not_found(name: &str) -> Problem {
    let shown: String = name.chars().take(80).collect();
    Problem::new(
        Code::NotFound,
        format!("there is no pattern `{shown}`; `GET /api/patterns` lists those there are"),
    )
}

/// A row of the table.
struct Row {
    name: String,
    source: String,
    created_at: i64,
    updated_at: i64,
}

fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    Ok(Row { name: row.get(0)?, source: row.get(1)?, created_at: row.get(2)?, updated_at: row.get(3)? })
}

/// What a file says of itself. Not on the thread of the database, which others wait for.
fn describe(Row { name, source, created_at, updated_at }: Row) -> StoredPattern {
    // A file of another version that does not parse any more is shown all the same; running it says what is wrong.
    let pattern = check::read(&source).ok();
    let info = PatternInfo {
        name,
        version: pattern.as_ref().and_then(|pattern| pattern.version.clone()),
        description: pattern.as_ref().and_then(|pattern| pattern.description.clone()),
        inputs: pattern.as_ref().map(check::inputs).unwrap_or_default(),
        created_at: Time::from_millis(created_at),
        updated_at: Time::from_millis(updated_at),
    };
    StoredPattern { info, source }
}
