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
    /// Reads a file.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` with everything that is wrong in `errors`.
    pub fn read(source: String) -> Result<Self, Problem> {
        match check::read(&source) {
            Ok(pattern) => Ok(Self { source, pattern }),
            Err(findings) => Err(invalid(&findings)),
        }
    }
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
        found.ok_or_else(|| not_found(name))
    }

    /// Every pattern, by name.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list(&self) -> Result<Vec<PatternInfo>, Problem> {
        let list = |db: &Connection| {
            let mut select =
                db.prepare_cached("SELECT name, source, created_at, updated_at FROM patterns ORDER BY name")?;
            select.query_map([], read)?.map(|row| row.map(|stored| stored.info)).collect()
        };
        Ok(self.store.with(list).await?)
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

fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<StoredPattern> {
    let (name, source): (String, String) = (row.get(0)?, row.get(1)?);
    // A file of another version that does not parse any more is shown all the same; running it says what is wrong.
    let pattern = check::read(&source).ok();
    let info = PatternInfo {
        name,
        version: pattern.as_ref().and_then(|pattern| pattern.version.clone()),
        description: pattern.as_ref().and_then(|pattern| pattern.description.clone()),
        inputs: pattern.as_ref().map(check::inputs).unwrap_or_default(),
        created_at: Time::from_millis(row.get(2)?),
        updated_at: Time::from_millis(row.get(3)?),
    };
    Ok(StoredPattern { info, source })
}
