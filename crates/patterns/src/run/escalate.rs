//! One question until its answer: up from role to role, and at the top to a person.

use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use parallax_api::execution::{
    ExecutionEventData as Data, Question, QuestionAnswer, QuestionKind, SentKind, USER,
};

use super::engine::Engine;
use super::messaging::OutgoingMessage;
use super::prompt;
use super::routing::POLICY;
use super::routing::{self, Next};
use super::state::{QuestionState, RunState};
use super::step_error::StepError;
use crate::answer_parser;

/// The answer of one role that is asked, with its name.
type Asking<'a> = BoxFuture<'a, Result<Option<(String, QuestionAnswer)>, StepError>>;

impl Engine {
    /// Records a question and returns who answered it, and how. A person may answer at any time; no role is asked where there is a
    /// reason for `only_person`.
    pub(super) async fn resolve(
        &self,
        question: Question,
        only_person: Option<&str>,
    ) -> Result<(String, QuestionAnswer), StepError> {
        let id = question.id.clone();
        let asked = Data::QuestionAsked { question: Box::new(question.clone()) };
        self.store.append_if(|state| state.conversations().question(&id).is_none().then_some(asked)).await?;
        let answered = || self.store.wait_for(|state| state.conversations().question(&id)?.answer.clone());
        tokio::select! {
            biased;
            answer = answered() => Ok(answer),
            escalated = self.escalate(&question, only_person) => {
                let (by, answer) = escalated?;
                let taken = Data::QuestionAnswered { id: id.clone(), by, answer };
                let open = |state: &RunState| {
                    state.conversations().question(&id).is_some_and(QuestionState::is_open)
                };
                self.store.append_if(|state| open(state).then_some(taken)).await?;
                Ok(answered().await)
            }
        }
    }

    /// Asks one role after the other until one answers. Does not return while a person is asked: that answer comes
    /// through the state.
    async fn escalate(
        &self,
        question: &Question,
        only_person: Option<&str>,
    ) -> Result<(String, QuestionAnswer), StepError> {
        let most = self.pattern.structure.escalation.max_depth;
        // Guards against loops: no role is asked twice, and none its own question.
        let mut asked: Vec<String> = question.role.iter().cloned().collect();
        let mut depth = 0;
        let mut at_most = false;
        let mut next = match only_person {
            Some(why) => Next::User(why.into()),
            None => routing::first(&self.pattern, question),
        };
        loop {
            let (roles, why, at_once) = match next {
                Next::User(why) => return self.ask_user(question, depth + 1, why).await,
                Next::Fail(why) => {
                    return Err(StepError::permanent(
                        "NOT_ANSWERED",
                        format!("nobody answers the question: {why}"),
                    ));
                }
                Next::BestEffort(why) if !question.options.is_empty() => {
                    next = Next::User(why);
                    continue;
                }
                Next::BestEffort(_) => {
                    let answer = QuestionAnswer { option: None, text: Some(prompt::BEST_EFFORT.into()) };
                    return Ok((POLICY.into(), answer));
                }
                Next::Each(roles, why) => (roles, why, false),
                Next::All(roles, why) => (roles, why, true),
            };
            let steps: Vec<Vec<String>> = if at_once {
                vec![roles.clone()]
            } else {
                roles.iter().map(|role| vec![role.clone()]).collect()
            };
            let mut too_deep = false;
            for to in steps {
                let to: Vec<String> = to.into_iter().filter(|role| !asked.contains(role)).collect();
                if to.is_empty() {
                    continue;
                }
                if to.iter().any(|role| role == USER) {
                    return self.ask_user(question, depth + 1, why).await;
                }
                if depth >= most && !at_most {
                    too_deep = true;
                    break;
                }
                depth += 1;
                asked.extend(to.iter().cloned());
                self.route(&question.id, depth, &to, &why).await?;
                if let Some(answer) = self.ask_first_of(question, &to, depth).await? {
                    return Ok(answer);
                }
            }
            next = if too_deep {
                at_most = true;
                routing::at_max_depth(&self.pattern, question, &asked)
            } else if at_once || at_most || question.kind == QuestionKind::Permission {
                Next::User("nobody else answered".into())
            } else {
                let last = roles.last().map(String::as_str).unwrap_or_default();
                routing::up(&self.pattern, last, &asked)
            };
        }
    }

