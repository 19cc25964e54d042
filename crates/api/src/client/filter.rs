//! Which agents to list.

use crate::AgentStatus;

/// The query of the list. Everything empty lists all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListFilter {
    /// Only agents of this status.
    pub status: Option<AgentStatus>,
    /// Only agents of this type.
    pub r#type: Option<String>,
    /// Only agents of this runtime.
    pub runtime: Option<String>,
    /// Only agents that have this capability.
    pub capability: Option<String>,
    /// Only agents that have all of these labels (`key=value`, or `key` for any value).
    pub labels: Vec<String>,
    /// At most so many on a page.
    pub limit: Option<usize>,
    /// Where the page before left off.
    pub cursor: Option<String>,
}

impl ListFilter {
    /// The query as pairs; a label is a pair of its own each time.
    pub(super) fn pairs(&self) -> Vec<(&'static str, String)> {
        let mut pairs = Vec::new();
        let mut push = |key, value: Option<String>| pairs.extend(value.map(|value| (key, value)));
        push("status", self.status.map(|status| status.to_string()));
        push("type", self.r#type.clone());
        push("runtime", self.runtime.clone());
        push("capability", self.capability.clone());
        for label in &self.labels {
            push("label", Some(label.clone()));
        }
        push("limit", self.limit.map(|limit| limit.to_string()));
        push("cursor", self.cursor.clone());
        pairs
    }
}
