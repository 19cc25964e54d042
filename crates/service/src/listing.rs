//! Listing agents: the query, the order, the pages.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use axum::Json;
use axum::response::{IntoResponse, Response};
use parallax_api::{Agent, AgentStatus, Problem};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::known::Known;

/// Agents on a page unless told.
const DEFAULT_PAGE: usize = 100;
/// Agents on a page at most.
const MAX_PAGE: usize = 1000;

/// Which agents to list. Several values of one field are alternatives, except labels, which must all match.
#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct AgentsQuery {
    /// Agents of this status; repeatable.
    pub status: Vec<AgentStatus>,
    /// Agents of this type; repeatable.
    pub r#type: Vec<String>,
    /// Agents of the runtimes of this name or kind; repeatable.
    pub runtime: Vec<String>,
    /// Agents that have this capability; repeatable.
    pub capability: Vec<String>,
    /// Agents that have this label: `key=value`, or `key` with any value; repeatable, and all must match.
    pub label: Vec<String>,
    /// At most so many on the page: 1 to 1000, default 100.
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<usize>,
    /// `nextCursor` of the page before.
    #[param(pattern = r"^[0-9]{1,18}\.[0-9a-z-]{1,63}$")]
    pub cursor: Option<String>,
    /// A short-lived ticket, for browsers.
    pub ticket: Option<String>,
}

impl AgentsQuery {
    /// Agents on the page at most.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` for a limit that is none.
    pub fn size(&self) -> Result<usize, Problem> {
        let limit = self.limit.unwrap_or(DEFAULT_PAGE);
        match (1..=MAX_PAGE).contains(&limit) {
            true => Ok(limit),
            false => Err(Problem::invalid("limit", format!("a page has 1 to {MAX_PAGE} agents"))),
        }
    }

    /// The place that the page begins after.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` for a cursor that is none.
    pub fn start(&self) -> Result<Option<Place>, Problem> {
        self.cursor.as_deref().map(str::parse).transpose()
    }

    /// The filters as the query of a runtime has them: which runtimes are asked is decided here.
    pub fn filters(&self) -> Vec<(&'static str, String)> {
        let words =
            |name, words: &[String]| words.iter().map(move |word| (name, word.clone())).collect::<Vec<_>>();
        let mut pairs: Vec<_> = self.status.iter().map(|status| ("status", status.to_string())).collect();
        pairs.extend(words("type", &self.r#type));
        pairs.extend(words("capability", &self.capability));
        pairs.extend(words("label", &self.label));
        pairs
    }

    /// The page that this asks for, of agents that come in their order from [`start`](Self::start) on: no more of them are taken
    /// than it has, and those that are not let through. `is_on` tells whether an agent is on a runtime of that name or kind.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` for a limit that is none.
    pub fn page_in_order(
        &self,
        agents: impl Iterator<Item = Arc<Known>>,
        is_on: impl Fn(&Agent, &str) -> bool,
    ) -> Result<Page, Problem> {
        let limit = self.size()?;
        let mut agents = agents.filter(|known| self.lets_through(known.agent(), &is_on));
        let page: Vec<Arc<Known>> = agents.by_ref().take(limit).collect();
        let next = page.last().filter(|_| agents.next().is_some());
        let next_cursor = next.map(|last| Place::of(last.agent()).to_string());
        Ok(Page { agents: page, next_cursor })
    }

    /// Whether the agent is among those that this asks for, on whatever page.
    pub fn lets_through(&self, agent: &Agent, is_on: impl Fn(&Agent, &str) -> bool) -> bool {
        fn any<T>(wanted: &[T], matches: impl FnMut(&T) -> bool) -> bool {
            wanted.is_empty() || wanted.iter().any(matches)
        }
        any(&self.status, |status| *status == agent.status)
            && any(&self.r#type, |name| *name == agent.r#type)
            && any(&self.runtime, |runtime| is_on(agent, runtime))
            && any(&self.capability, |word| agent.capabilities.contains(word))
            && self.label.iter().all(|label| match label.split_once('=') {
                Some((key, value)) => agent.labels.get(key).is_some_and(|has| has == value),
                None => agent.labels.contains_key(label),
            })
    }
}

/// A page of agents. As a response it is an [`AgentList`](parallax_api::agent::AgentList), copied from what was written of each agent.
#[derive(Debug)]
pub struct Page {
    /// The agents, oldest first.
    pub agents: Vec<Arc<Known>>,
    /// What to send as `cursor` for the next page, when there is one.
    pub next_cursor: Option<String>,
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Written<'a> {
            agents: Vec<&'a RawValue>,
            count: usize,
            #[serde(skip_serializing_if = "Option::is_none")]
            next_cursor: Option<String>,
        }
        let agents: Vec<_> = self.agents.iter().map(|known| known.json()).collect();
        Json(Written { count: agents.len(), agents, next_cursor: self.next_cursor }).into_response()
    }
}

/// Where an agent stands in the order of all: by when it was made, then by its id. As text it is a cursor.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    created_ms: i64,
    id: String,
}

