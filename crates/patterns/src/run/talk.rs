//! A message to an agent, until its answer is there: dialogs and questions in between are part of it.

use std::time::Duration;

use futures::future::BoxFuture;
use parallax_api::execution::{
    ExecutionEventData as Data, Fault, Question, QuestionAnswer, QuestionKind, SentKind,
};
use parallax_api::message::AnswerRequest;
use parallax_api::{Attention, AttentionKind, Code, Problem};

use super::agents::Turn;
use super::failure::Failure;
use super::pool::Seat;
use super::{Inner, path, prompt};
use crate::form;

/// How long a dialog may stay on the screen after it was answered, before it is looked at again.
const CLEARING: Duration = Duration::from_secs(10);
/// Pause before an agent is asked again that has no room, or that is in need of somebody who cannot be named.
const PAUSE: Duration = Duration::from_millis(500);

/// A message to send.
#[derive(Clone, Debug)]
pub(super) struct Letter {
    /// Its `Idempotency-Key`, within the run.
    pub key: String,
    /// The place of the attempt it belongs to.
    pub step: String,
    pub kind: SentKind,
    pub text: String,
}

/// Why there is no answer.
enum Unanswered {
    /// The agent, or the way to it.
    Problem(Problem),
    /// Something else. The agent is still at work on the message.
    Failure(Failure),
}

