//! A run from its first step to its end: cancelled, timed out, failed or completed, and its agents stopped.

use std::time::Duration;

use parallax_api::Code;
use parallax_api::execution::{ExecutionEventData as Data, ExecutionStatus, Fault, StepStatus};
use serde_json::{Map, Value};

use super::engine::Engine;
use super::membership;
use super::state::RunState;
use super::step_error::StepError;
use super::steps::MAX_RESULT;
use crate::expression::values::text_size;
use crate::pattern::Output;

/// How long a run may take when the file does not say.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);
/// How long the agents of a run may take to stop at its end. The server's sweep stops those that are left.
const STOP_TIMEOUT: Duration = Duration::from_secs(60);

impl Engine {
    /// Runs to the end. Returns at once when the run is over.
    pub(super) async fn run_to_end(&self) -> Result<(), StepError> {
        if self.store.read(RunState::is_over) {
            return Ok(());
        }
        if self.resumed {
            self.store.append(Data::ExecutionResumed { crashed: self.crashed }).await?;
        }
        if let Some(fault) = self.store.read(RunState::lethal) {
            let failed =
                Data::ExecutionEnded { status: ExecutionStatus::Failed, output: None, error: Some(fault) };
            self.shut_down().await?;
            return self.store.append(failed).await;
        }
        let mut queues = self.membership.lock().await;
        let outcome = {
            let deadline = self.store.clock().after(self.store.read(RunState::created_at), self.limit());
            let cancelled = self.store.wait_for(|state| state.is_cancelled().then_some(()));
            tokio::select! {
                biased;
                () = cancelled => Err(None),
                outcome = self.work() => outcome.map_err(Some),
                // Never ends by itself: it is polled for as long as the others.
                never = membership::drive(self, &mut queues) => match never? {},
                () = tokio::time::sleep_until(deadline) => {
                    let message = format!("the run took longer than {} ms", self.limit().as_millis());
                    Err(Some(StepError::permanent(Code::Timeout.as_str(), message)))
                }
            }
        };
        let ended = match outcome {
            Ok(output) => {
                Data::ExecutionEnded { status: ExecutionStatus::Completed, output: Some(output), error: None }
            }
            Err(None) => {
                let error = Some(Fault::new("CANCELLED", "the run was cancelled"));
                Data::ExecutionEnded { status: ExecutionStatus::Cancelled, output: None, error }
            }
            Err(Some(error)) if error.is_abort() => return Err(error),
            Err(Some(failed)) => {
                let error = Some(failed.fault);
                Data::ExecutionEnded { status: ExecutionStatus::Failed, output: None, error }
            }
        };
        self.shut_down().await?;
        self.store.append(ended).await
    }

    fn limit(&self) -> Duration {
        self.pattern.workflow.timeout_ms.map_or(DEFAULT_TIMEOUT, Duration::from_millis)
    }

    async fn work(&self) -> Result<Value, StepError> {
        self.restore_spawns().await;
        self.spawn_initial().await?;
        let last = self.sequence(&self.pattern.workflow.steps, |index| index.to_string()).await?;
        match &self.pattern.workflow.output {
            None => Ok(last),
            Some(Output::One(text)) => self.bounded(self.value(text)?),
            Some(Output::Several(texts)) => {
                let mut values = Map::new();
                let mut size = 0;
                for (name, text) in texts {
                    let value = self.value(text)?;
                    size += name.len() + text_size(&value);
                    // Before the next one is made: each may be large.
                    if size > MAX_RESULT {
                        let message = format!("the output of a run has at most {MAX_RESULT} bytes");
                        return Err(StepError::too_large(message));
                    }
                    values.insert(name.clone(), value);
                }
                Ok(Value::Object(values))
            }
        }
    }

    /// Ends the open steps and questions, and stops the agents.
    async fn shut_down(&self) -> Result<(), StepError> {
        self.store.append(Data::ExecutionEnding {}).await?;
        for (step, attempt) in self.store.read(RunState::open) {
            let status = StepStatus::Cancelled;
            let ended = Data::StepEnded { step, attempt, status, result: None, error: None, again: false };
            self.store.append(ended).await?;
        }
        self.withdraw_all().await?;
        let stopping = self.retry_until_certain(|| self.agents.stop_all());
        let (stopped, _) = tokio::join!(
            tokio::time::timeout(STOP_TIMEOUT, stopping),
            // A message that could not be withdrawn in time stays with its agent, which is another's.
            tokio::time::timeout(STOP_TIMEOUT, self.withdraw_messages()),
        );
        let reason = match stopped {
            Ok(Ok(())) => "the run is over".to_owned(),
            Ok(Err(problem)) => format!("it could not be stopped: {}", problem.detail),
            Err(_) => "it could not be stopped in time".to_owned(),
        };
        let present: Vec<_> = self.store.read(|state| state.present().cloned().collect());
        for member in present {
            let reason = if member.managed { reason.clone() } else { "the run is over".into() };
            self.store
                .append(Data::AgentLeft { agent_id: member.agent_id, role: member.role, reason })
                .await?;
        }
        Ok(())
    }
}
