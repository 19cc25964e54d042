//! An agent as a server knows it, and as it is shown.

use std::sync::OnceLock;

use parallax_api::Agent;
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
    pub fn json(&self) -> &RawValue {
        let write =
            || serde_json::value::to_raw_value(&self.agent).expect("an agent is plain data with text keys");
        self.json.get_or_init(write)
    }
}
