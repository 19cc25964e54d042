//! The run as clients see it.

use parallax_api::execution::{Execution, ExecutionMetrics, MessageBudget, QuestionView, StepView};

use super::conversations::QuestionState;
use super::wait_time::millis_between;
use super::{RunState, StepState};

/// From which part of its budget on it is told that a run has sent most of its messages.
const WARN_PERCENT: u64 = 80;

impl RunState {
    /// The run as clients see it.
    pub fn execution(&self) -> Execution {
        let steps = self.order.iter().filter_map(|path| Some(step(path, self.steps.get(path)?))).collect();
        let questions = self.conversations.questions().filter(|question| question.is_open());
        let agents = self.joined.iter().filter_map(|id| self.members.get(id).cloned()).collect();
        Execution {
            id: self.id.clone(),
            pattern: self.pattern.clone(),
            status: self.status,
            input: self.input.clone(),
            output: self.output.clone(),
            error: self.error.clone(),
            created_at: self.created_at,
            updated_at: self.updated_at,
            ended_at: self.ended_at,
            metrics: self.metrics(),
            budget: None,
            steps,
            questions: questions.map(question).collect(),
            agents,
        }
    }

    /// The messages that it may send; `limit` is what its file says.
    pub fn budget(&self, limit: u32) -> MessageBudget {
        let most = self.raised_budget.unwrap_or(limit);
        let many = u32::try_from(u64::from(most) * WARN_PERCENT / 100).unwrap_or(most).max(1);
        let warning_since = self.conversations.sent_at(many);
        MessageBudget { sent: self.conversations.message_count(), most, warning_since }
    }

    fn metrics(&self) -> ExecutionMetrics {
        let until = self.ended_at.unwrap_or(self.updated_at);
        let duration_ms = millis_between(self.created_at, until);
        ExecutionMetrics {
            duration_ms,
            engine_ms: duration_ms.saturating_sub(self.wait_time.millis(until)),
            messages: self.conversations.message_count(),
            questions: self.conversations.question_count(),
            agents: self.spawned,
            agents_at_once: self.at_once,
        }
    }
}

fn step(path: &str, state: &StepState) -> StepView {
    StepView {
        path: path.to_owned(),
        id: state.id.clone(),
        r#type: state.r#type.clone(),
        status: state.status,
        attempt: state.attempt,
        role: state.role.clone(),
        started_at: state.first_at,
        ended_at: state.ended_at,
        result: state.result.clone(),
        error: state.error.clone(),
    }
}

fn question(state: &QuestionState) -> QuestionView {
    QuestionView {
        question: state.question.clone(),
        since: state.since,
        asked: state.routed.iter().flat_map(|(to, _)| to.clone()).collect(),
        for_user: state.is_for_user(),
    }
}
