//! Taking an agent away: its host, its processes wherever they went, its directory.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use parallax_api::{AgentId, Problem};
use parallax_runtime_core::HostAddress;
use parallax_runtime_core::host::HostClient;

use crate::agent_dir::AgentDir;
use crate::census::{self, Census, Marks};
use crate::os::{Process, cgroup};

/// How long a host that was released may take to go.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long killed processes may take to go.
const DEATH_TIMEOUT: Duration = Duration::from_secs(2);
/// How often processes are looked for that were started while others were killed.
const ROUNDS: u32 = 20;

/// Ends the host and everything its agent started, then removes the directory.
pub(crate) async fn remove(dir: &AgentDir, id: &AgentId, grace: Duration) -> Result<(), Problem> {
    if !dir.exists() {
        return Ok(());
    }
    if let Some(host) = dir.host().await? {
        HostClient::new(HostAddress::Unix(dir.socket())).leave(grace).await;
        host.ended(LEAVE_TIMEOUT).await;
    }
    kill(dir, id).await?;
    cgroup::remove(id);
    dir.remove().map_err(Problem::internal)
}

/// Kills the host, if it lives, and everything its agent started.
pub(crate) async fn kill(dir: &AgentDir, id: &AgentId) -> Result<(), Problem> {
    for _ in 0..ROUNDS {
        let census = census::now().await?;
        let left = members(dir, id, &census);
        if left.is_empty() {
            return Ok(());
        }
        // All of them at once: one that sees its parent die may start another.
        for process in &left {
            process.kill().map_err(Problem::internal)?;
        }
        for process in left {
            process.ended(DEATH_TIMEOUT).await;
        }
    }
    Err(Problem::internal(format!("processes of the agent {id} do not die")))
}

/// The living processes of an agent: its host and what is below it, what is in its control group, and what carries its mark: a
/// process that was orphaned, or moved to a session of its own, still has the environment it began with. Never this
/// server or what it was started by, whatever marks they carry.
fn members(dir: &AgentDir, id: &AgentId, census: &Census) -> Vec<Process> {
    let host = census.host_of(dir.path());
    let below = host.map(|host| census.all.below(host)).unwrap_or_default();
    let below: BTreeSet<Process> = below.into_iter().map(|stat| stat.process).chain(host).collect();
    let belongs = |(process, marks): &(&Process, &Arc<Marks>)| below.contains(process) || marks.name(id);
    census.living.iter().filter(belongs).map(|(process, _)| *process).collect()
}
