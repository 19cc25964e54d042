//! One message to an agent until its answer. The questions in between are part of it; `dialogs.rs` has those of the agent's CLI.

use std::time::Duration;

use futures::future::BoxFuture;
use parallax_api::agent::MAX_MESSAGE;
use parallax_api::execution::{ExecutionEventData as Data, Fault, Question, QuestionKind, SentKind};
use parallax_api::{Code, Problem};

use super::agent_client::MessageProgress;
use super::engine::Engine;
use super::pool::PooledAgent;
use super::routing::POLICY;
use super::state::{MAX_RUN_TEXT, RunState};
use super::step_error::{Disposition, StepError};
use super::{path, prompt};
use crate::answer_parser;

/// Delay before retrying a send after a full queue, or after `QUESTION_PENDING` without an attention.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);

/// A message to send.
#[derive(Clone, Debug)]
pub(super) struct OutgoingMessage {
    /// Its `Idempotency-Key`, within the run.
    pub key: String,
    /// The path of the attempt it belongs to.
    pub step: String,
    pub kind: SentKind,
    pub text: String,
}

/// Why a message has no answer.
pub(super) enum Unanswered {
    /// The agent or its runtime refused.
    Problem(Problem),
    /// The agent has ended, and was given nothing of the message.
    Gone(Problem),
    /// Something else failed. The agent still works on the message.
    Step(StepError),
}

impl From<StepError> for Unanswered {
    fn from(error: StepError) -> Self {
        Self::Step(error)
    }
}

