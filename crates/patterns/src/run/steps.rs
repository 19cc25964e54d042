//! The steps: each is written down when it begins and when it ends, and done once.

use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream;
use parallax_api::execution::{ExecutionEventData as Data, Fault, StepStatus};
use parallax_api::{Code, Time};
use serde_json::Value;

use super::failure::{Failure, Next};
use super::scope::Variables;
use super::{Inner, path};
use crate::expression::{self, eval};
use crate::pattern::{Condition, MessageType, Parallel, Step};

/// How long a step that asks an agent may take when the file does not say.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30 * 60);
/// Steps of a `parallel` at once when the file does not say.
const DEFAULT_PARALLEL: u32 = 8;
/// Pause before a step is tried again.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

impl Inner {
    /// Does steps one after the other; gives the last result.
    pub(super) async fn sequence(
        &self,
        steps: &[Step],
        place: impl Fn(usize) -> String,
    ) -> Result<Value, Failure> {
        let mut last = Value::Null;
        for (index, step) in steps.iter().enumerate() {
            last = self.step(step, place(index)).await?;
        }
        Ok(last)
    }

    /// Does a step, as often as it may be tried; or gives what came of it, when it was done before.
    fn step<'a>(&'a self, step: &'a Step, place: String) -> BoxFuture<'a, Result<Value, Failure>> {
        Box::pin(async move {
            loop {
                let Some((attempt, started)) = self.begin(step, &place).await? else {
                    return self.outcome(&place).await;
                };
                let at = path::attempt(&place, attempt);
                let mut outcome = self.within_time(step, &at, started).await;
                if let Err(failure) = &mut outcome {
                    // The innermost step that failed is the one to look at.
                    failure.fault.step.get_or_insert_with(|| step.id().unwrap_or(&place).to_owned());
                }
                if outcome.as_ref().is_err_and(|failure| failure.next == Next::Halt) {
                    return outcome;
                }
                self.clear_below(&at).await?;
                let again = attempt <= step.retries()
                    && outcome.as_ref().is_err_and(|failure| failure.next == Next::Again);
                self.end(step, &place, attempt, &outcome, again).await?;
                if !again {
                    return outcome;
                }
            }
        })
    }

    /// The attempt to make, and when it began; none when the step is over.
    async fn begin(&self, step: &Step, place: &str) -> Result<Option<(u32, Time)>, Failure> {
        let known = self.book.read(|ledger| ledger.step(place).cloned());
        let attempt = match &known {
            None => 1,
            Some(state) if state.status == StepStatus::Running => {
                return Ok(Some((state.attempt, state.started_at)));
            }
            Some(state) if state.again => {
                tokio::time::sleep(RETRY_PAUSE).await;
                state.attempt + 1
            }
            Some(_) => return Ok(None),
        };
        self.book
            .record(Data::StepStarted {
                step: place.to_owned(),
                id: step.id().map(str::to_owned),
                r#type: step.word().into(),
                attempt,
                role: match step.roles().as_slice() {
                    [role] => Some((*role).to_owned()),
                    _ => None,
                },
            })
            .await?;
        let started = self.book.read(|ledger| ledger.step(place).map(|state| state.started_at));
        Ok(Some((attempt, started.unwrap_or_else(|| self.book.clock().now()))))
    }

    /// What came of a step that is over.
    async fn outcome(&self, place: &str) -> Result<Value, Failure> {
        let state = self.book.read(|ledger| ledger.step(place).cloned());
        let state = state.ok_or_else(Failure::halted)?;
        match state.status {
            StepStatus::Completed => Ok(state.result.unwrap_or_default()),
            // Whoever cancelled it ends the step around it: by a failure beside it, or by the time that is up.
            StepStatus::Cancelled => std::future::pending().await,
            StepStatus::Failed | StepStatus::Running => {
                let fault = state.error.unwrap_or_else(|| Fault::new("INTERNAL", "the step failed"));
                Err(Failure::told(fault, false))
            }
        }
    }

