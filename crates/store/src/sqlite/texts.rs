//! The index of texts (FTS5), in a database of its own: it grows with what agents print, and searching it must not hold up events.

use async_trait::async_trait;
use parallax_api::search::{ExcerptPart, HitKind};
use parallax_api::{AgentId, Time};
use rusqlite::types::Value;
use rusqlite::{OptionalExtension, params, params_from_iter};

use super::database::Database;
use super::row::{number, text};
use super::schema::Table;
use crate::{FoundText, StoreError, TextIndex, TextPosition, TextQuery, TextRow};

pub(super) const MIGRATION: &str = "
    CREATE VIRTUAL TABLE texts USING fts5 (
        text, agent UNINDEXED, kind UNINDEXED, message UNINDEXED, at UNINDEXED,
        tokenize = 'unicode61'
    );
    CREATE TABLE text_positions (
        agent TEXT PRIMARY KEY,
        message TEXT,
        log_offset INTEGER
    ) WITHOUT ROWID;
";

/// Whether lines of an agent's log were passed over.
pub(super) const MIGRATION_MISSED: &str =
    "ALTER TABLE text_positions ADD COLUMN incomplete INTEGER NOT NULL DEFAULT 0";

pub(super) const TEXTS: Table =
    Table { name: "texts", key: "rowid", columns: &["rowid", "text", "agent", "kind", "message", "at"] };
pub(super) const POSITIONS: Table = Table {
    name: "text_positions",
    key: "agent",
    columns: &["agent", "message", "log_offset", "incomplete"],
};

/// Around a word that was found. No text has them: [`plain`].
const OPEN: char = '\u{2}';
const CLOSE: char = '\u{3}';
/// Characters before the first of them at most.
const LEAD: usize = 40;
/// Words of an excerpt.
const EXCERPT_WORDS: usize = 20;

#[async_trait]
impl TextIndex for Database {
    async fn position(&self, agent: &AgentId) -> Result<TextPosition, StoreError> {
        let agent = agent.as_str().to_owned();
        let select = "SELECT message, log_offset, incomplete FROM text_positions WHERE agent = ?";
        let position = |row: &rusqlite::Row<'_>| {
            let log_offset: Option<i64> = row.get(1)?;
            let log_offset = log_offset.and_then(|offset| u64::try_from(offset).ok());
            Ok(TextPosition { message_id: row.get(0)?, log_offset, is_incomplete: number(row, 2)? != 0 })
        };
        let found = self.read(move |db| db.query_row(select, [agent], position).optional()).await?;
        Ok(found.unwrap_or_default())
    }

    async fn add(
        &self,
        agent: &AgentId,
        texts: Vec<TextRow>,
        position: TextPosition,
        max: u64,
    ) -> Result<(), StoreError> {
        let agent = agent.as_str().to_owned();
        let max = i64::try_from(max).unwrap_or(i64::MAX);
        self.write(move |db| {
            let mut insert = db.prepare_cached(
                "INSERT INTO texts (text, agent, kind, message, at) VALUES (?, ?, ?, ?, ?)",
            )?;
            for row in texts {
                let (kind, at) = (name_of(row.kind), row.at.as_millis());
                insert.execute(params![plain(&row.text), agent, kind, row.message_id, at])?;
            }
            let offset = position.log_offset.and_then(|offset| i64::try_from(offset).ok());
            db.execute(
                "INSERT OR REPLACE INTO text_positions (agent, message, log_offset, incomplete) VALUES (?, ?, ?, ?)",
                params![agent, position.message_id, offset, position.is_incomplete],
            )?;
            let newest: Option<i64> = db.query_row("SELECT max(rowid) FROM texts", [], |row| row.get(0))?;
            db.execute("DELETE FROM texts WHERE rowid <= ?", [newest.unwrap_or(0).saturating_sub(max)])?;
            Ok(())
        })
        .await
    }

    async fn search(&self, query: TextQuery) -> Result<Vec<FoundText>, StoreError> {
        self.read(move |db| {
            let mut sql = format!(
                "SELECT rowid, agent, kind, message, at, snippet(texts, 0, '{OPEN}', '{CLOSE}', '…', {EXCERPT_WORDS})
                 FROM texts WHERE texts MATCH ?"
            );
            let mut values = vec![Value::from(expression(&query.words))];
            let conditions = [
                ("agent = ?", query.agent.map(|agent| Value::from(agent.as_str().to_owned()))),
                ("kind = ?", query.kind.map(|kind| Value::from(name_of(kind).to_owned()))),
                ("rowid < ?", query.before.map(|before| Value::from(i64::try_from(before).unwrap_or(i64::MAX)))),
            ];
            for (condition, value) in conditions {
                if let Some(value) = value {
                    sql.push_str(" AND ");
                    sql.push_str(condition);
                    values.push(value);
                }
            }
            sql.push_str(" ORDER BY rowid DESC LIMIT ?");
            values.push(Value::from(i64::try_from(query.limit).unwrap_or(i64::MAX)));
            let mut select = db.prepare_cached(&sql)?;
            let mut rows = select.query(params_from_iter(values))?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                // A row that is damaged names no agent, and leads nowhere.
                let Ok(agent) = text(row, 1)?.parse() else { continue };
                let kind = if text(row, 2)? == name_of(HitKind::Log) { HitKind::Log } else { HitKind::Message };
                found.push(FoundText {
                    number: u64::try_from(number(row, 0)?).unwrap_or_default(),
                    agent,
                    kind,
                    message_id: row.get(3)?,
                    at: Time::from_millis(number(row, 4)?),
                    excerpt: parts(&text(row, 5)?),
                });
            }
            Ok(found)
        })
        .await
    }

    async fn incomplete(&self, limit: usize) -> Result<Vec<AgentId>, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let select = "SELECT agent FROM text_positions WHERE incomplete ORDER BY agent LIMIT ?";
        let found: Vec<String> = self
            .read(move |db| db.prepare_cached(select)?.query_map([limit], |row| text(row, 0))?.collect())
            .await?;
        Ok(found.iter().filter_map(|agent| agent.parse().ok()).collect())
    }

    async fn agents(&self) -> Result<Vec<AgentId>, StoreError> {
        let select = "SELECT agent FROM text_positions";
        let found: Vec<String> = self
            .read(move |db| db.prepare_cached(select)?.query_map([], |row| text(row, 0))?.collect())
            .await?;
        Ok(found.iter().filter_map(|agent| agent.parse().ok()).collect())
    }

    async fn forget(&self, agents: Vec<AgentId>) -> Result<(), StoreError> {
        self.write(move |db| {
            for agent in &agents {
                db.prepare_cached("DELETE FROM text_positions WHERE agent = ?")?.execute([agent.as_str()])?;
            }
            // There is no index by agent: one look over all texts, however many go. Whoever has texts has a position.
            db.execute("DELETE FROM texts WHERE agent NOT IN (SELECT agent FROM text_positions)", [])
                .map(drop)
        })
        .await
    }
}

