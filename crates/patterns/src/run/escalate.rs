//! A question, until somebody has answered it: up from role to role, and at the top to a person.

use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use parallax_api::execution::{
    ExecutionEventData as Data, Question, QuestionAnswer, QuestionKind, SentKind, USER,
};

use super::failure::{Failure, Next as FailureNext};
use super::routing::{self, Next};
use super::talk::Letter;
use super::{Inner, POLICY, prompt};
use crate::form;

/// One role that is asked: who answered what.
type Asking<'a> = BoxFuture<'a, Result<Option<(String, QuestionAnswer)>, Failure>>;

impl Inner {
    /// Asks a question once, and gives who answered it with what. A person may answer at any time, whoever else is asked.
    pub(super) async fn resolve(
        &self,
        question: Question,
        persons_only: bool,
    ) -> Result<(String, QuestionAnswer), Failure> {
        let id = question.id.clone();
        let asked = Data::QuestionAsked { question: question.clone() };
        self.book.record_if(|ledger| ledger.talk().question(&id).is_none().then_some(asked)).await?;
        let answered = || self.book.find(|ledger| ledger.talk().question(&id)?.answer.clone());
        tokio::select! {
            biased;
            answer = answered() => Ok(answer),
            climbed = self.climb(&question, persons_only) => {
                let (by, answer) = climbed?;
                let taken = Data::QuestionAnswered { id: id.clone(), by, answer };
                let open = |ledger: &super::ledger::Ledger| {
                    ledger.talk().question(&id).is_some_and(super::ledger::QuestionState::is_open)
                };
                self.book.record_if(|ledger| open(ledger).then_some(taken)).await?;
                Ok(answered().await)
            }
        }
    }

    /// Goes from one to the next until somebody answers. Does not return while a person is asked: that answer comes by the
    /// ledger.
    async fn climb(
        &self,
        question: &Question,
        persons_only: bool,
    ) -> Result<(String, QuestionAnswer), Failure> {
        let most = self.pattern.structure.escalation.max_depth;
        // The loop guard: nobody is asked twice, and nobody is asked its own question.
        let mut asked: Vec<String> = question.role.iter().cloned().collect();
        let mut depth = 0;
        let mut at_most = false;
        let mut next = if persons_only {
            Next::User("it came up while a question was being answered".into())
        } else {
            routing::first(&self.pattern, question)
        };
        loop {
            let (roles, why, at_once) = match next {
                Next::User(why) => return self.surface(question, depth + 1, why).await,
                Next::Fail(why) => {
                    return Err(Failure::lasting(
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
                    return self.surface(question, depth + 1, why).await;
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

    /// Leaves the question to a person.
    async fn surface<T>(&self, question: &Question, depth: u32, why: String) -> Result<T, Failure> {
        self.route(&question.id, depth, &[USER.to_owned()], &why).await?;
        std::future::pending().await
    }

    async fn route(&self, id: &str, depth: u32, to: &[String], why: &str) -> Result<(), Failure> {
        let routed = Data::QuestionRouted { id: id.into(), depth, to: to.to_vec(), why: why.into() };
        let new = |ledger: &super::ledger::Ledger| {
            ledger.talk().question(id).is_some_and(|question| question.routed.len() < depth as usize)
        };
        self.book.record_if(|ledger| new(ledger).then_some(routed)).await
    }

    /// The first answer of these roles, which are asked at once.
    async fn ask_first_of(
        &self,
        question: &Question,
        roles: &[String],
        depth: u32,
    ) -> Result<Option<(String, QuestionAnswer)>, Failure> {
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

    /// Asks an agent of the role. None when it passes the question on, fails, or takes too long.
    async fn ask_role(
        &self,
        question: &Question,
        role: &str,
        depth: u32,
    ) -> Result<Option<QuestionAnswer>, Failure> {
        let (declined, since) = self.book.read(|ledger| {
            let state = ledger.talk().question(&question.id);
            let declined = state.is_some_and(|state| state.declined.iter().any(|other| other == role));
            let routed = state.and_then(|state| state.routed.get(depth as usize - 1).map(|(_, at)| *at));
            (declined, routed.unwrap_or_else(|| self.book.clock().now()))
        });
        if declined {
            return Ok(None);
        }
        let patience = Duration::from_millis(self.pattern.structure.escalation.timeout_ms);
        let deadline = self.book.clock().after(since, patience);
        let why = match tokio::time::timeout_at(deadline, self.ask(question, role)).await {
            Ok(Ok(Some(answer))) => return Ok(Some(answer)),
            Ok(Ok(None)) => "it passes the question on".to_owned(),
            Ok(Err(failure)) if failure.next == FailureNext::Halt => return Err(failure),
            Ok(Err(failure)) => failure.fault.message,
            Err(_) => "it did not answer in time".to_owned(),
        };
        let declined = Data::QuestionDeclined { id: question.id.clone(), role: role.into(), why };
        self.book.record(declined).await?;
        Ok(None)
    }

    async fn ask(&self, question: &Question, role: &str) -> Result<Option<QuestionAnswer>, Failure> {
        let conversation = format!("{}>{role}", question.id);
        let mut seat = self.seat(role, &conversation).await?;
        let letter = |number: u32, text: String| Letter {
            key: format!("{conversation}:{number}"),
            step: question.step.clone(),
            kind: SentKind::Question,
            text,
        };
        let reply = self.say(&mut seat, letter(1, prompt::question(question))).await?;
        if form::escalates(&reply) || form::question(&reply).is_some() {
            return Ok(None);
        }
        if question.options.is_empty() {
            return Ok(Some(QuestionAnswer { option: None, text: Some(reply.trim().to_owned()) }));
        }
        let chosen = |reply: &str| {
            let option = form::choice(reply, &question.options)?.to_owned();
            Some(QuestionAnswer { option: Some(option), text: None })
        };
        if let Some(answer) = chosen(&reply) {
            return Ok(Some(answer));
        }
        let again = letter(2, prompt::choice_again(&question.options));
        Ok(chosen(&self.say(&mut seat, again).await?))
    }
}
