//! The time in which the run waited for others: agents at work, starting or stopping, and persons.

use std::collections::{HashMap, HashSet};

use parallax_api::Time;
use parallax_api::execution::ExecutionEventData as Data;

/// What a run waits for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Wait {
    /// The spawn of an agent, by role and number.
    Agent(String, u32),
    /// The answer to a message, by key.
    Message(String),
    /// The answer to a question, by id.
    Question(String),
    /// Agents that are being stopped at the end.
    Ending,
}

/// A stopwatch over the union of all waits.
#[derive(Clone, Debug, Default)]
pub(super) struct WaitTime {
    open: HashSet<Wait>,
    /// The agents that are being spawned, by the key of the spawn.
    spawning: HashMap<String, Wait>,
    since: Option<Time>,
    millis: u64,
}

impl WaitTime {
    pub fn apply(&mut self, data: &Data, at: Time) {
        match data {
            Data::AgentWanted { key, role, number, .. } => {
                let wait = Wait::Agent(role.clone(), *number);
                self.spawning.insert(key.clone(), wait.clone());
                self.begin(wait, at);
            }
            Data::AgentJoined { member } => self.end(&Wait::Agent(member.role.clone(), member.number), at),
            Data::AgentRefused { key, .. } => {
                if let Some(wait) = self.spawning.remove(key) {
                    self.end(&wait, at);
                }
            }
            Data::MessageSent { key, .. } => self.begin(Wait::Message(key.clone()), at),
            Data::MessageAnswered { key, .. }
            | Data::MessageFailed { key, .. }
            | Data::MessageAbandoned { key } => self.end(&Wait::Message(key.clone()), at),
            Data::QuestionAsked { question } => self.begin(Wait::Question(question.id.clone()), at),
            Data::QuestionAnswered { id, .. } | Data::QuestionWithdrawn { id, .. } => {
                self.end(&Wait::Question(id.clone()), at);
            }
            Data::ExecutionEnding {} => self.begin(Wait::Ending, at),
            Data::ExecutionEnded { .. } => {
                self.open.clear();
                self.stop_if_idle(at);
            }
            Data::ExecutionStarted { .. }
            | Data::ExecutionResumed { .. }
            | Data::CancelRequested {}
            | Data::BudgetRaised { .. }
            | Data::StepStarted { .. }
            | Data::StepEnded { .. }
            | Data::RoleSelected { .. }
            | Data::AgentLeft { .. }
            | Data::QuestionRouted { .. }
            | Data::QuestionDeclined { .. }
            | Data::QuestionDelivered { .. }
            | Data::NoteLeft { .. } => {}
        }
    }

    /// Whether agents are being stopped at the end.
    pub fn is_ending(&self) -> bool {
        self.open.contains(&Wait::Ending)
    }

    /// The milliseconds waited until then.
    pub fn millis(&self, until: Time) -> u64 {
        self.millis + self.since.map_or(0, |since| millis_between(since, until))
    }

    fn begin(&mut self, wait: Wait, at: Time) {
        self.open.insert(wait);
        self.since.get_or_insert(at);
    }

    fn end(&mut self, wait: &Wait, at: Time) {
        self.open.remove(wait);
        self.stop_if_idle(at);
    }

    fn stop_if_idle(&mut self, at: Time) {
        if self.open.is_empty()
            && let Some(since) = self.since.take()
        {
            self.millis += millis_between(since, at);
        }
    }
}

/// The milliseconds between two times; 0 when the clock was set back in between.
pub(super) fn millis_between(from: Time, to: Time) -> u64 {
    u64::try_from(to.as_millis() - from.as_millis()).unwrap_or(0)
}
