//! Search over what agents were told, said and showed.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{AgentId, Problem, Time};

/// The longest query, in characters.
pub const MAX_QUERY: usize = 200;
/// Hits of one answer at most.
pub const MAX_HITS: usize = 200;
/// Hits of one answer unless told.
const DEFAULT_HITS: usize = 50;

/// The query of `GET /api/search`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SearchQuery {
    /// Words; a text has to have all of them. The last may be the beginning of one.
    #[param(min_length = 1, max_length = 200)]
    pub q: String,
    /// Only of this agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<AgentId>,
    /// Only messages, or only lines of logs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<HitKind>,
    /// Hits at most; 1 to 200, default 50.
    #[param(minimum = 1, maximum = 200)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// What `next` of the answer before said.
    #[param(minimum = 0)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<u64>,
    /// A short-lived ticket, for browsers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
}

impl SearchQuery {
    /// How many hits are wanted. Fails with `VALIDATION_ERROR`.
    pub fn hits(&self) -> Result<usize, Problem> {
        let limit = self.limit.unwrap_or(DEFAULT_HITS);
        if (1..=MAX_HITS).contains(&limit) {
            Ok(limit)
        } else {
            Err(Problem::invalid("limit", format!("1 to {MAX_HITS} hits")))
        }
    }

    /// The words; none in a query of nothing but signs, which no text has. Fails with `VALIDATION_ERROR` when the query is empty or
    /// too long.
    pub fn words(&self) -> Result<Vec<String>, Problem> {
        if self.q.is_empty() || self.q.chars().count() > MAX_QUERY {
            return Err(Problem::invalid("q", format!("1 to {MAX_QUERY} characters")));
        }
        // What is no letter and no digit separates words in the index, too.
        let words = self.q.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        Ok(words.map(str::to_owned).collect())
    }
}

/// Where a text is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum HitKind {
    /// What the agent was told, or said.
    Message,
    /// What its terminal showed.
    Log,
}

/// A text with the words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Hit {
    /// The agent.
    pub agent_id: AgentId,
    /// Its name, while it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_name: Option<String>,
    /// Where the text is from.
    pub kind: HitKind,
    /// The message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// When it was said; of a log, when it was read.
    pub at: Time,
    /// A piece of the text, cut at the words that were looked for.
    pub excerpt: Vec<ExcerptPart>,
}

/// A piece of an excerpt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExcerptPart {
    /// The text.
    pub text: String,
    /// Whether it is one of the words.
    pub hit: bool,
}

/// The answer to `GET /api/search`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Hits {
    /// The newest first.
    pub hits: Vec<Hit>,
    /// What to send as `before` for those before; none at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
    /// Agents of whose logs some lines are not in the index, because more were printed at once than are read, and agents that could not be
    /// read when they were last asked: at most 200. What is not found may be there; the agent's log has it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub incomplete: Vec<AgentId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_query() {
        let words = |q: &str| SearchQuery { q: q.into(), ..SearchQuery::default() }.words().ok();
        assert_eq!(
            words("cargo-test \"OR\" (x*"),
            Some(vec!["cargo".into(), "test".into(), "OR".into(), "x".into()])
        );
        assert_eq!(words("Größe"), Some(vec!["Größe".into()]));
        assert_eq!(words(" *\"- "), Some(vec![]));
        assert!(words("").is_none());
        assert_eq!(words(&"ä".repeat(MAX_QUERY)).map(|words| words.len()), Some(1));
        assert!(words(&"a".repeat(MAX_QUERY + 1)).is_none());
    }
}
