//! Deaths of servers, and the steps in which they happened.
//!
//! A step that kills its server would be resumed for ever: every server that comes up would die of it. So each death counts
//! against the steps in which the engine itself was at work. A step that waits for an agent or a person is not suspected: the
//! engine does nothing for it, and the server died of something else.

use std::collections::HashSet;

use parallax_api::execution::Fault;

use super::RunState;
use crate::run::path;

/// Deaths in one attempt at a step after which the run is not resumed.
const MAX_DEATHS: u32 = 2;
/// The key of what is done outside of every step: starting, and making the output.
const NO_STEP: &str = "";

impl RunState {
    /// Counts a death of the server against the steps that were computing, and decides whether the run is resumed.
    pub(super) fn resume(&mut self, crashed: bool) {
        if crashed {
            for attempt in self.computing() {
                *self.deaths.entry(attempt).or_default() += 1;
            }
        }
        // At the end nothing computes, and what was decided stays.
        if !self.wait_time.is_ending() {
            self.lethal = self.find_lethal();
        }
    }

    /// Why the run is not resumed, if it kills its servers.
    pub(in crate::run) fn lethal(&self) -> Option<Fault> {
        self.lethal.clone()
    }

    fn find_lethal(&self) -> Option<Fault> {
        let computing = self.computing();
        let attempt = computing.iter().find(|attempt| self.deaths.get(*attempt) >= Some(&MAX_DEATHS))?;
        let died = format!("the server died {MAX_DEATHS} times");
        if attempt == NO_STEP {
            return Some(Fault::new(
                "SERVER_DIED",
                format!("{died} while it worked on this run outside of its steps"),
            ));
        }
        let step = path::step(attempt);
        let name = self.steps.get(step).and_then(|state| state.id.as_deref()).unwrap_or(step);
        let message = format!("{died} while it worked on the step `{name}`: the run is not resumed");
        Some(Fault { step: Some(name.to_owned()), ..Fault::new("SERVER_DIED", message) })
    }

    /// The attempts at steps for which the engine is at work, not an agent or a person.
    fn computing(&self) -> Vec<String> {
        let is_waiting = !self.wanted.is_empty() || self.wait_time.is_ending();
        if self.is_over() || is_waiting {
            return Vec::new();
        }
        let running: Vec<String> =
            self.open().into_iter().map(|(step, attempt)| path::attempt(&step, attempt)).collect();
        let in_flight: Vec<&str> =
            self.conversations.in_flight().map(|(_, message)| message.step.as_str()).collect();
        let questions = self.conversations.questions().filter(|question| question.is_open());
        let waiting: HashSet<&str> = in_flight
            .iter()
            .copied()
            .chain(questions.map(|question| question.question.step.as_str()))
            .collect();
        if running.is_empty() && waiting.is_empty() {
            return vec![NO_STEP.to_owned()];
        }
        let computes = |attempt: &String| {
            let has_inner = running.iter().any(|other| path::is_below(other, attempt));
            // A step without messages may wait for an agent that works for another step.
            let may_queue = !in_flight.is_empty() && !self.conversations.has_messages(attempt);
            !has_inner && !may_queue && !waiting.contains(attempt.as_str())
        };
        running.iter().filter(|attempt| computes(attempt)).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use parallax_api::execution::{ExecutionEventData as Data, Question, QuestionKind, SentKind, StepStatus};
    use parallax_api::{AgentId, Time};

    use super::*;
    use crate::run::RunEvent;

    fn replayed(events: &[Data]) -> RunState {
        let started = Data::ExecutionStarted { pattern: "p".into(), input: BTreeMap::new(), workdir: None };
        let all = std::iter::once(&started).chain(events);
        let history: Vec<RunEvent> = (1..)
            .zip(all)
            .map(|(seq, data)| RunEvent { seq, data: data.clone(), timestamp: Time::from_millis(0) })
            .collect();
        RunState::replay("r", &history)
    }

    fn started(step: &str, attempt: u32) -> Data {
        let id = (step == "1").then(|| "one".to_owned());
        Data::StepStarted { step: step.into(), id, r#type: "assign".into(), attempt, role: None }
    }

    fn sent(step: &str) -> Data {
        Data::MessageSent {
            key: format!("{step}:1"),
            step: step.into(),
            kind: SentKind::Task,
            role: "a".into(),
            agent_id: AgentId::generate(),
            text: "t".into(),
            notes: 0,
        }
    }

    fn asked(step: &str) -> Data {
        let question = Question {
            id: "q".into(),
            kind: QuestionKind::Approval,
            step: step.into(),
            role: None,
            agent_id: None,
            attention_id: None,
            topics: vec![],
            text: "?".into(),
            options: vec![],
            login_url: None,
            tool: None,
            plan: None,
            danger: None,
        };
        Data::QuestionAsked { question: Box::new(question) }
    }

    #[test]
    fn a_step_that_kills_two_servers_is_not_resumed() {
        let died = Data::ExecutionResumed { crashed: true };
        let stopped = Data::ExecutionResumed { crashed: false };
        let answered = Data::MessageAnswered { key: "1:1".into(), text: "a".into() };
        let again = Data::StepEnded {
            step: "1".into(),
            attempt: 1,
            status: StepStatus::Failed,
            result: None,
            error: None,
            again: true,
        };
        let cancelled = Data::StepEnded {
            step: "1".into(),
            attempt: 1,
            status: StepStatus::Cancelled,
            result: None,
            error: None,
            again: false,
        };
        let ended = [Data::ExecutionEnding {}, cancelled, died.clone()];
        for (events, lethal) in [
            (vec![started("1", 1), died.clone(), died.clone()], Some("`one`")),
            (vec![started("1", 1), died.clone()], None),
            // Also when a server dies while it stops the agents.
            ([vec![started("1", 1), died.clone(), died.clone()], ended.to_vec()].concat(), Some("`one`")),
            ([vec![started("1", 1), died.clone()], ended.to_vec()].concat(), None),
            (vec![started("1", 1), stopped.clone(), stopped.clone(), stopped], None),
            (vec![started("1", 1), sent("1"), died.clone(), died.clone(), died.clone()], None),
            (vec![started("1", 1), sent("1"), answered.clone(), died.clone(), died.clone()], Some("`one`")),
            (vec![started("1", 1), asked("1"), died.clone(), died.clone(), died.clone()], None),
            // Each attempt for itself.
            (vec![started("1", 1), died.clone(), again, started("1", 2), died.clone()], None),
            // The step inside, not the one around it.
            (vec![started("0", 1), started("0/0", 1), died.clone(), died.clone()], Some("`0/0`")),
            // Beside a step that waits: after its own message, but not while it may wait for that agent.
            (
                vec![
                    started("0", 1),
                    started("0/0", 1),
                    sent("0/0"),
                    started("0/1", 1),
                    died.clone(),
                    died.clone(),
                ],
                None,
            ),
            (vec![died.clone(), died.clone()], Some("outside of its steps")),
        ] {
            let state = replayed(&events);
            let fault = state.lethal();
            assert_eq!(fault.is_some(), lethal.is_some(), "{events:#?}");
            if let (Some(fault), Some(words)) = (fault, lethal) {
                assert!(fault.code == "SERVER_DIED" && fault.message.contains(words), "{fault:?}");
            }
        }
    }
}
