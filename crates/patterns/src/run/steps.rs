//! The tree of steps. Each step is recorded when it starts and when it ends, and is done once.

use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream;
use parallax_api::execution::{ExecutionEventData as Data, Fault, StepStatus};
use parallax_api::{Code, Time};
use serde_json::Value;

use super::engine::Engine;
use super::path;
use super::scope::Variables;
use super::state::{MAX_RUN_TEXT, RunState};
use super::step_error::{Disposition, StepError};
use crate::expression::values::text_size;
use crate::expression::{self, eval};
use crate::pattern::{Condition, MessageType, Parallel, Step};

/// How long a step that asks an agent may take when the file does not say.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30 * 60);
/// Concurrent steps of a `parallel` step when the file does not say.
const DEFAULT_PARALLEL: u32 = 8;
/// Delay before a step is tried again.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// The largest result of a step, in bytes.
pub(super) const MAX_RESULT: usize = 8 * 1024 * 1024;

impl Engine {
    /// Does steps one after the other; returns the last result.
    pub(super) async fn sequence(
        &self,
        steps: &[Step],
        path_of: impl Fn(usize) -> String,
    ) -> Result<Value, StepError> {
        let mut last = Value::Null;
        for (index, step) in steps.iter().enumerate() {
            last = self.step(step, path_of(index)).await?;
        }
        Ok(last)
    }

    /// Does a step, with its retries; or returns its outcome when it was done before.
    fn step<'a>(&'a self, step: &'a Step, path: String) -> BoxFuture<'a, Result<Value, StepError>> {
        Box::pin(async move {
            loop {
                let Some((attempt, started)) = self.begin(step, &path).await? else {
                    return self.outcome(&path).await;
                };
                let at = path::attempt(&path, attempt);
                let mut outcome =
                    self.within_time(step, &at, started).await.and_then(|value| self.bounded(value));
                if let Err(failure) = &mut outcome {
                    // The innermost failed step is named in the fault.
                    failure.fault.step.get_or_insert_with(|| step.id().unwrap_or(&path).to_owned());
                }
                if outcome.as_ref().is_err_and(StepError::is_abort) {
                    return outcome;
                }
                self.clear_below(&at).await?;
                let again = attempt <= step.retries()
                    && outcome.as_ref().is_err_and(|failure| failure.disposition == Disposition::Retry);
                self.end(step, &path, attempt, &outcome, again).await?;
                if !again {
                    return outcome;
                }
            }
        })
    }

    /// A result that is not too large to be kept.
    pub(super) fn bounded(&self, result: Value) -> Result<Value, StepError> {
        let size = text_size(&result);
        if size > MAX_RESULT {
            return Err(StepError::too_large(format!("a result has at most {MAX_RESULT} bytes")));
        }
        if self.store.read(RunState::text_bytes) + size > MAX_RUN_TEXT {
            let message = format!("the run holds more than {MAX_RUN_TEXT} bytes of text");
            return Err(StepError::permanent(Code::ResourceLimit.as_str(), message));
        }
        Ok(result)
    }

    /// The attempt to make, and when it started; none when the step is over.
    async fn begin(&self, step: &Step, path: &str) -> Result<Option<(u32, Time)>, StepError> {
        let known = self.store.read(|state| state.step(path).cloned());
        let attempt = match &known {
            None => 1,
            Some(state) if state.status == StepStatus::Running => {
                return Ok(Some((state.attempt, state.started_at)));
            }
            Some(state) if state.again => {
                tokio::time::sleep(RETRY_INTERVAL).await;
                state.attempt + 1
            }
            Some(_) => return Ok(None),
        };
        self.store
            .append(Data::StepStarted {
                step: path.to_owned(),
                id: step.id().map(str::to_owned),
                r#type: step.word().into(),
                attempt,
                role: match step.roles().as_slice() {
                    [role] => Some((*role).to_owned()),
                    _ => None,
                },
            })
            .await?;
        let started = self.store.read(|state| state.step(path).map(|state| state.started_at));
        Ok(Some((attempt, started.unwrap_or_else(|| self.store.clock().now()))))
    }

    /// The outcome of a step that is over.
    async fn outcome(&self, path: &str) -> Result<Value, StepError> {
        let state = self.store.read(|state| state.step(path).cloned());
        let state = state.ok_or_else(StepError::shutting_down)?;
        match state.status {
            StepStatus::Completed => Ok(state.result.unwrap_or_default()),
            // The failure or timeout that cancelled it ends the step around it.
            StepStatus::Cancelled => std::future::pending().await,
            StepStatus::Failed | StepStatus::Running => {
                let fault = state.error.unwrap_or_else(|| Fault::new("INTERNAL", "the step failed"));
                Err(StepError::replayed(fault, Disposition::Fail))
            }
        }
    }