    async fn within_time(&self, step: &Step, at: &str, started: Time) -> Result<Value, Failure> {
        let given = step.timeout_ms().map(Duration::from_millis);
        let Some(limit) = given.or_else(|| step.asks_agent().then_some(DEFAULT_TIMEOUT)) else {
            return self.attempt(step, at).await;
        };
        let deadline = self.book.clock().after(started, limit);
        let late = || {
            Failure::again(Code::Timeout.as_str(), format!("it took longer than {} ms", limit.as_millis()))
        };
        if deadline <= tokio::time::Instant::now() {
            return Err(late());
        }
        tokio::time::timeout_at(deadline, self.attempt(step, at)).await.unwrap_or_else(|_| Err(late()))
    }

    /// Ends what is at work below an attempt that is over.
    async fn clear_below(&self, at: &str) -> Result<(), Failure> {
        for pool in self.pools.values() {
            pool.abandon(|key| {
                self.book.read(|ledger| {
                    ledger.talk().message(key).is_none_or(|message| path::is_of(&message.step, at))
                })
            });
        }
        for (step, attempt) in self.book.read(|ledger| ledger.open_below(at)) {
            self.book
                .record(Data::StepEnded {
                    step,
                    attempt,
                    status: StepStatus::Cancelled,
                    result: None,
                    error: None,
                    again: false,
                })
                .await?;
        }
        self.withdraw_of(at).await
    }

    async fn end(
        &self,
        step: &Step,
        place: &str,
        attempt: u32,
        outcome: &Result<Value, Failure>,
        again: bool,
    ) -> Result<(), Failure> {
        let name = step.id().unwrap_or(place);
        let (status, result, error) = match outcome {
            Ok(value) => (StepStatus::Completed, Some(value.clone()), None),
            Err(failure) => (StepStatus::Failed, None, Some(failure.fault.clone())),
        };
        if let (Some(fault), [role]) = (&error, step.roles().as_slice()) {
            let text = format!("{name}: {}", fault.message);
            let at = path::attempt(place, attempt);
            self.leave_notes(MessageType::Status, &at, role, &text).await?;
        }
        let ended = Data::StepEnded { step: place.to_owned(), attempt, status, result, error, again };
        self.book.record(ended).await
    }

    async fn attempt(&self, step: &Step, at: &str) -> Result<Value, Failure> {
        match step {
            Step::Assign(step) => {
                let task = self.text(&step.task)?;
                self.assign(&step.role, &task, step.answer.as_ref(), at).await
            }
            Step::Select(step) => self.select(step, at).await,
            Step::Review(step) => self.review(step, at).await,
            Step::Approve(step) => self.approve(step, at).await,
            Step::Aggregate(step) => self.aggregate(step, at).await,
            Step::Sequential(step) => {
                self.sequence(&step.steps, |index| path::child(at, "steps", index)).await
            }
            Step::Parallel(step) => self.parallel(step, at).await,
            Step::Condition(step) => self.condition(step, at).await,
        }
    }

    async fn parallel(&self, step: &Parallel, at: &str) -> Result<Value, Failure> {
        let most = step.max_parallel.unwrap_or(DEFAULT_PARALLEL) as usize;
        let mut branches: Vec<BoxFuture<'_, Result<(usize, Value), Failure>>> = Vec::new();
        for (index, inner) in step.steps.iter().enumerate() {
            let branch = self.step(inner, path::child(at, "steps", index));
            branches.push(Box::pin(async move { Ok((index, branch.await?)) }));
        }
        let mut done = stream::iter(branches).buffer_unordered(most);
        let mut results = vec![Value::Null; step.steps.len()];
        while let Some(outcome) = done.next().await {
            // The first failure ends the others: they are dropped with the stream.
            let (index, value) = outcome?;
            results[index] = value;
        }
        Ok(Value::Array(results))
    }

    async fn condition(&self, step: &Condition, at: &str) -> Result<Value, Failure> {
        let condition = expression::parse(&step.r#if).map_err(Failure::untyped)?;
        let holds = eval::holds(&condition, &Variables(self)).map_err(Failure::untyped)?;
        let (field, steps) = if holds { ("then", &step.then) } else { ("else", &step.r#else) };
        self.sequence(steps, |index| path::child(at, field, index)).await
    }
}
