//! Which agent an archive directory belongs to, and when it ended on a clock that nobody sets.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use parallax_api::compat;
use parallax_api::{Agent, AgentExit, AgentId, AgentStatus, Time};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Archive;
use crate::os;

/// The file in an agent's archive directory.
const FILE: &str = "agent.json";

/// Written with the archive, so that an agent outlives the loss of the database.
#[derive(Serialize)]
struct Head<'a> {
    agent: &'a Agent,
    boot_id: String,
    uptime_ms: Option<u64>,
}

/// As it is read: the agent may be of another version.
#[derive(Deserialize)]
struct AnyHead {
    agent: Value,
    #[serde(default)]
    boot_id: String,
    #[serde(default)]
    uptime_ms: Option<u64>,
}

impl Archive {
    /// The agent of an archive directory. One whose file is missing or damaged gets what can be known of it.
    pub(in crate::server) fn agent(&self, id: &AgentId) -> Agent {
        let found = self.read_head(id).and_then(|head| compat::agent(head.agent).map_err(io::Error::other));
        match found {
            Ok(agent) if agent.id == *id && agent.status == AgentStatus::Stopped => agent,
            _ => self.unnamed(id),
        }
    }

    /// How long ago the agent's archive was made. Within one boot the wall clock is not asked, so that a jump of it neither
    /// purges agents nor keeps them. `None`: it was made in another boot, or by an earlier version.
    pub(in crate::server) fn age(&self, id: &AgentId) -> Option<Duration> {
        let head = self.read_head(id).ok()?;
        let then = Duration::from_millis(head.uptime_ms?);
        (head.boot_id == os::boot_id()).then(|| os::uptime()?.checked_sub(then)).flatten()
    }

    fn read_head(&self, id: &AgentId) -> io::Result<AnyHead> {
        Ok(serde_json::from_slice(&fs::read(self.path(id).join(FILE))?)?)
    }

    /// An agent of which only the id and the directory are left.
    fn unnamed(&self, id: &AgentId) -> Agent {
        let made = fs::metadata(self.path(id)).and_then(|dir| dir.modified()).ok();
        let made = made.and_then(|made| made.duration_since(std::time::UNIX_EPOCH).ok());
        let at = made
            .and_then(|made| i64::try_from(made.as_millis()).ok())
            .map_or_else(Time::now, Time::from_millis);
        let exit = AgentExit::for_reason("unknown", at);
        Agent {
            status: AgentStatus::Stopped,
            exit: Some(exit),
            ..Agent::new(
                id.clone(),
                format!("recovered-{}", &id.as_str()[..id.as_str().len().min(8)]),
                "unknown",
                self.runtime.clone(),
                at,
            )
        }
    }
}

/// Writes the file into a directory that becomes an agent's archive.
pub(super) fn write(dir: &Path, agent: &Agent) -> io::Result<()> {
    let uptime_ms = os::uptime().and_then(|uptime| u64::try_from(uptime.as_millis()).ok());
    let head = Head { agent, boot_id: os::boot_id().into(), uptime_ms };
    fs::write(dir.join(FILE), serde_json::to_vec(&head)?)
}