    async fn within_time(&self, step: &Step, at: &str, started: Time) -> Result<Value, StepError> {
        let given = step.timeout_ms().map(Duration::from_millis);
        let Some(limit) = given.or_else(|| step.asks_agent().then_some(DEFAULT_TIMEOUT)) else {
            return self.attempt(step, at).await;
        };
        let deadline = self.store.clock().after(started, limit);
        let late = || {
            StepError::retryable(
                Code::Timeout.as_str(),
                format!("it took longer than {} ms", limit.as_millis()),
            )
        };
        if deadline <= tokio::time::Instant::now() {
            return Err(late());
        }
        tokio::time::timeout_at(deadline, self.attempt(step, at)).await.unwrap_or_else(|_| Err(late()))
    }

    /// Cancels the steps, messages and questions below an attempt that has ended.
    async fn clear_below(&self, at: &str) -> Result<(), StepError> {
        for pool in self.pools.values() {
            pool.abandon(|key| {
                self.store.read(|state| {
                    state.conversations().message(key).is_none_or(|message| path::is_of(&message.step, at))
                })
            });
        }
        for (step, attempt) in self.store.read(|state| state.open_below(at)) {
            self.store
                .append(Data::StepEnded {
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
        path: &str,
        attempt: u32,
        outcome: &Result<Value, StepError>,
        again: bool,
    ) -> Result<(), StepError> {
        let name = step.id().unwrap_or(path);
        let (status, result, error) = match outcome {
            Ok(value) => (StepStatus::Completed, Some(value.clone()), None),
            Err(failure) => (StepStatus::Failed, None, Some(failure.fault.clone())),
        };
        if let (Some(fault), [role]) = (&error, step.roles().as_slice()) {
            let text = format!("{name}: {}", fault.message);
            let at = path::attempt(path, attempt);
            self.leave_notes(MessageType::Status, &at, role, &text).await?;
        }
        let ended = Data::StepEnded { step: path.to_owned(), attempt, status, result, error, again };
        self.store.append(ended).await
    }

    async fn attempt(&self, step: &Step, at: &str) -> Result<Value, StepError> {
        match step {
            Step::Assign(step) => {
                let task = self.text(&step.task)?;
                self.assign(&step.role, &task, step.answer.as_ref(), at).await
            }
            Step::Select(step) => self.select(step, at).await,
            Step::Review(step) => self.review(step, at).await,
            Step::Approve(step) => self.approve(step, at).await,
            Step::Aggregate(step) => self.aggregate(step, at).await,
            Step::Diff(step) => self.diff(step).await,
            Step::Merge(step) => self.merge(step).await,
            Step::Sequential(step) => {
                self.sequence(&step.steps, |index| path::child(at, "steps", index)).await
            }
            Step::Parallel(step) => self.parallel(step, at).await,
            Step::Condition(step) => self.condition(step, at).await,
        }
    }

    async fn parallel(&self, step: &Parallel, at: &str) -> Result<Value, StepError> {
        let most = step.max_parallel.unwrap_or(DEFAULT_PARALLEL) as usize;
        let mut branches: Vec<BoxFuture<'_, Result<(usize, Value), StepError>>> = Vec::new();
        for (index, inner) in step.steps.iter().enumerate() {
            let branch = self.step(inner, path::child(at, "steps", index));
            branches.push(Box::pin(async move { Ok((index, branch.await?)) }));
        }
        let mut done = stream::iter(branches).buffer_unordered(most);
        let mut results = vec![Value::Null; step.steps.len()];
        while let Some(outcome) = done.next().await {
            // The first failure cancels the others: they are dropped with the stream.
            let (index, value) = outcome?;
            results[index] = value;
        }
        Ok(Value::Array(results))
    }

    async fn condition(&self, step: &Condition, at: &str) -> Result<Value, StepError> {
        let condition = expression::parse(&step.r#if).map_err(StepError::type_error)?;
        let holds = eval::holds(&condition, &Variables(self)).map_err(StepError::type_error)?;
        let (field, steps) = if holds { ("then", &step.then) } else { ("else", &step.r#else) };
        self.sequence(steps, |index| path::child(at, field, index)).await
    }
}
