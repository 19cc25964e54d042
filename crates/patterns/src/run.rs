//! A run of a pattern (an *execution* on the wire and in the tables).
//!
//! Everything that happens is an event in the [`Journal`], written before anything follows from it. The steps are plain code
//! that asks the state first: what is done is not repeated, what was started is continued under the same key. Crash recovery
//! and normal execution are therefore the same code.
//!
//! - `engine`: what a run consists of; `lifecycle`: from its first step to its end
//! - `steps`: the tree of steps; `agent_steps`: steps that ask an agent or a person; `workspace_steps`: steps on a
//!   role's checkout
//! - `messaging`: one message until its answer; `escalate`: one question until its answer
//! - `routing`: where questions and copies go, pure functions
//! - `team`: spawning and adopting agents; `pool`: the agents of one role; `membership`: joins and departures
//! - `store`: the write-ahead log; `state`: its projection; `clock`: time, which a simulation can control

mod abandon;
pub mod agent_client;
mod agent_steps;
mod clock;
mod dialogs;
mod engine;
mod escalate;
mod event;
mod lifecycle;
mod membership;
mod messaging;
mod path;
mod pool;
mod prompt;
mod queues;
mod routing;
mod scope;
mod state;
mod step_error;
mod steps;
mod store;
mod team;
mod workspace_steps;

use std::collections::BTreeMap;
use std::sync::Arc;

use parallax_api::execution::{
    Execution, ExecutionAnswer, ExecutionEventData as Data, MAX_RUN_MESSAGES, QuestionAnswer, QuestionKind,
    USER,
};
use parallax_api::{Code, Problem, Time};
use tokio::sync::mpsc::unbounded_channel;

use crate::pattern::Pattern;
use abandon::AcceptedMessages;
use agent_client::AgentClient;
use clock::Clock;
use engine::Engine;
pub use event::RunEvent;
use pool::Pool;
use queues::MembershipQueues;
use state::QuestionState;
pub use state::RunState;
pub use store::Journal;
use store::RunStore;
pub use team::EXECUTION_LABEL;

/// A handle to a run. Clones are the same run.
#[derive(Clone)]
pub struct Run(Arc<Engine>);

/// What a run is made of.
pub struct RunParams {
    /// Its id.
    pub id: String,
    /// What it runs.
    pub pattern: Pattern,
    /// Access to its agents.
    pub agents: Arc<dyn AgentClient>,
    /// Where its events are stored.
    pub journal: Arc<dyn Journal>,
    /// The events that are stored already: the first one, or all of a run that continues.
    pub history: Vec<RunEvent>,
    /// Whether the server that ran it before died, instead of being stopped.
    pub crashed: bool,
    /// The time.
    pub now: Time,
}

impl Run {
    /// A run with this history. Nothing happens before [`Run::execute`].
    pub fn new(params: RunParams) -> Self {
        let RunParams { id, pattern, agents, journal, history, crashed, now } = params;
        let state = RunState::replay(&id, &history);
        let (join_tx, join_rx) = unbounded_channel();
        let (departure_tx, departure_rx) = unbounded_channel();
        let pools: BTreeMap<String, Pool> = pattern
            .structure
            .roles
            .iter()
            .map(|(name, role)| {
                // One agent stays for what it knows; unmanaged agents are kept for the whole run.
                let floor = if role.managed { role.min_instances.max(1) } else { role.most() };
                (name.clone(), Pool::new(role.most(), floor, state.last_number(name), departure_tx.clone()))
            })
            .collect();
        let in_flight: Vec<(String, parallax_api::AgentId, String)> = state
            .conversations()
            .in_flight()
            .map(|(key, message)| (key.clone(), message.agent.clone(), message.step.clone()))
            .collect();
        for member in state.present() {
            let message = in_flight.iter().find(|(_, agent, _)| *agent == member.agent_id);
            if let Some(pool) = pools.get(&member.role) {
                pool.restore(member.clone(), message.map(|(key, ..)| key.clone()));
            }
        }
        // Agents whose step or question is over were about to be interrupted when the server died.
        for pool in pools.values() {
            pool.abandon(|key| {
                let message = state.conversations().message(key);
                message.is_some_and(|message| !state.is_active(&message.step))
                    || !state.conversations().is_awaited(key)
            });
        }
        let resumed = history.len() > 1;
        let count = history.len() as u64;
        Self(Arc::new(Engine {
            id,
            pattern,
            agents,
            store: RunStore::new(state, count, Clock::at(now), journal),
            pools,
            resumed,
            crashed,
            join_tx,
            membership: tokio::sync::Mutex::new(MembershipQueues { join_rx, departure_rx }),
            accepted: AcceptedMessages::default(),
            sharing: tokio::sync::Mutex::default(),
        }))
    }

    /// Runs to the end. Dropping the future stops the run where it is; another server can continue from its history.
    ///
    /// # Errors
    /// When the journal fails.
    pub async fn execute(&self) -> Result<Execution, Problem> {
        let run = &self.0;
        let _close_on_drop = CloseOnDrop(&run.store);
        tokio::select! {
            biased;
            problem = run.store.run_writer() => Err(problem),
            ended = run.run_to_end() => match ended {
                Ok(()) => Ok(self.view()),
                Err(error) => Err(Problem::internal(error.fault.message)),
            },
        }
    }

