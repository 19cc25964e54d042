//! The stored patterns, by name.

use std::sync::Arc;

use parallax_api::pattern::{Chart, ChartRole, Finding, PatternInfo, StoredPattern, Validation};
use parallax_api::{Code, Problem};
use parallax_patterns::check;
use parallax_patterns::pattern::Pattern;
use parallax_store::{PatternRow, PatternStore, Put};

/// Stored patterns at most.
const MAX_PATTERNS: usize = 1000;

/// The library.
#[derive(Clone, Debug)]
pub struct Library {
    store: Arc<dyn PatternStore>,
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

/// What a file is: its org chart, or everything that is wrong with it.
///
/// # Errors
/// When the server shuts down.
pub async fn validate(source: String) -> Result<Validation, Problem> {
    Ok(match check_file(source).await?.1 {
        Ok(pattern) => Validation { valid: true, errors: Vec::new(), chart: Some(chart(&pattern)) },
        Err(errors) => Validation { valid: false, errors, chart: None },
    })
}

/// The org chart of a pattern.
pub fn chart(pattern: &Pattern) -> Chart {
    let roles = pattern.structure.roles.iter().map(|(name, role)| ChartRole {
        name: name.clone(),
        description: role.description.clone(),
        reports_to: role.reports_to.clone(),
        managed: role.managed,
        types: if role.types().is_empty() {
            role.preset.iter().cloned().collect()
        } else {
            role.types().to_vec()
        },
        most: role.most(),
    });
    Chart { roles: roles.collect() }
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
    pub fn new(store: Arc<dyn PatternStore>) -> Self {
        Self { store }
    }

    /// Stores a pattern; `replace` says whether one of that name may exist. Returns whether it is new.
    ///
    /// # Errors
    /// `CONFLICT` when there is one of that name and it is not to be replaced, `RESOURCE_LIMIT` when the library is full.
    pub async fn put(&self, file: File, replace: bool) -> Result<(bool, StoredPattern), Problem> {
        let name = file.pattern.name.clone();
        match self.store.put(&name, &file.source, replace, MAX_PATTERNS).await? {
            put @ (Put::Created | Put::Replaced) => Ok((put == Put::Created, self.get(&name).await?)),
            Put::TooMany => {
                let detail = format!("the library has {MAX_PATTERNS} patterns already; delete some");
                Err(Problem::new(Code::ResourceLimit, detail))
            }
            Put::Exists => {
                let detail = format!(
                    "there is a pattern `{name}` already; replace it with `PUT /api/patterns/{name}`"
                );
                Err(Problem::new(Code::Conflict, detail))
            }
        }
    }

    /// A pattern.
    ///
    /// # Errors
    /// `NOT_FOUND` when there is none of that name.
    pub async fn get(&self, name: &str) -> Result<StoredPattern, Problem> {
        let row = self.store.get(name).await?.ok_or_else(|| not_found(name))?;
        tokio::task::spawn_blocking(move || describe(row)).await.map_err(Problem::internal)
    }

    /// Every pattern, by name.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list(&self) -> Result<Vec<PatternInfo>, Problem> {
        let rows = self.store.list().await?;
        let describing =
            tokio::task::spawn_blocking(|| rows.into_iter().map(|row| describe(row).info).collect());
        describing.await.map_err(Problem::internal)
    }

    /// Deletes a pattern. Its runs go on.
    ///
    /// # Errors
    /// `NOT_FOUND` when there is none of that name.
    pub async fn delete(&self, name: &str) -> Result<(), Problem> {
        if self.store.delete(name).await? { Ok(()) } else { Err(not_found(name)) }
    }
}

fn not_found(name: &str) -> Problem {
    let shown: String = name.chars().take(80).collect();
    Problem::new(
        Code::NotFound,
        format!("there is no pattern `{shown}`; `GET /api/patterns` lists those there are"),
    )
}

/// What a file says of itself. Not on an async worker: checking takes time.
fn describe(PatternRow { name, source, created_at, updated_at }: PatternRow) -> StoredPattern {
    // A file of another version that does not parse any more is shown all the same; running it says what is wrong.
    let pattern = check::read(&source).ok();
    let info = PatternInfo {
        name,
        version: pattern.as_ref().and_then(|pattern| pattern.version.clone()),
        description: pattern.as_ref().and_then(|pattern| pattern.description.clone()),
        inputs: pattern.as_ref().map(check::inputs).unwrap_or_default(),
        created_at,
        updated_at,
    };
    StoredPattern { info, source }
}