impl Place {
    /// The agent's.
    pub fn of(agent: &Agent) -> Self {
        Self { created_ms: agent.created_at.as_millis(), id: agent.id.to_string() }
    }

    /// Whether this agent stands behind it.
    pub fn is_before(&self, agent: &Agent) -> bool {
        (self.created_ms, self.id.as_str()) < (agent.created_at.as_millis(), agent.id.as_str())
    }

    /// The id of the agent that stands there, as text.
    pub fn into_id(self) -> String {
        self.id
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.created_ms, self.id)
    }
}

impl FromStr for Place {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        let parts = text.split_once('.').and_then(|(ms, id)| Some((ms.parse().ok()?, id.to_owned())));
        let (created_ms, id) = parts
            .ok_or_else(|| Problem::invalid("cursor", "send what `nextCursor` of the page before said"))?;
        Ok(Self { created_ms, id })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::ops::Bound;

    use parallax_api::{AgentId, Time};

    use super::*;

    fn agent(n: u64) -> Arc<Known> {
        let word = |text: &str| text.to_owned();
        Arc::new(Known::new(Agent {
            status: if n.is_multiple_of(3) { AgentStatus::Ready } else { AgentStatus::Busy },
            capabilities: vec![word("code"), format!("c{n}")],
            labels: [(word("n"), n.to_string()), (word("team"), word("x"))].into(),
            updated_at: Time::now(),
            ..Agent::new(
                AgentId::generate(),
                format!("a{n}"),
                word(if n.is_multiple_of(2) { "claude" } else { "codex" }),
                word("local"),
                Time::from_millis(1_000_000 + (n / 2).cast_signed()),
            )
        }))
    }

    fn asked(query: &str) -> Result<AgentsQuery, serde_html_form::de::Error> {
        serde_html_form::from_str(query)
    }

    fn is_on(agent: &Agent, runtime: &str) -> bool {
        agent.runtime == runtime
    }

    #[test]
    fn filters_by_every_field() {
        let agents: Vec<Arc<Known>> = (0..6).map(agent).collect();
        let names = |query: &str| {
            let page = asked(query).unwrap().page_in_order(agents.iter().cloned(), is_on).unwrap();
            let mut names: Vec<_> = page.agents.iter().map(|known| known.agent().name.as_str()).collect();
            names.sort();
            names.join(" ")
        };
        let table = [
            ("", "a0 a1 a2 a3 a4 a5"),
            ("status=ready", "a0 a3"),
            ("status=ready&status=busy&type=codex", "a1 a3 a5"),
            ("runtime=docker", ""),
            ("capability=c1&capability=c2", "a1 a2"),
            ("label=team", "a0 a1 a2 a3 a4 a5"),
            ("label=team%3Dx&label=n%3D4", "a4"),
            ("label=team=y", ""),
        ];
        for (query, expected) in table {
            assert_eq!(names(query), expected, "{query}");
        }
    }

    #[test]
    fn pages_hold_each_agent_once_in_order() {
        let agents: BTreeMap<Place, Arc<Known>> =
            (0..25).map(agent).map(|known| (Place::of(known.agent()), known)).collect();
        let mut seen = vec![];
        let mut query = "limit=10".to_owned();
        loop {
            let asked = asked(&query).unwrap();
            let from = asked.start().unwrap().map_or(Bound::Unbounded, Bound::Excluded);
            let rest = agents.range((from, Bound::Unbounded)).map(|(_, known)| known.clone());
            let page = asked.page_in_order(rest, is_on).unwrap();
            seen.extend(page.agents);
            let Some(cursor) = page.next_cursor else { break };
            query = format!("limit=10&cursor={cursor}");
        }
        assert_eq!(seen.len(), 25);
        assert!(seen.is_sorted_by_key(|known| known.agent().created_at));
        seen.dedup_by_key(|known| known.agent().id.clone());
        assert_eq!(seen.len(), 25);
    }

    #[test]
    fn refuses_by_name() {
        for (query, field) in [("limit=0", "limit"), ("limit=1001", "limit"), ("cursor=x", "cursor")] {
            let asked = asked(query).unwrap();
            let refused = asked.size().map(drop).and(asked.start().map(drop)).unwrap_err();
            assert_eq!(refused.more["field"], field, "{query}");
        }
        for (query, word) in [("colour=red", "colour"), ("status=well", "well")] {
            assert!(asked(query).unwrap_err().to_string().contains(word), "{query}");
        }
    }
}
