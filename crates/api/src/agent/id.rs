//! The name of an agent for programs.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Problem;

/// An agent's name for programs: a UUID in lower case, good as a directory, container and Kubernetes name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String")]
pub struct AgentId(String);

impl AgentId {
    /// A new id; later ids sort after earlier ones (UUID version 7).
    pub fn generate() -> Self {
        Self(uuid::Uuid::now_v7().to_string())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AgentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for AgentId {
    type Err = Problem;

    /// Fails with `AGENT_NOT_FOUND`: text that cannot be an id names no agent.
    fn from_str(text: &str) -> Result<Self, Problem> {
        text.to_owned().try_into()
    }
}

impl TryFrom<String> for AgentId {
    type Error = Problem;

    /// The same: what is read from elsewhere becomes part of paths, too.
    fn try_from(text: String) -> Result<Self, Problem> {
        let fits = (1..=63).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if fits { Ok(Self(text)) } else { Err(Problem::no_agent(text.chars().take(80).collect::<String>())) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json, to_value};

    use super::*;

    #[test]
    fn what_cannot_be_an_id_is_none_wherever_it_stands() {
        let long = "a".repeat(64);
        for text in ["", "../other", "a/b", "a b", "A1", "a?x=1", "a\n", "é", &long] {
            assert!(text.parse::<AgentId>().is_err(), "{text}");
            assert!(from_value::<AgentId>(json!(text)).is_err(), "{text}");
        }
        let id = AgentId::generate();
        assert_eq!(from_value::<AgentId>(to_value(&id).expect("json")).expect("an id"), id);
        assert_eq!(to_value(&id).expect("json"), json!(id.as_str()));
    }

    #[test]
    fn its_schema_is_that_of_text() {
        let schema = <AgentId as utoipa::PartialSchema>::schema();
        assert_eq!(to_value(schema).expect("json")["type"], "string");
    }
}
