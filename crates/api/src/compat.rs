//! What hosts and servers of another version say and write.
//!
//! Hosts outlive servers: a server that was rolled back meets newer ones, an upgraded one older ones. Fields that are not
//! known are ignored by the types; here are kinds of lines and values that are not known.

use crate::host::HostLine;
use crate::message::{MessageSource, MessageState};
use crate::{Agent, AgentError, AgentExit, AgentStatus, Attention, Message};
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// An agent as far as this version knows it.
#[derive(Clone, Debug)]
pub struct AnyVersion(
    /// The agent.
    pub Agent,
);

impl<'de> Deserialize<'de> for AnyVersion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        agent(Value::deserialize(deserializer)?).map(Self).map_err(D::Error::custom)
    }
}

/// A line of a host. `None`: a kind of line or event that this version does not have.
pub fn host_line(text: &str) -> Option<HostLine> {
    if let Ok(line) = HostLine::read(text) {
        return Some(line);
    }
    let mut line: Value = serde_json::from_str(text).ok()?;
    let agent = match line.get_mut("data") {
        Some(data) => data.get_mut("agent")?,
        None => line.get_mut("agent")?,
    };
    simplify(agent);
    serde_json::from_value(line).ok()
}

/// An agent as far as this version knows it: a status that is not known becomes `stopped` when the agent has an exit and
/// `busy` otherwise; an attention, error or exit that is not known is left out.
///
/// # Errors
/// When it is no agent.
pub fn agent(mut value: Value) -> serde_json::Result<Agent> {
    match Agent::deserialize(&value) {
        Ok(agent) => Ok(agent),
        Err(_) => {
            simplify(&mut value);
            serde_json::from_value(value)
        }
    }
}

/// A message as far as this version knows it: a state or a source that is not known is left out. `None`: it is none.
pub fn message(mut value: Value) -> Option<Message> {
    if let Ok(message) = Message::deserialize(&value) {
        return Some(message);
    }
    let fields = value.as_object_mut()?;
    if !is::<MessageState>(fields.get("state")) {
        fields.remove("state");
    }
    if !is::<MessageSource>(fields.get("source")) {
        fields.remove("source");
    }
    serde_json::from_value(value).ok()
}

fn simplify(agent: &mut Value) {
    let Some(fields) = agent.as_object_mut() else { return };
    let keep = |known: bool, name: &str, fields: &mut serde_json::Map<String, Value>| {
        if !known {
            fields.remove(name);
        }
    };
    let attention = is::<Attention>(fields.get("attention"));
    keep(attention, "attention", fields);
    let error = is::<AgentError>(fields.get("error"));
    keep(error, "error", fields);
    let exit = is::<AgentExit>(fields.get("exit"));
    keep(exit, "exit", fields);
    if fields.get("status").is_some_and(Value::is_string) && !is::<AgentStatus>(fields.get("status")) {
        let has_ended = fields.get("exit").is_some_and(|exit| !exit.is_null());
        let status = if has_ended { AgentStatus::Stopped } else { AgentStatus::Busy };
        fields.insert("status".into(), status.as_str().into());
    }
}

fn is<T: DeserializeOwned>(value: Option<&Value>) -> bool {
    value.is_none_or(|value| value.is_null() || T::deserialize(value).is_ok())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn an_agent() -> Value {
        json!({
            "id": "0198c000-0000-7000-8000-000000000001", "name": "a", "type": "shell", "status": "ready",
            "runtime": "local", "createdAt": "2026-11-26T10:00:00Z", "updatedAt": "2026-11-26T10:00:00Z",
        })
    }

    fn with(name: &str, value: Value) -> Value {
        let mut agent = an_agent();
        agent[name] = value;
        agent
    }

    #[test]
    fn an_agent_of_a_later_version_is_shown_as_far_as_it_is_known() {
        let status = |value| agent(value).unwrap().status;
        assert_eq!(status(an_agent()), AgentStatus::Ready);
        assert_eq!(status(with("status", json!("hibernating"))), AgentStatus::Busy);
        let mut ended = with("status", json!("archived"));
        ended["exit"] = json!({"reason": "exited", "at": "2026-11-26T10:00:00Z"});
        assert_eq!(status(ended), AgentStatus::Stopped);
        let asks = agent(with("attention", json!({"kind": "telepathy", "text": "?"}))).unwrap();
        assert_eq!(asks.attention, None);
        assert_eq!(status(with("colour", json!("red"))), AgentStatus::Ready, "fields of later versions");
        assert!(agent(with("id", json!(5))).is_err());
    }

    #[test]
    fn lines_of_a_later_version_are_known_by_what_they_share() {
        let event = |name: &str, agent: Value| {
            json!({"seq": 3, "event": name, "data": {"agent": agent}, "timestamp": "2026-11-26T10:00:00Z"})
                .to_string()
        };
        assert!(matches!(host_line(&event("agent_ready", an_agent())), Some(HostLine::Event(_))));
        assert!(host_line(&event("agent_dreamt", an_agent())).is_none());
        let odd = event("agent_ready", with("status", json!("dreaming")));
        assert!(matches!(host_line(&odd), Some(HostLine::Event(event)) if event.seq == 3));
        let state = json!({"agent": with("status", json!("dreaming"))}).to_string();
        assert!(matches!(host_line(&state), Some(HostLine::State { .. })));
        for unknown in ["{\"weather\": \"fine\"}", "[]", "no JSON", ""] {
            assert!(host_line(unknown).is_none(), "{unknown}");
        }
    }
}
