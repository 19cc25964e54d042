//! The run as everybody sees it.

use parallax_api::execution::{Execution, QuestionView, StepView};

use super::{Ledger, StepState};
use crate::run::ledger::QuestionState;

pub(super) fn execution(ledger: &Ledger) -> Execution {
    let steps = ledger.order.iter().filter_map(|path| Some(step(path, ledger.steps.get(path)?))).collect();
    let questions = ledger.talk.questions().filter(|question| question.is_open()).map(question).collect();
    let agents = ledger.joined.iter().filter_map(|id| ledger.members.get(id).cloned()).collect();
    Execution {
        id: ledger.id.clone(),
        pattern: ledger.pattern.clone(),
        status: ledger.status,
        input: ledger.input.clone(),
        output: ledger.output.clone(),
        error: ledger.error.clone(),
        created_at: ledger.created_at,
        updated_at: ledger.updated_at,
        ended_at: ledger.ended_at,
        metrics: ledger.metrics(),
        steps,
        questions,
        agents,
    }
}

fn step(path: &str, state: &StepState) -> StepView {
    StepView {
        path: path.to_owned(),
        id: state.id.clone(),
        r#type: state.kind.clone(),
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