impl From<Failure> for Unanswered {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl Inner {
    /// Sends a message, and gives its answer. What the agent asks meanwhile is answered.
    pub(super) fn say<'a>(
        &'a self,
        seat: &'a mut Seat,
        letter: Letter,
    ) -> BoxFuture<'a, Result<String, Failure>> {
        Box::pin(async move {
            let mut answer = self.exchange(seat, &letter).await?;
            let mut asked = 0;
            while let Some((topics, text)) = self.question_in(seat, &letter, &answer) {
                asked += 1;
                let question = Question {
                    id: format!("{}:q{asked}", letter.key),
                    kind: QuestionKind::Question,
                    step: letter.step.clone(),
                    role: Some(seat.member().role.clone()),
                    agent_id: Some(seat.member().agent_id.clone()),
                    attention_id: None,
                    topics,
                    text,
                    options: Vec::new(),
                    login_url: None,
                };
                let id = question.id.clone();
                self.within_budget(&letter, &id)?;
                let (by, given) = self.resolve(question, false).await?;
                let text = given.text.unwrap_or_default();
                let text = if by == super::POLICY { text } else { prompt::answer(&by, &text) };
                let key = format!("{}:a{asked}", letter.key);
                let reply = Letter { key, step: letter.step.clone(), kind: SentKind::Answer, text };
                answer = self.exchange(seat, &reply).await?;
                self.delivered(&id).await?;
            }
            Ok(answer)
        })
    }

    /// The question that an answer is, where this agent was told how to ask.
    fn question_in(&self, seat: &Seat, letter: &Letter, answer: &str) -> Option<(Vec<String>, String)> {
        let briefed = self.pattern.structure.roles.get(&seat.member().role)?.briefing;
        let may_ask = briefed && matches!(letter.kind, SentKind::Task | SentKind::Again);
        may_ask.then(|| form::question(answer)).flatten()
    }

    /// Fails when the message led to too many questions.
    fn within_budget(&self, letter: &Letter, id: &str) -> Result<(), Failure> {
        let most = self.pattern.limits.questions_per_message as usize;
        let prefix = format!("{}:", letter.key);
        let others = self.book.read(|ledger| {
            let ids = ledger.talk().questions().map(|question| &question.question.id);
            ids.filter(|other| other.starts_with(&prefix) && *other != id).count()
        });
        if others < most {
            return Ok(());
        }
        let message = format!("one message led to more than {most} questions");
        Err(Failure::lasting(Code::ResourceLimit.as_str(), message))
    }

    /// Sends a message once, and gives what comes back.
    async fn exchange(&self, seat: &mut Seat, letter: &Letter) -> Result<String, Failure> {
        let key = &letter.key;
        let known = self.book.read(|ledger| ledger.talk().message(key).cloned());
        let text = match known {
            Some(message) => match message.outcome {
                Some(Ok(answer)) => return Ok(answer),
                Some(Err(fault)) => return Err(Failure::told(fault, true)),
                None if message.abandoned || message.agent != seat.member().agent_id => {
                    let fault = Fault::new(Code::AgentStopped.as_str(), "the agent was lost");
                    let failed = Data::MessageFailed { key: key.clone(), error: fault.clone() };
                    self.book.record(failed).await?;
                    return Err(Failure::told(fault, true));
                }
                None => message.text,
            },
            None => self.write_down(seat, letter).await?,
        };
        seat.begins(key);
        match self.deliver(seat, letter, &text).await {
            Ok(answer) => {
                seat.rests();
                let answered = Data::MessageAnswered { key: key.clone(), text: answer.clone() };
                self.book.record(answered).await?;
                Ok(answer)
            }
            Err(Unanswered::Problem(problem)) => {
                match problem.code {
                    Code::AgentStopped | Code::AgentNotFound => seat.dies(&problem.detail),
                    _ => seat.rests(),
                }
                let failed = Data::MessageFailed { key: key.clone(), error: Fault::from(&problem) };
                self.book.record(failed).await?;
                Err(Failure::from(&problem))
            }
            // The seat is left with the message in flight: the agent is interrupted.
            Err(Unanswered::Failure(failure)) => Err(failure),
        }
    }

    /// Writes down what is about to be sent. Whatever happens, this and nothing else goes out under the key.
    async fn write_down(&self, seat: &Seat, letter: &Letter) -> Result<String, Failure> {
        let member = seat.member();
        let (role, kind) = (member.role.clone(), letter.kind);
        let briefing = self.briefing(member, kind);
        let most = self.pattern.limits.messages;
        let mut text = None;
        let write = |ledger: &super::ledger::Ledger| {
            if ledger.talk().message_count() >= most {
                return None;
            }
            let notes = if kind == SentKind::Task { ledger.notes(&role) } else { &[] };
            let whole = prompt::with_notes(briefing, notes, &letter.text);
            text = Some(whole.clone());
            Some(Data::MessageSent {
                key: letter.key.clone(),
                step: letter.step.clone(),
                kind,
                role: role.clone(),
                agent_id: member.agent_id.clone(),
                text: whole,
                notes: notes.len(),
            })
        };
        self.book.record_if(write).await?;
        text.ok_or_else(|| {
            Failure::lasting(
                "MESSAGE_BUDGET",
                format!("the run has sent the {most} messages that it may send"),
            )
        })
    }

    async fn deliver(&self, seat: &Seat, letter: &Letter, text: &str) -> Result<String, Unanswered> {
        let agent = &seat.member().agent_id;
        let key = format!("{}/{}", self.id, letter.key);
        let message = loop {
            match self.patiently(|| self.agents.send(&key, agent, text)).await {
                Ok(message) => break message,
                Err(problem) if matches!(problem.code, Code::QuestionPending | Code::AuthRequired) => {
                    let shown = self.patiently(|| self.agents.attention(agent)).await;
                    match shown.map_err(Unanswered::Problem)? {
                        Some(attention) => self.dialog(seat, letter, &attention).await?,
                        None => tokio::time::sleep(PAUSE).await,
                    }
                }
                Err(problem) if problem.code == Code::ResourceLimit => tokio::time::sleep(PAUSE).await,
                Err(problem) => return Err(Unanswered::Problem(problem)),
            }
        };
        loop {
            let turn = self.patiently(|| self.agents.turn(agent, &message)).await;
            match turn.map_err(Unanswered::Problem)? {
                Turn::Answered(answer) => return Ok(answer),
                Turn::Asks(attention) => self.dialog(seat, letter, &attention).await?,
            }
        }
    }

    /// Has a dialog of the agent's program answered.
    async fn dialog(&self, seat: &Seat, letter: &Letter, attention: &Attention) -> Result<(), Unanswered> {
        let agent = &seat.member().agent_id;
        let id = format!("{}:d:{}", letter.key, attention.id);
        let cleared = self.agents.cleared(agent, &attention.id);
        let known = self.book.read(|ledger| {
            let question = ledger.talk().question(&id)?;
            Some(question.delivered || question.withdrawn)
        });
        if known == Some(true) {
            // It was seen to; the screen takes a moment.
            let _ = tokio::time::timeout(CLEARING, cleared).await;
            return Ok(());
        }
        self.within_budget(letter, &id)?;
        let question = Question {
            id: id.clone(),
            kind: kind_of(attention),
            step: letter.step.clone(),
            role: Some(seat.member().role.clone()),
            agent_id: Some(agent.clone()),
            attention_id: Some(attention.id.clone()),
            topics: Vec::new(),
            text: attention.text.clone(),
            options: attention.options.clone(),
            login_url: attention.login_url.clone(),
        };
        // Whoever is asked on somebody's behalf does not pass on dialogs of its own: they go to a person.
        let resolved = tokio::select! {
            biased;
            resolved = self.resolve(question, letter.kind == SentKind::Question) => resolved?,
            () = cleared => {
                self.withdraw(&id, "it was answered at the agent").await?;
                return Ok(());
            }
        };
        let QuestionAnswer { option, text } = resolved.1;
        let answer = match option {
            Some(option) => AnswerRequest { option: Some(option), text: None },
            None => AnswerRequest { option: None, text },
        };
        let given = self.patiently(|| self.agents.answer(agent, &attention.id, &answer)).await;
        match given {
            Ok(()) => self.delivered(&id).await?,
            Err(problem) if problem.code == Code::Conflict => {
                self.withdraw(&id, "the agent does not show it any more").await?;
            }
            Err(problem) => return Err(Unanswered::Problem(problem)),
        }
        // It is asked for again when it is still there: the answer may not have been taken.
        let _ = tokio::time::timeout(CLEARING, self.agents.cleared(agent, &attention.id)).await;
        Ok(())
    }

    async fn delivered(&self, id: &str) -> Result<(), Failure> {
        let new = |ledger: &super::ledger::Ledger| {
            let undelivered = ledger.talk().question(id).is_some_and(|question| !question.delivered);
            undelivered.then(|| Data::QuestionDelivered { id: id.into() })
        };
        self.book.record_if(new).await
    }

    async fn withdraw(&self, id: &str, why: &str) -> Result<(), Failure> {
        let open = |ledger: &super::ledger::Ledger| {
            let open = ledger.talk().question(id).is_some_and(|question| !question.withdrawn);
            open.then(|| Data::QuestionWithdrawn { id: id.into(), why: why.into() })
        };
        self.book.record_if(open).await
    }

    /// Withdraws the questions of an attempt that is over.
    pub(super) async fn withdraw_of(&self, attempt: &str) -> Result<(), Failure> {
        self.withdraw_those(|step| path::is_of(step, attempt)).await
    }

    /// Withdraws every question: the run is over.
    pub(super) async fn withdraw_all(&self) -> Result<(), Failure> {
        self.withdraw_those(|_| true).await
    }

    async fn withdraw_those(&self, of: impl Fn(&str) -> bool) -> Result<(), Failure> {
        let open: Vec<String> = self.book.read(|ledger| {
            let questions = ledger.talk().questions().filter(|question| question.is_open());
            let questions = questions.filter(|question| of(&question.question.step));
            questions.map(|question| question.question.id.clone()).collect()
        });
        for id in open {
            self.withdraw(&id, "the step is over").await?;
        }
        Ok(())
    }
}

/// What a dialog is. A choice without yes and no is a question; everything else may be a permission, and is taken for one.
fn kind_of(attention: &Attention) -> QuestionKind {
    let permits = |id: &str| matches!(id, "yes" | "no" | "always");
    match attention.kind {
        AttentionKind::Login => QuestionKind::Login,
        AttentionKind::Question if attention.options.is_empty() => QuestionKind::Permission,
        AttentionKind::Question if attention.options.iter().any(|option| permits(&option.id)) => {
            QuestionKind::Permission
        }
        AttentionKind::Question => QuestionKind::Question,
    }
}
