//! The repository of texts that are searched: an index of what agents' hosts keep, which can be made again.

use std::fmt::Debug;

use async_trait::async_trait;
use parallax_api::search::{ExcerptPart, HitKind};
use parallax_api::{AgentId, Time};

use crate::StoreError;

/// A text to be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextRow {
    /// Where it is from.
    pub kind: HitKind,
    /// The message it is of.
    pub message_id: Option<String>,
    /// When it was said or read.
    pub at: Time,
    /// The text.
    pub text: String,
}

/// How far an agent's messages and log are in the index.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TextPosition {
    /// The last message.
    pub message_id: Option<String>,
    /// The offset in the log.
    pub log_offset: Option<u64>,
    /// Whether lines of the log were passed over on the way there.
    pub is_incomplete: bool,
}

/// What to look for.
#[derive(Clone, Debug)]
pub struct TextQuery {
    /// Every one of them has to be there; the last may be the beginning of a word.
    pub words: Vec<String>,
    /// Only of this agent.
    pub agent: Option<AgentId>,
    /// Only of this kind.
    pub kind: Option<HitKind>,
    /// Only texts with a lower number.
    pub before: Option<u64>,
    /// So many at most.
    pub limit: usize,
}

/// A text that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundText {
    /// Its number: later ones are higher.
    pub number: u64,
    /// The agent.
    pub agent: AgentId,
    /// Where it is from.
    pub kind: HitKind,
    /// The message it is of.
    pub message_id: Option<String>,
    /// When it was said or read.
    pub at: Time,
    /// A piece of it.
    pub excerpt: Vec<ExcerptPart>,
}

/// Texts of agents.
#[async_trait]
pub trait TextIndex: Debug + Send + Sync {
    /// How far this agent is in the index.
    async fn position(&self, agent: &AgentId) -> Result<TextPosition, StoreError>;

    /// Adds texts of an agent and notes how far it is, and deletes the oldest texts beyond `max` of all agents.
    async fn add(
        &self,
        agent: &AgentId,
        texts: Vec<TextRow>,
        position: TextPosition,
        max: u64,
    ) -> Result<(), StoreError>;

    /// The newest texts with all of the words.
    async fn search(&self, query: TextQuery) -> Result<Vec<FoundText>, StoreError>;

    /// Agents, at most `limit`, of whose logs lines were passed over.
    async fn incomplete(&self, limit: usize) -> Result<Vec<AgentId>, StoreError>;

    /// Every agent that has texts, or had.
    async fn agents(&self) -> Result<Vec<AgentId>, StoreError>;

    /// Deletes the texts of these agents, and how far they were read.
    async fn forget(&self, agents: Vec<AgentId>) -> Result<(), StoreError>;
}