impl Engine {
    /// Sends a message, has the agent's questions answered, and returns its final answer.
    pub(super) fn converse<'a>(
        &'a self,
        pooled: &'a mut PooledAgent,
        outgoing: OutgoingMessage,
    ) -> BoxFuture<'a, Result<String, StepError>> {
        Box::pin(async move {
            let mut answer = self.send_and_wait(pooled, &outgoing).await?;
            let mut asked = 0;
            while let Some((topics, text)) = self.question_in(pooled, &outgoing, &answer) {
                asked += 1;
                let question = Question {
                    id: format!("{}:q{asked}", outgoing.key),
                    kind: QuestionKind::Question,
                    step: outgoing.step.clone(),
                    role: Some(pooled.member().role.clone()),
                    agent_id: Some(pooled.member().agent_id.clone()),
                    attention_id: None,
                    topics,
                    text,
                    options: Vec::new(),
                    login_url: None,
                    tool: None,
                    plan: None,
                    danger: None,
                };
                let id = question.id.clone();
                self.within_budget(&outgoing, &id)?;
                let (by, given) = self.resolve(question, None).await?;
                let text = given.text.unwrap_or_default();
                let text = if by == POLICY { text } else { prompt::answer(&by, &text) };
                let key = format!("{}:a{asked}", outgoing.key);
                let reply =
                    OutgoingMessage { key, step: outgoing.step.clone(), kind: SentKind::Answer, text };
                answer = self.send_and_wait(pooled, &reply).await?;
                self.delivered(&id).await?;
            }
            Ok(answer)
        })
    }

    /// The question in an answer, where this agent was briefed how to ask.
    fn question_in(
        &self,
        pooled: &PooledAgent,
        outgoing: &OutgoingMessage,
        answer: &str,
    ) -> Option<(Vec<String>, String)> {
        let briefed = self.pattern.structure.roles.get(&pooled.member().role)?.briefing;
        let may_ask = briefed && matches!(outgoing.kind, SentKind::Task | SentKind::Again);
        may_ask.then(|| answer_parser::question(answer)).flatten()
    }

    /// Fails when the message has led to too many questions.
    pub(super) fn within_budget(&self, outgoing: &OutgoingMessage, id: &str) -> Result<(), StepError> {
        let most = self.pattern.limits.questions_per_message as usize;
        let prefix = format!("{}:", outgoing.key);
        let others = self.store.read(|state| {
            let questions = state.conversations().questions().map(|question| &question.question);
            let answerable = questions.filter(|question| question.kind != QuestionKind::Attention);
            answerable.filter(|other| other.id.starts_with(&prefix) && other.id != id).count()
        });
        if others < most {
            return Ok(());
        }
        let message = format!("one message led to more than {most} questions");
        Err(StepError::permanent(Code::ResourceLimit.as_str(), message))
    }

    /// Sends a message and waits for its answer. After a restart it continues where the message was.
    async fn send_and_wait(
        &self,
        pooled: &mut PooledAgent,
        outgoing: &OutgoingMessage,
    ) -> Result<String, StepError> {
        let key = &outgoing.key;
        let (known, begins) = self.store.read(|state| {
            let conversations = state.conversations();
            (conversations.message(key).cloned(), conversations.agent_of(path::conversation(key)).is_none())
        });
        let text = match known {
            Some(message) => match message.outcome {
                Some(Ok(answer)) => return Ok(answer),
                Some(Err(fault)) => return Err(StepError::replayed(fault, Disposition::Retry)),
                None if message.abandoned || message.agent != pooled.member().agent_id => {
                    let fault = Fault::new(Code::AgentStopped.as_str(), "the agent was lost");
                    let failed = Data::MessageFailed { key: key.clone(), error: fault.clone() };
                    self.store.append(failed).await?;
                    return Err(StepError::replayed(fault, Disposition::Retry));
                }
                None => message.text,
            },
            None => self.persist(pooled, outgoing).await?,
        };
        pooled.start(key);
        let mut delivered = self.deliver(pooled, outgoing, &text).await;
        if begins {
            delivered = self.deliver_to_another(pooled, outgoing, text, delivered).await;
        }
        if !matches!(delivered, Err(Unanswered::Step(_))) {
            self.accepted.remove(key);
        }
        match delivered {
            Ok(answer) if answer.len() > MAX_MESSAGE => {
                pooled.finish();
                let message = format!("the agent answered with more than {MAX_MESSAGE} bytes");
                let failed = StepError::too_large(message);
                let error = failed.fault.clone();
                self.store.append(Data::MessageFailed { key: key.clone(), error }).await?;
                Err(failed)
            }
            Ok(answer) => {
                pooled.finish();
                let answered = Data::MessageAnswered { key: key.clone(), text: answer.clone() };
                self.store.append(answered).await?;
                Ok(answer)
            }
            Err(Unanswered::Problem(problem) | Unanswered::Gone(problem)) => {
                self.message_failed(pooled, key, &problem).await?;
                Err(StepError::from(&problem))
            }
            // The message stays in flight, so that the agent is interrupted when the guard is dropped.
            Err(Unanswered::Step(error)) => Err(error),
        }
    }

    /// Where the agent has ended before it was given anything, takes others of its role for the message. One may end while nothing is asked
    /// of it, and a server that dies while it stops one leaves it to the next as a free one.
    async fn deliver_to_another(
        &self,
        pooled: &mut PooledAgent,
        outgoing: &OutgoingMessage,
        text: String,
        mut delivered: Result<String, Unanswered>,
    ) -> Result<String, Unanswered> {
        let role = pooled.member().role.clone();
        // The notes were taken for the first text.
        let again = OutgoingMessage { text, ..outgoing.clone() };
        // So many can have been left. Those that are new and end at once are no accident.
        for _ in 0..self.pattern.structure.roles[&role].most() {
            let Err(Unanswered::Gone(problem)) = &delivered else { break };
            self.message_failed(pooled, &outgoing.key, problem).await?;
            pooled.release();
            *pooled = self.checkout(&role, None).await?;
            let text = self.persist(pooled, &again).await?;
            pooled.start(&outgoing.key);
            delivered = self.deliver(pooled, outgoing, &text).await;
        }
        delivered
    }

    /// The message has no answer, and its agent is free for another one or has ended.
    async fn message_failed(
        &self,
        pooled: &mut PooledAgent,
        key: &str,
        problem: &Problem,
    ) -> Result<(), StepError> {
        if is_gone(problem) {
            pooled.mark_dead(&problem.detail);
        } else {
            pooled.finish();
        }
        self.store.append(Data::MessageFailed { key: key.to_owned(), error: Fault::from(problem) }).await
    }

    /// Records the text before it is sent. After a restart exactly this text is sent under the key.
    async fn persist(&self, pooled: &PooledAgent, outgoing: &OutgoingMessage) -> Result<String, StepError> {
        let member = pooled.member();
        let (role, kind) = (member.role.clone(), outgoing.kind);
        // A text that another agent was to have begins with it.
        let briefing = self.briefing(member, kind).filter(|words| !outgoing.text.starts_with(words.as_str()));
        let limit = self.pattern.limits.messages;
        let mut text = Err(StepError::shutting_down());
        let write = |state: &RunState| {
            let budget = state.budget(limit);
            if budget.sent >= budget.most {
                let message = format!("the run has sent the {} messages that it may send", budget.most);
                text = Err(StepError::permanent("MESSAGE_BUDGET", message));
                return None;
            }
            if state.text_bytes() > MAX_RUN_TEXT {
                let message = format!("the run holds more than {MAX_RUN_TEXT} bytes of text");
                text = Err(StepError::permanent(Code::ResourceLimit.as_str(), message));
                return None;
            }
            let notes = if kind == SentKind::Task { state.notes(&role) } else { &[] };
            let whole = prompt::with_notes(briefing, notes, &outgoing.text);
            if whole.len() > MAX_MESSAGE {
                let message =
                    format!("a message has at most {MAX_MESSAGE} bytes, and this has {}", whole.len());
                text = Err(StepError::too_large(message));
                return None;
            }
            text = Ok(whole.clone());
            Some(Data::MessageSent {
                key: outgoing.key.clone(),
                step: outgoing.step.clone(),
                kind,
                role: role.clone(),
                agent_id: member.agent_id.clone(),
                text: whole,
                notes: notes.len(),
            })
        };
        self.store.append_if(write).await?;
        text
    }

    async fn deliver(
        &self,
        pooled: &PooledAgent,
        outgoing: &OutgoingMessage,
        text: &str,
    ) -> Result<String, Unanswered> {
        let agent = &pooled.member().agent_id;
        let key = format!("{}/{}", self.id, outgoing.key);
        let mut is_sure = true;
        let message = loop {
            let mut attempts = 0;
            let sending = self.retry_until_certain(|| {
                attempts += 1;
                self.agents.send(&key, agent, text)
            });
            let sent = sending.await;
            // An attempt before may have been the one that was taken.
            is_sure &= attempts == 1;
            match sent {
                Ok(message) => {
                    self.accepted.add(&outgoing.key, &message);
                    break message;
                }
                Err(problem) if matches!(problem.code, Code::QuestionPending | Code::AuthRequired) => {
                    let shown = self.retry_until_certain(|| self.agents.attention(agent)).await;
                    match shown.map_err(Unanswered::Problem)? {
                        Some(attention) => self.dialog(pooled, outgoing, &attention).await?,
                        None => tokio::time::sleep(RETRY_INTERVAL).await,
                    }
                }
                Err(problem) if problem.code == Code::ResourceLimit => {
                    tokio::time::sleep(RETRY_INTERVAL).await;
                }
                Err(problem) if is_sure && is_gone(&problem) => return Err(Unanswered::Gone(problem)),
                Err(problem) => return Err(Unanswered::Problem(problem)),
            }
        };
        loop {
            let turn = self.retry_until_certain(|| self.agents.turn(agent, &message)).await;
            match turn.map_err(Unanswered::Problem)? {
                MessageProgress::Answered(answer) => return Ok(answer),
                MessageProgress::Asks(attention) => self.dialog(pooled, outgoing, &attention).await?,
            }
        }
    }

    pub(super) async fn delivered(&self, id: &str) -> Result<(), StepError> {
        let new = |state: &RunState| {
            let undelivered = state.conversations().question(id).is_some_and(|question| !question.delivered);
            undelivered.then(|| Data::QuestionDelivered { id: id.into() })
        };
        self.store.append_if(new).await
    }

    pub(super) async fn withdraw(&self, id: &str, why: &str) -> Result<(), StepError> {
        let open = |state: &RunState| {
            let open = state.conversations().question(id).is_some_and(|question| !question.withdrawn);
            open.then(|| Data::QuestionWithdrawn { id: id.into(), why: why.into() })
        };
        self.store.append_if(open).await
    }

    /// Withdraws the questions of an attempt that has ended.
    pub(super) async fn withdraw_of(&self, attempt: &str) -> Result<(), StepError> {
        self.withdraw_those("the step is over", |question| path::is_of(&question.step, attempt)).await
    }

    /// Withdraws the questions that a message has led to.
    pub(super) async fn withdraw_of_message(&self, key: &str) -> Result<(), StepError> {
        let begins = format!("{key}:");
        self.withdraw_those("nobody waits for it any more", |question| question.id.starts_with(&begins)).await
    }

    /// Withdraws every question, at the end of the run.
    pub(super) async fn withdraw_all(&self) -> Result<(), StepError> {
        self.withdraw_those("the step is over", |_| true).await
    }

    async fn withdraw_those(&self, why: &str, which: impl Fn(&Question) -> bool) -> Result<(), StepError> {
        let open: Vec<String> = self.store.read(|state| {
            let questions = state.conversations().questions().filter(|question| question.is_open());
            let questions = questions.map(|question| &question.question).filter(|question| which(question));
            questions.map(|question| question.id.clone()).collect()
        });
        for id in open {
            self.withdraw(&id, why).await?;
        }
        Ok(())
    }
}

/// Whether the agent has ended.
fn is_gone(problem: &Problem) -> bool {
    matches!(problem.code, Code::AgentStopped | Code::AgentNotFound)
}