fn name_of(kind: HitKind) -> &'static str {
    match kind {
        HitKind::Message => "message",
        HitKind::Log => "log",
    }
}

/// What FTS5 is asked: each word in quotes, so that none is an operator.
fn expression(words: &[String]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("\"{}\"", word.replace('"', ""))).collect();
    quoted.join(" ") + "*"
}

/// The text without characters that control: those that mark a word among them.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect()
}

/// An excerpt, cut at its marks. What stands long before the first of them is left out: the words are what is looked for.
fn parts(marked: &str) -> Vec<ExcerptPart> {
    let mut parts = Vec::new();
    for (index, piece) in marked.split([OPEN, CLOSE]).enumerate() {
        let cut = piece.char_indices().nth_back(LEAD).filter(|_| index == 0).map(|(at, _)| at);
        let shortened = cut.map(|at| format!("…{}", &piece[at..]));
        let piece = shortened.as_deref().unwrap_or(piece);
        if !piece.is_empty() {
            parts.push(ExcerptPart { text: piece.to_owned(), hit: index % 2 == 1 });
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(text: &str) -> TextRow {
        TextRow {
            kind: HitKind::Message,
            message_id: Some("m".into()),
            at: Time::from_millis(1),
            text: text.into(),
        }
    }

    async fn texts(index: &dyn TextIndex, words: &[&str]) -> Vec<String> {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        let query = TextQuery { words, agent: None, kind: None, before: None, limit: 10 };
        let found = index.search(query).await.unwrap();
        found.iter().map(|text| text.excerpt.iter().map(|part| part.text.as_str()).collect()).collect()
    }

    #[tokio::test]
    async fn finds_the_newest_of_all_words_and_forgets_the_oldest() {
        let dir = tempfile::tempdir().unwrap();
        let index = crate::sqlite::open_texts(dir.path()).await.unwrap();
        let agent = AgentId::generate();
        let rows = ["the build failed", "tests passed \u{2}here\u{3}", "the build passed"].map(row).to_vec();
        let position =
            TextPosition { message_id: Some("m".into()), log_offset: Some(7), is_incomplete: true };
        index.add(&agent, rows, position.clone(), 100).await.unwrap();
        assert_eq!(index.position(&agent).await.unwrap(), position);
        assert_eq!(texts(&*index, &["build"]).await, ["the build passed", "the build failed"]);
        assert_eq!(texts(&*index, &["build", "pass"]).await, ["the build passed"]);
        // What would be syntax is a word.
        for word in ["OR", "NEAR", "a\"b", "text:build", "*"] {
            assert_eq!(texts(&*index, &[word]).await, Vec::<String>::new(), "{word}");
        }
        assert_eq!(texts(&*index, &["here"]).await, ["tests passed  here "]);
        index.add(&agent, vec![row("the last")], position.clone(), 2).await.unwrap();
        assert_eq!(texts(&*index, &["build"]).await, ["the build passed"]);
        assert_eq!(index.incomplete(10).await.unwrap(), std::slice::from_ref(&agent));

        // Who is forgotten is found no more, the others are.
        let other = AgentId::generate();
        let position = TextPosition { is_incomplete: false, ..position };
        index.add(&other, vec![row("another build")], position, 100).await.unwrap();
        index.forget(vec![agent.clone()]).await.unwrap();
        assert_eq!(texts(&*index, &["build"]).await, ["another build"]);
        assert_eq!(index.agents().await.unwrap(), [other]);
        assert_eq!(index.position(&agent).await.unwrap(), TextPosition::default());
        assert_eq!(index.incomplete(10).await.unwrap(), Vec::<AgentId>::new());
    }
}
