//! What the caller may do, as the server sees it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The answer to `GET /api/whoami`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Whoami {
    /// What the caller may do.
    pub scope: ScopeName,
    /// What the server asks of callers: `token`, `own-account` or `open`.
    pub access: String,
    /// Whether the server proxies ports of agents.
    #[serde(default)]
    pub proxies_ports: bool,
}

/// A scope; each includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ScopeName {
    /// Read: agents, screens, logs, events; watch terminals.
    View,
    /// Also spawn, send, type, stop.
    Operate,
    /// Also change the server itself.
    Admin,
}