    /// The current state, as clients see it.
    pub fn view(&self) -> Execution {
        let limit = self.0.pattern.limits.messages;
        self.0.store.read(|state| {
            let budget = (!state.is_over()).then(|| state.budget(limit));
            Execution { budget, ..state.execution() }
        })
    }

    /// Lets the run send so many messages in all. The same number again is no error.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` when it is less than the run may send already, or more than any run may. `CONFLICT` when it is over.
    pub async fn raise_budget(&self, messages: u32) -> Result<Execution, Problem> {
        let limit = self.0.pattern.limits.messages;
        let mut outcome = Ok(());
        let raise = |state: &RunState| {
            let most = state.budget(limit).most;
            if messages < most || messages > MAX_RUN_MESSAGES.max(most) {
                let bounds = format!("{most} (what the run may send now) to {MAX_RUN_MESSAGES} messages");
                outcome = Err(Problem::invalid("messages", bounds));
            }
            if state.is_over() {
                outcome = Err(Problem::new(Code::Conflict, "the run is over"));
            }
            (outcome.is_ok() && messages > most).then_some(Data::BudgetRaised { messages })
        };
        let appended = self.0.store.append_if(raise).await;
        outcome?;
        appended.map_err(|failure| Problem::new(Code::ShuttingDown, failure.fault.message))?;
        Ok(self.view())
    }

    /// Records a person's answer. The same answer again is no error.
    ///
    /// # Errors
    /// `NOT_FOUND` when there is no such question, `CONFLICT` when it is closed or it is not clear which one is meant,
    /// `VALIDATION_ERROR` when the answer does not fit.
    pub async fn answer(&self, answer: ExecutionAnswer) -> Result<Execution, Problem> {
        let store = &self.0.store;
        let ExecutionAnswer { question_id, option, text } = answer;
        let given = QuestionAnswer { option, text };
        let mut outcome = Ok(());
        let decide = |state: &RunState| match question_for(state, question_id.as_deref(), &given) {
            Ok(Some(id)) => Some(Data::QuestionAnswered { id, by: USER.into(), answer: given.clone() }),
            Ok(None) => None,
            Err(problem) => {
                outcome = Err(problem);
                None
            }
        };
        let appended = store.append_if(decide).await;
        outcome?;
        appended.map_err(|failure| Problem::new(Code::ShuttingDown, failure.fault.message))?;
        Ok(self.view())
    }

    /// Cancels the run. Cancelling it again, or after its end, is no error.
    ///
    /// # Errors
    /// When the run is not active any more.
    pub async fn cancel(&self) -> Result<Execution, Problem> {
        let new = |state: &RunState| !state.is_cancelled() && !state.is_over();
        let appended = self.0.store.append_if(|state| new(state).then_some(Data::CancelRequested {})).await;
        appended.map_err(|error| Problem::new(Code::ShuttingDown, error.fault.message))?;
        Ok(self.view())
    }
}

/// Fails pending appends when the writer is gone.
struct CloseOnDrop<'a>(&'a RunStore);

impl Drop for CloseOnDrop<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// The id of the question that an answer is for; none when the question has this answer already.
fn question_for(
    state: &RunState,
    id: Option<&str>,
    given: &QuestionAnswer,
) -> Result<Option<String>, Problem> {
    let open = || state.conversations().questions().filter(|question| question.is_open());
    let question = match id {
        Some(id) => state.conversations().question(id).ok_or_else(|| {
            Problem::new(Code::NotFound, format!("the run has no question `{id}`"))
                .with("field", "questionId")
        })?,
        None => {
            let is_answerable = |question: &&QuestionState| question.question.kind != QuestionKind::Attention;
            let for_user: Vec<_> =
                open().filter(|question| question.is_for_user()).filter(is_answerable).collect();
            match *for_user.as_slice() {
                [one] => one,
                [] => return Err(Problem::new(Code::Conflict, "no question of this run waits for a person")),
                _ => {
                    let ids: Vec<&str> =
                        for_user.iter().map(|question| question.question.id.as_str()).collect();
                    let detail = "several questions wait for a person: say which with `questionId`";
                    return Err(Problem::new(Code::Conflict, detail).with("questions", ids));
                }
            }
        }
    };
    if !question.is_open() {
        let same = question.answer.as_ref().is_some_and(|(by, answer)| by == USER && answer == given);
        let detail = "the question wants no answer any more";
        return if same { Ok(None) } else { Err(Problem::new(Code::Conflict, detail)) };
    }
    if question.question.kind == QuestionKind::Attention {
        let detail = "nothing is asked that can be answered here: look at the agent's terminal";
        return Err(Problem::new(Code::Conflict, detail));
    }
    let options = &question.question.options;
    let is_approval = question.question.kind == QuestionKind::Approval;
    match (&given.option, &given.text) {
        (Some(option), _) if options.iter().any(|known| known.id == *option) => {}
        (Some(option), _) => {
            let ids: Vec<&str> = options.iter().map(|known| known.id.as_str()).collect();
            let detail = format!("`{option}` is no option of this question; there is {}", ids.join(", "));
            return Err(Problem::invalid("option", detail));
        }
        (None, Some(text)) if !text.trim().is_empty() && !is_approval => {}
        (None, Some(_)) if is_approval => {
            return Err(Problem::invalid("option", "an approval is answered with `approve` or `reject`"));
        }
        (None, _) => return Err(Problem::invalid("text", "give an `option`, or `text`")),
    }
    Ok(Some(question.question.id.clone()))
}
