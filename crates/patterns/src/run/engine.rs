//! What a run consists of. The other files of `run` add one part of its behaviour each.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::mpsc::UnboundedSender;

use super::abandon::AcceptedMessages;
use super::agent_client::AgentClient;
use super::pool::Pool;
use super::queues::{JoinRequest, MembershipQueues};
use super::store::RunStore;
use crate::pattern::Pattern;

pub(super) struct Engine {
    pub id: String,
    pub pattern: Pattern,
    pub agents: Arc<dyn AgentClient>,
    pub store: RunStore,
    pub pools: BTreeMap<String, Pool>,
    /// Whether another server worked on it before.
    pub resumed: bool,
    /// Whether that server died.
    pub crashed: bool,
    pub join_tx: UnboundedSender<JoinRequest>,
    pub membership: tokio::sync::Mutex<MembershipQueues>,
    /// Messages that agents may still work on.
    pub accepted: AcceptedMessages,
    /// Held while an agent is spawned that shares a workspace.
    pub sharing: tokio::sync::Mutex<()>,
}
