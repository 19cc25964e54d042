//! An agent as a server knows it, and as it is shown.

use std::sync::OnceLock;

use parallax_api::{Agent, Problem};
use serde_json::value::RawValue;

/// A state of an agent. Shared by everybody who asks, and written as JSON once.
#[derive(Debug)]
pub struct Known {
    agent: Agent,
    json: OnceLock<Box<RawValue>>,
}

impl Known {
    /// The agent as its runtime shows it: whether that is away is told by whoever answers.
    pub fn new(agent: Agent) -> Self {
        Self { agent: Agent { stale: false, ..agent }, json: OnceLock::new() }
    }

    /// The agent.
    pub fn agent(&self) -> &Agent {
        &self.agent
    }

    /// The agent as JSON.
    ///
    /// # Errors
    /// `INTERNAL`; an agent can always be written.
    pub fn json(&self) -> Result<&RawValue, Problem> {
        if self.json.get().is_none() {
            let written = serde_json::value::to_raw_value(&self.agent).map_err(Problem::internal)?;
            // Somebody else may have been quicker, with the same.
            drop(self.json.set(written));
        }
        self.json.get().map(Box::as_ref).ok_or_else(|| Problem::internal("an agent was not written"))
    }
}