    /// Routes the question to a person.
    async fn ask_user<T>(&self, question: &Question, depth: u32, why: String) -> Result<T, StepError> {
        self.route(&question.id, depth, &[USER.to_owned()], &why).await?;
        std::future::pending().await
    }

    async fn route(&self, id: &str, depth: u32, to: &[String], why: &str) -> Result<(), StepError> {
        let routed = Data::QuestionRouted { id: id.into(), depth, to: to.to_vec(), why: why.into() };
        let new = |state: &RunState| {
            state.conversations().question(id).is_some_and(|question| question.routed.len() < depth as usize)
        };
        self.store.append_if(|state| new(state).then_some(routed)).await
    }

    /// Asks these roles at the same time, and returns the first answer.
    async fn ask_first_of(
        &self,
        question: &Question,
        roles: &[String],
        depth: u32,
    ) -> Result<Option<(String, QuestionAnswer)>, StepError> {
        let mut asking: FuturesUnordered<Asking<'_>> = FuturesUnordered::new();
        for role in roles {
            asking.push(Box::pin(async move {
                let answer = self.ask_role(question, role, depth).await?;
                Ok(answer.map(|answer| (role.clone(), answer)))
            }));
        }
        while let Some(outcome) = asking.next().await {
            if let Some(answer) = outcome? {
                return Ok(Some(answer));
            }
        }
        Ok(None)
    }

    /// Asks an agent of the role. None when it escalates, fails, or takes too long.
    async fn ask_role(
        &self,
        question: &Question,
        role: &str,
        depth: u32,
    ) -> Result<Option<QuestionAnswer>, StepError> {
        let (declined, since) = self.store.read(|state| {
            let state = state.conversations().question(&question.id);
            let declined = state.is_some_and(|state| state.declined.iter().any(|other| other == role));
            let routed = state.and_then(|state| state.routed.get(depth as usize - 1).map(|(_, at)| *at));
            (declined, routed.unwrap_or_else(|| self.store.clock().now()))
        });
        if declined {
            return Ok(None);
        }
        let timeout = Duration::from_millis(self.pattern.structure.escalation.timeout_ms);
        let deadline = self.store.clock().after(since, timeout);
        let why = match tokio::time::timeout_at(deadline, self.ask(question, role)).await {
            Ok(Ok(Some(answer))) => return Ok(Some(answer)),
            Ok(Ok(None)) => "it passes the question on".to_owned(),
            Ok(Err(error)) if error.is_abort() => return Err(error),
            Ok(Err(error)) => error.fault.message,
            Err(_) => "it did not answer in time".to_owned(),
        };
        let declined = Data::QuestionDeclined { id: question.id.clone(), role: role.into(), why };
        self.store.append(declined).await?;
        Ok(None)
    }

    async fn ask(&self, question: &Question, role: &str) -> Result<Option<QuestionAnswer>, StepError> {
        let conversation = format!("{}>{role}", question.id);
        let mut agent = self.checkout_for(role, &conversation).await?;
        let message = |number: u32, text: String| OutgoingMessage {
            key: format!("{conversation}:{number}"),
            step: question.step.clone(),
            kind: SentKind::Question,
            text,
        };
        let reply = self.converse(&mut agent, message(1, prompt::question(question))).await?;
        if answer_parser::escalates(&reply) || answer_parser::question(&reply).is_some() {
            return Ok(None);
        }
        if question.options.is_empty() {
            return Ok(Some(QuestionAnswer { option: None, text: Some(reply.trim().to_owned()) }));
        }
        let chosen = |reply: &str| {
            let option = answer_parser::choice(reply, &question.options)?.to_owned();
            Some(QuestionAnswer { option: Some(option), text: None })
        };
        if let Some(answer) = chosen(&reply) {
            return Ok(Some(answer));
        }
        let again = message(2, prompt::choice_again(&question.options));
        Ok(chosen(&self.converse(&mut agent, again).await?))
    }
}
