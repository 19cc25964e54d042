//! Listing agents: the filter of the query, the order, the pages.

use std::str::FromStr;

use parallax_api::agent::AgentList;
use parallax_api::{Agent, AgentStatus, Problem};

/// Agents on a page unless told.
const DEFAULT_PAGE: usize = 100;
/// Agents on a page at most.
const MAX_PAGE: usize = 1000;

/// Which agents to list: several values of one field are alternatives, except labels, which must all match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListFilter {
    statuses: Vec<AgentStatus>,
    types: Vec<String>,
    runtimes: Vec<String>,
    capabilities: Vec<String>,
    labels: Vec<(String, Option<String>)>,
    limit: usize,
    cursor: Option<Cursor>,
}

/// After which agent a page begins: its place in the order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Cursor {
    created_ms: i64,
    id: String,
}

impl FromStr for ListFilter {
    type Err = Problem;

    /// Reads the query of a list request. Fails with `VALIDATION_ERROR` naming the field.
    fn from_str(query: &str) -> Result<Self, Problem> {
        let pairs: Vec<(String, String)> = serde_html_form::from_str(query)
            .map_err(|cause| Problem::invalid("query", format!("not a query: {cause}")))?;
        let mut filter = Self {
            statuses: vec![],
            types: vec![],
            runtimes: vec![],
            capabilities: vec![],
            labels: vec![],
            limit: DEFAULT_PAGE,
            cursor: None,
        };
        for (key, value) in pairs {
            match key.as_str() {
                "status" => filter.statuses.push(status(&value)?),
                "type" => filter.types.push(value),
                "runtime" => filter.runtimes.push(value),
                "capability" => filter.capabilities.push(value),
                "label" => filter.labels.push(match value.split_once('=') {
                    Some((key, value)) => (key.into(), Some(value.into())),
                    None => (value, None),
                }),
                "limit" => filter.limit = limit(&value)?,
                "cursor" => filter.cursor = Some(value.parse()?),
                // A browser's short-lived pass; the gate has looked at it.
                "ticket" => {}
                _ => {
                    return Err(Problem::invalid(
                        &key,
                        format!(
                            "unknown field `{key}`; there are status, type, runtime, capability, label, limit, cursor"
                        ),
                    ));
                }
            }
        }
        Ok(filter)
    }
}

impl ListFilter {
    /// The page of `agents` that this asks for, oldest first.
    pub fn page(&self, agents: impl IntoIterator<Item = Agent>) -> AgentList {
        let mut agents: Vec<Agent> = agents.into_iter().filter(|agent| self.lets_through(agent)).collect();
        agents.sort_by_cached_key(Cursor::of);
        let more = agents.len() > self.limit;
        agents.truncate(self.limit);
        let next_cursor = agents.last().filter(|_| more).map(|last| Cursor::of(last).to_string());
        AgentList { count: agents.len(), agents, next_cursor }
    }

    fn lets_through(&self, agent: &Agent) -> bool {
        let any = |wanted: &[String], has: &str| wanted.is_empty() || wanted.iter().any(|word| word == has);
        let label = |(key, value): &(String, Option<String>)| {
            agent.labels.get(key).is_some_and(|has| value.as_ref().is_none_or(|value| value == has))
        };
        (self.statuses.is_empty() || self.statuses.contains(&agent.status))
            && any(&self.types, &agent.r#type)
            && any(&self.runtimes, &agent.runtime)
            && (self.capabilities.is_empty()
                || self.capabilities.iter().any(|word| agent.capabilities.contains(word)))
            && self.labels.iter().all(label)
            && self.cursor.as_ref().is_none_or(|cursor| Cursor::of(agent) > *cursor)
    }
}

impl Cursor {
    fn of(agent: &Agent) -> Self {
        Self { created_ms: agent.created_at.as_millis(), id: agent.id.to_string() }
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.created_ms, self.id)
    }
}

impl FromStr for Cursor {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        let parts = text.split_once('.').and_then(|(ms, id)| Some((ms.parse().ok()?, id.to_owned())));
        let (created_ms, id) = parts
            .ok_or_else(|| Problem::invalid("cursor", "send what `nextCursor` of the page before said"))?;
        Ok(Self { created_ms, id })
    }
}

fn status(text: &str) -> Result<AgentStatus, Problem> {
    serde_json::from_value(text.into())
        .map_err(|_| Problem::invalid("status", "a status is starting, ready, busy, error or stopped"))
}

fn limit(text: &str) -> Result<usize, Problem> {
    text.parse()
        .ok()
        .filter(|limit| (1..=MAX_PAGE).contains(limit))
        .ok_or_else(|| Problem::invalid("limit", format!("1 to {MAX_PAGE}")))
}

#[cfg(test)]
mod tests {
    use parallax_api::{AgentId, Time};

    use super::*;

    fn agent(n: u64) -> Agent {
        let word = |text: &str| text.to_owned();
        Agent {
            id: AgentId::generate(),
            name: format!("a{n}"),
            r#type: word(if n.is_multiple_of(2) { "claude" } else { "codex" }),
            status: if n.is_multiple_of(3) { AgentStatus::Ready } else { AgentStatus::Busy },
            runtime: word("local"),
            created_at: Time::from_millis(1_000_000 + (n / 2).cast_signed()),
            attention: None,
            error: None,
            exit: None,
            capabilities: vec![word("code"), format!("c{n}")],
            role: None,
            labels: [(word("n"), n.to_string()), (word("team"), word("x"))].into(),
            workdir: None,
            model: None,
            updated_at: Time::now(),
            last_activity_at: None,
            queued: 0,
            stale: false,
        }
    }

    #[test]
    fn filters_by_every_field() {
        let agents: Vec<Agent> = (0..6).map(agent).collect();
        let names = |query: &str| {
            let page = query.parse::<ListFilter>().unwrap().page(agents.clone());
            let mut names: Vec<String> = page.agents.into_iter().map(|agent| agent.name).collect();
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
        let agents: Vec<Agent> = (0..25).map(agent).collect();
        let mut seen = vec![];
        let mut query = "limit=10".to_owned();
        loop {
            let page = query.parse::<ListFilter>().unwrap().page(agents.iter().rev().cloned());
            assert_eq!(page.count, page.agents.len());
            seen.extend(page.agents);
            let Some(cursor) = page.next_cursor else { break };
            query = format!("limit=10&cursor={cursor}");
        }
        assert_eq!(seen.len(), 25);
        assert!(seen.is_sorted_by_key(|agent| agent.created_at));
        seen.dedup_by_key(|agent| agent.id.clone());
        assert_eq!(seen.len(), 25);
    }

    #[test]
    fn refuses_by_name() {
        for (query, field) in [
            ("colour=red", "colour"),
            ("status=well", "status"),
            ("limit=0", "limit"),
            ("cursor=x", "cursor"),
        ] {
            assert_eq!(query.parse::<ListFilter>().unwrap_err().more["field"], field, "{query}");
        }
    }
}
