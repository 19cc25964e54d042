//! Synthesises the events missed during a gap, by comparing the published agents with the runtime's current list. Pure.

use std::collections::HashMap;

use parallax_api::agent::AgentExit;
use parallax_api::{Agent, AgentError, AgentId, AgentStatus, AttentionKind, EventData, Time};

/// The events that lead from the `published` agents to the `listed` ones, oldest agent first. States that came and went
/// in between, and messages, are lost.
pub fn missed(published: Vec<Agent>, listed: Vec<Agent>, now: Time) -> Vec<EventData> {
    let mut published: HashMap<AgentId, Agent> =
        published.into_iter().map(|agent| (agent.id.clone(), agent)).collect();
    let mut listed = listed;
    listed.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
    let mut events: Vec<EventData> =
        listed.into_iter().flat_map(|agent| changes(published.remove(&agent.id), agent)).collect();
    let mut gone: Vec<Agent> =
        published.into_values().filter(|agent| agent.status != AgentStatus::Stopped).collect();
    gone.sort_by(|a, b| a.id.cmp(&b.id));
    events.extend(gone.into_iter().map(|agent| lost(agent, now)));
    events
}

/// From the published agent (none: never published) to its current state.
fn changes(published: Option<Agent>, agent: Agent) -> Vec<EventData> {
    let mut events = Vec::new();
    let started = EventData::AgentStarted { agent: Box::new(agent.clone()) };
    let published_status = match published {
        Some(published)
            if published.status == AgentStatus::Stopped && agent.status != AgentStatus::Stopped =>
        {
            events.push(started);
            AgentStatus::Starting
        }
        Some(published) => {
            let same_attention = published.attention.as_ref().map(|attention| &attention.id)
                == agent.attention.as_ref().map(|attention| &attention.id);
            if published.status != agent.status || published.error != agent.error {
                events.extend(status(&agent));
            }
            if !same_attention {
                events.push(attention_event(&agent));
            }
            let counts = |agent: &Agent| agent.workspace.as_ref().and_then(|workspace| workspace.changes);
            if counts(&published) != counts(&agent) {
                events.push(EventData::Changes { agent: Box::new(agent.clone()) });
            }
            return events;
        }
        None => {
            events.push(started);
            AgentStatus::Starting
        }
    };
    if agent.status != published_status {
        events.extend(status(&agent));
    }
    if agent.attention.is_some() {
        events.push(attention_event(&agent));
    }
    events
}

/// The event for the agent's status; `starting` has none.
fn status(agent: &Agent) -> Option<EventData> {
    let boxed = || Box::new(agent.clone());
    Some(match agent.status {
        AgentStatus::Starting => return None,
        AgentStatus::Ready => EventData::AgentReady { agent: boxed() },
        AgentStatus::Busy => EventData::AgentBusy { agent: boxed() },
        AgentStatus::Error => {
            let unknown = || AgentError::new("cli_error", "no reason is known");
            EventData::AgentError { agent: boxed(), error: agent.error.clone().unwrap_or_else(unknown) }
        }
        AgentStatus::Stopped => {
            let reason = agent.exit.as_ref().map_or_else(|| "exited".into(), |exit| exit.reason.clone());
            EventData::AgentStopped { agent: boxed(), reason }
        }
    })
}

/// The event for the agent's attention, or for its absence.
fn attention_event(agent: &Agent) -> EventData {
    let boxed = Box::new(agent.clone());
    match &agent.attention {
        None => EventData::AttentionCleared { agent: boxed },
        Some(attention) => match attention.kind {
            AttentionKind::Login => {
                EventData::LoginRequired { agent: boxed, login_url: attention.login_url.clone() }
            }
            kind if kind.is_question() => {
                EventData::Question { agent: boxed, question: attention.text.clone() }
            }
            _ => EventData::Attention { agent: boxed },
        },
    }
}

/// An agent that was published as running and that its runtime does not have any more.
pub(super) fn lost(mut agent: Agent, now: Time) -> EventData {
    let reason = if agent.status == AgentStatus::Starting { "not_started" } else { "lost" };
    agent.status = AgentStatus::Stopped;
    agent.attention = None;
    agent.updated_at = now.or_just_after(agent.updated_at);
    agent.exit = Some(AgentExit::for_reason(reason, now));
    EventData::AgentStopped { agent: Box::new(agent), reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use parallax_api::Attention;

    use super::*;

    /// `id status [need]`: an agent, with a pending question of that id.
    fn agent(line: &str) -> Agent {
        let mut words = line.split(' ');
        let (id, status, need) = (words.next().unwrap(), words.next().unwrap(), words.next());
        let at = Time::from_millis(1_000);
        Agent {
            status: serde_json::from_value(status.into()).unwrap(),
            attention: need.map(|id| Attention {
                id: id.into(),
                kind: AttentionKind::Question,
                text: "Go on?".into(),
                login_url: None,
                options: vec![],
                tool: None,
                questions: vec![],
                plan: None,
                danger: None,
                since: at,
            }),
            ..Agent::new(id.parse().unwrap(), id, "claude", "local", at)
        }
    }

    #[test]
    fn tells_what_changed_and_nothing_else() {
        let table: &[(&[&str], &[&str], &str)] = &[
            (&[], &[], ""),
            (&["a ready"], &["a ready"], ""),
            (&["a starting"], &["a ready"], "a agent_ready"),
            (&["a busy"], &["a ready"], "a agent_ready"),
            (&["a ready"], &["a stopped"], "a agent_stopped"),
            (&["a ready"], &["a error"], "a agent_error"),
            (&[], &["a starting"], "a agent_started"),
            (&[], &["a busy q1"], "a agent_started, a agent_busy, a question"),
            (&["a stopped"], &["a ready"], "a agent_started, a agent_ready"),
            (&["a busy"], &["a busy q1"], "a question"),
            (&["a busy q1"], &["a busy q1"], ""),
            (&["a busy q1"], &["a busy q2"], "a question"),
            (&["a busy q1"], &["a ready"], "a agent_ready, a attention_cleared"),
            (&["a ready", "b stopped"], &[], "a agent_stopped"),
            (
                &["a ready"],
                &["c ready", "b ready"],
                "b agent_started, b agent_ready, c agent_started, c agent_ready, a agent_stopped",
            ),
        ];
        for (published, listed, expected) in table {
            let agents = |lines: &[&str]| lines.iter().map(|line| agent(line)).collect();
            let events = missed(agents(published), agents(listed), Time::from_millis(2_000));
            let names: Vec<String> = events
                .iter()
                .map(|event| format!("{} {}", event.agent_id().unwrap(), event.name()))
                .collect();
            assert_eq!(names.join(", "), *expected, "{published:?} → {listed:?}");
        }
    }

    #[test]
    fn one_that_is_gone_has_an_exit() {
        let events = missed(vec![agent("a busy q1")], vec![], Time::from_millis(2_000));
        let [EventData::AgentStopped { agent, reason }] = &events[..] else { panic!("{events:?}") };
        assert_eq!((reason.as_str(), agent.status, &agent.attention), ("lost", AgentStatus::Stopped, &None));
        assert_eq!(agent.exit.as_ref().unwrap().reason, "lost");
    }
}
