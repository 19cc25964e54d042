//! From what a person calls an agent to the agent.

use parallax_api::client::{Client, ListFilter};
use parallax_api::{Agent, AgentId, AgentStatus, Code, Problem};

use crate::error::CliError;

/// The length of a whole id.
const WHOLE_ID: usize = 36;
/// The shortest beginning of an id that is shown: the time it was made, to the millisecond.
const SHORTEST_SHOWN: usize = 13;

/// The agent that `called` means: an id, the beginning of one, or a name.
pub(crate) async fn agent(client: &Client, called: &str) -> Result<Agent, CliError> {
    if called.len() == WHOLE_ID
        && let Ok(id) = called.parse::<AgentId>()
    {
        return Ok(client.get(&id).await?);
    }
    let agents = client.list_all(&ListFilter::default()).await?;
    pick(agents, called)
}

fn pick(agents: Vec<Agent>, called: &str) -> Result<Agent, CliError> {
    let all = |means: &dyn Fn(&Agent) -> bool| -> Vec<Agent> {
        agents.iter().filter(|a| means(a)).cloned().collect()
    };
    let exact = all(&|agent| agent.id.as_str() == called);
    let named = all(&|agent| agent.name == called);
    // A name outlives its agent in the list: the one that lives is meant, or else the last that did.
    let living = all(&|agent| agent.name == called && agent.status != AgentStatus::Stopped);
    let last = named.into_iter().max_by_key(|agent| agent.created_at).into_iter().collect();
    let begun = all(&|agent| !called.is_empty() && agent.id.as_str().starts_with(called));
    let mut candidates = [exact, living, last, begun].into_iter().filter(|found| !found.is_empty());
    match candidates.next() {
        None => {
            let called: String = called.chars().take(80).collect();
            let detail = format!("no agent has the id or name `{called}`");
            Err(Problem::new(Code::AgentNotFound, detail).into())
        }
        Some(mut found) if found.len() == 1 => Ok(found.remove(0)),
        Some(found) => {
            let lines: Vec<String> = found
                .iter()
                .map(|agent| format!("\n  {}  {} ({})", agent.id, agent.name, agent.status))
                .collect();
            Err(CliError::Usage(format!(
                "`{called}` may mean any of these; say more of the id{}",
                lines.concat()
            )))
        }
    }
}

/// How much of an id tells it from all the others, at least the part that is its time.
pub(crate) fn short_length(ids: &[&AgentId]) -> usize {
    let mut sorted: Vec<&str> = ids.iter().map(|id| id.as_str()).collect();
    sorted.sort_unstable();
    let common = |a: &str, b: &str| a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
    let longest = sorted.windows(2).map(|pair| common(pair[0], pair[1])).max().unwrap_or(0);
    (longest + 1).max(SHORTEST_SHOWN)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn agent(id: &str, name: &str, status: &str) -> Agent {
        serde_json::from_value(json!({
            "id": id, "name": name, "type": "shell", "status": status, "runtime": "local",
            "createdAt": "2026-01-01T00:00:00Z", "updatedAt": "2026-01-01T00:00:00Z",
        }))
        .expect("an agent")
    }

    fn agents() -> Vec<Agent> {
        vec![
            agent("0190aaaa-1", "one", "stopped"),
            agent("0190aaaa-2", "one", "ready"),
            agent("0190aaaa-7", "two", "stopped"),
            agent("0190bbbb-3", "two", "stopped"),
            agent("0190cccc-4", "twins", "busy"),
            agent("0190cccc-5", "twins", "busy"),
            agent("0190cccc-6", "0190bbbb-3", "ready"),
        ]
    }

    #[test]
    fn ids_names_and_beginnings() {
        for (called, id) in [
            ("0190aaaa-1", "0190aaaa-1"),
            ("0190b", "0190bbbb-3"),
            ("one", "0190aaaa-2"),
            ("two", "0190bbbb-3"),
            // A whole id wins over another agent's name.
            ("0190bbbb-3", "0190bbbb-3"),
        ] {
            assert_eq!(pick(agents(), called).expect(called).id.as_str(), id);
        }
        for called in ["", "three", "0190d"] {
            let failure = pick(agents(), called).expect_err(called);
            assert_eq!(failure.exit_code(), 3, "{called}");
        }
        for called in ["twins", "0190cccc", "0190"] {
            let CliError::Usage(text) = pick(agents(), called).expect_err(called) else { panic!("{called}") };
            assert!(text.contains("0190cccc-4") && text.contains("0190cccc-5"), "{text}");
        }
    }

    #[test]
    fn short_ids_are_unique() {
        let ids: Vec<AgentId> =
            ["0190aaaa-0000-7000-a", "0190aaaa-0000-7000-b"].map(|id| id.parse().expect("id")).into();
        assert_eq!(short_length(&ids.iter().collect::<Vec<_>>()), 20);
        assert_eq!(short_length(&[&ids[0]]), 13);
    }
}
