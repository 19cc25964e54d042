//! Workspaces of a run: which one an agent is to work in, and the steps that look at one or hand it on.

use parallax_api::agent::MAX_MESSAGE;
use parallax_api::workspace::{DiffQuery, MAX_COMMIT_MESSAGE, MergeRequest, WorkspaceRequest};
use parallax_api::{AgentId, Code};
use serde_json::{Value, json};

use super::engine::Engine;
use super::step_error::StepError;
use crate::pattern::{Diff, Merge, RoleWorkspace};

impl Engine {
    /// What a role has changed, as a unified diff.
    pub(super) async fn diff(&self, step: &Diff) -> Result<Value, StepError> {
        let file = step.file.as_deref().map(|text| self.text(text)).transpose()?;
        let (agent, query) = (self.worker(&step.role)?, DiffQuery { file, ..DiffQuery::default() });
        let diff = self.retry_until_certain(|| self.agents.diff(&agent, &query)).await;
        let diff = diff.map_err(|problem| StepError::from(&problem))?;
        if diff.len() > MAX_MESSAGE {
            let message =
                format!("the diff has more than the {MAX_MESSAGE} bytes that a text may have: name a `file`");
            return Err(StepError::too_large(message));
        }
        Ok(Value::String(diff))
    }

    /// Commits and merges what a role has changed. Done again, it finds it merged.
    pub(super) async fn merge(&self, step: &Merge) -> Result<Value, StepError> {
        let message = match &step.message {
            Some(text) => self.text_within(text, MAX_COMMIT_MESSAGE)?,
            None => format!("{}: work of {}", self.pattern.name, step.role),
        };
        let into = self.text_within(&step.into, MAX_COMMIT_MESSAGE)?;
        let request = MergeRequest { into, strategy: step.strategy, message: Some(message) };
        let agent = self.worker(&step.role)?;
        let merged = self.retry_until_certain(|| self.agents.merge(&agent, &request)).await;
        let merged = merged.map_err(|problem| StepError::from(&problem))?;
        Ok(json!({"into": merged.into, "commit": merged.commit}))
    }

    /// The agent whose workspace is the role's: the last one that came, and one that is there before one that has left.
    fn worker(&self, role: &str) -> Result<AgentId, StepError> {
        self.store.read(|state| state.worker(role)).ok_or_else(|| {
            let message = format!("no agent of the role `{role}` has worked yet");
            StepError::permanent(Code::NotFound.as_str(), message)
        })
    }

    /// What an agent of the role is to work in: a workspace of its own, or the one of an agent before it.
    pub(super) fn workspace(
        &self,
        asked: &RoleWorkspace,
        reuse: Option<&AgentId>,
        mut filled: impl FnMut(&String) -> Result<String, StepError>,
    ) -> Result<WorkspaceRequest, StepError> {
        let setup = asked.setup.clone();
        if let Some(id) = reuse {
            // It was set up for the first one.
            return Ok(WorkspaceRequest { reuse: Some(id.clone()), ..WorkspaceRequest::default() });
        }
        let repo = match &asked.repo {
            Some(text) => filled(text)?,
            None => self.store.read(|state| state.workdir().map(str::to_owned)).ok_or_else(|| {
                let message = "the workspace names no `repo`, and the run has no working directory";
                StepError::permanent(Code::Validation.as_str(), message)
            })?,
        };
        Ok(WorkspaceRequest {
            repo,
            r#ref: asked.r#ref.as_ref().map(&mut filled).transpose()?,
            branch: asked.branch.as_ref().map(&mut filled).transpose()?,
            mode: asked.mode,
            keep: asked.keep,
            setup,
            depth: asked.depth,
            ..WorkspaceRequest::default()
        })
    }
}
