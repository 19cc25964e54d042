//! The events of a run as a person reads them.

use std::collections::HashMap;

use parallax_api::AgentId;
use parallax_api::execution::{
    ExecutionEvent, ExecutionEventData as Data, ExecutionStatus, Question, QuestionKind, StepStatus, USER,
};

use crate::output::{Style, clean, one_line};
use crate::question_text::{how_to_answer_run, run_question_text};

/// What earlier events said that later events refer to.
#[derive(Default)]
pub(super) struct Progress {
    questions: HashMap<String, Question>,
    steps: HashMap<String, String>,
    agents: HashMap<AgentId, String>,
}

impl Progress {
    /// A question that came up.
    pub fn question(&self, id: &str) -> Option<&Question> {
        self.questions.get(id)
    }

    /// `TIME WHAT`; none for what says nothing to a person. `is_asked`: a question for the person is asked at the terminal.
    pub fn line(
        &mut self,
        event: &ExecutionEvent,
        execution: &str,
        is_asked: bool,
        paint: impl Fn(&str, Style) -> String,
    ) -> Option<String> {
        let (text, style) = self.words(&event.data, execution, is_asked)?;
        let time = event.timestamp.to_string();
        let clock = time.get(11..19).unwrap_or(&time);
        Some(format!("{}  {}", paint(clock, Style::Faint), paint(&clean(&text), style)))
    }

    fn words(&mut self, data: &Data, execution: &str, is_asked: bool) -> Option<(String, Style)> {
        Some(match data {
            Data::StepStarted { step, id, r#type, attempt, role } => {
                let name = id.clone().unwrap_or_else(|| format!("step {step}"));
                let role = role.as_ref().map(|role| format!(" by {role}")).unwrap_or_default();
                let again = if *attempt > 1 { format!(", attempt {attempt}") } else { String::new() };
                self.steps.insert(step.clone(), name.clone());
                (format!("{name}: {type}{role}{again}"), Style::Plain)
            }
            Data::StepEnded { step, status, error, again, .. } => {
                let name = self.steps.get(step).cloned().unwrap_or_else(|| format!("step {step}"));
                let why = error.as_ref().map(|error| one_line(&error.message)).unwrap_or_default();
                match status {
                    StepStatus::Completed => (format!("{name}: done"), Style::Good),
                    StepStatus::Cancelled => (format!("{name}: cancelled"), Style::Faint),
                    _ if *again => (format!("{name}: failed, and is tried again: {why}"), Style::Wanted),
                    _ => (format!("{name}: failed: {why}"), Style::Bad),
                }
            }
            Data::RoleSelected { role, .. } => (format!("{role} was selected"), Style::Plain),
            Data::AgentJoined { member } => {
                let name = format!("{} {}", member.role, member.number);
                let text = format!("{name} is here: {} on {}", member.r#type, member.runtime);
                self.agents.insert(member.agent_id.clone(), name);
                (text, Style::Faint)
            }
            Data::AgentRefused { role, error, .. } => {
                (format!("no agent for {role}: {}", one_line(&error.message)), Style::Wanted)
            }
            Data::AgentLeft { agent_id, role, reason } => {
                let name = self.agents.get(agent_id).unwrap_or(role);
                (format!("{name} is gone: {}", one_line(reason)), Style::Faint)
            }
            Data::QuestionAsked { question } => {
                let who = question.role.clone().unwrap_or_else(|| "the run".into());
                let text = format!("{who} asks: {}", one_line(&question.text));
                self.questions.insert(question.id.clone(), Question::clone(question));
                (text, Style::Plain)
            }
            Data::QuestionRouted { id, to, why, .. } if to.iter().any(|to| to == USER) => {
                let question = self.questions.get(id)?;
                let text = if let (QuestionKind::Attention, Some(agent)) = (question.kind, &question.agent_id)
                {
                    run_question_text(question, &format!("look at it with: parallax attach {agent}"))
                } else if is_asked {
                    // What it is stands where it can be answered, when it is its turn.
                    format!("… you are asked: {why}")
                } else {
                    run_question_text(question, &how_to_answer_run(execution, question))
                };
                (text, Style::Wanted)
            }
            Data::QuestionRouted { to, why, .. } => {
                (format!("… {} is asked: {why}", to.join(", ")), Style::Plain)
            }
            Data::QuestionDeclined { role, why, .. } => {
                (format!("… not by {role}: {}", one_line(why)), Style::Plain)
            }
            Data::QuestionAnswered { by, answer, .. } => {
                let said = answer.option.iter().chain(&answer.text).map(|text| one_line(text));
                (format!("… {by} answers: {}", said.collect::<Vec<_>>().join(", ")), Style::Plain)
            }
            Data::QuestionWithdrawn { why, .. } => (format!("… {why}"), Style::Faint),
            Data::ExecutionResumed { .. } => ("taken up again by the server".into(), Style::Faint),
            Data::CancelRequested {} => ("cancelled".into(), Style::Wanted),
            Data::BudgetRaised { messages } => (format!("may send {messages} messages in all"), Style::Plain),
            Data::ExecutionEnded { status, error, .. } => match (status, error) {
                (ExecutionStatus::Completed, _) => ("completed".into(), Style::Good),
                (_, Some(error)) => {
                    let step = error.step.as_ref().map(|step| format!(" in {step}")).unwrap_or_default();
                    (format!("{}{step}: {}", error.code, one_line(&error.message)), Style::Bad)
                }
                (_, None) => ("ended".into(), Style::Bad),
            },
            _ => return None,
        })
    }
}
