//! The time in which others were waited for: agents at work, starting or stopping, and persons.

use std::collections::HashSet;

use parallax_api::Time;
use parallax_api::execution::ExecutionEventData as Data;

use super::millis_between;

/// The union of all waits.
#[derive(Clone, Debug, Default)]
pub(super) struct Busy {
    open: HashSet<String>,
    since: Option<Time>,
    millis: u64,
}

impl Busy {
    pub fn apply(&mut self, data: &Data, at: Time) {
        match data {
            Data::AgentWanted { role, number, .. } => self.begin(format!("agent {role} {number}"), at),
            Data::AgentJoined { member } => self.end(&format!("agent {} {}", member.role, member.number), at),
            Data::AgentRefused { key, .. } => {
                // The key ends in role, number and type.
                let mut parts = key.rsplit('/').skip(1);
                if let (Some(number), Some(role)) = (parts.next(), parts.next()) {
                    self.end(&format!("agent {role} {number}"), at);
                }
            }
            Data::MessageSent { key, .. } => self.begin(format!("message {key}"), at),
            Data::MessageAnswered { key, .. }
            | Data::MessageFailed { key, .. }
            | Data::MessageAbandoned { key } => self.end(&format!("message {key}"), at),
            Data::QuestionAsked { question } => self.begin(format!("question {}", question.id), at),
            Data::QuestionAnswered { id, .. } | Data::QuestionWithdrawn { id, .. } => {
                self.end(&format!("question {id}"), at);
            }
            Data::ExecutionEnding {} => self.begin("ending".into(), at),
            Data::ExecutionEnded { .. } => {
                self.open.clear();
                self.settle(at);
            }
            _ => {}
        }
    }

    /// How long it was by then.
    pub fn millis(&self, until: Time) -> u64 {
        self.millis + self.since.map_or(0, |since| millis_between(since, until))
    }

    fn begin(&mut self, what: String, at: Time) {
        self.open.insert(what);
        self.since.get_or_insert(at);
    }

    fn end(&mut self, what: &str, at: Time) {
        self.open.remove(what);
        self.settle(at);
    }

    fn settle(&mut self, at: Time) {
        if self.open.is_empty()
            && let Some(since) = self.since.take()
        {
            self.millis += millis_between(since, at);
        }
    }
}
