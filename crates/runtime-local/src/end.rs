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

/// The living processes of an agent: whoever has its host's command line and what is below them, what is in its control group, and what carries its mark: a
/// process that was orphaned, or moved to a session of its own, still has the environment it began with. Never this
/// server or what it was started by, whatever marks they carry.
fn members(dir: &AgentDir, id: &AgentId, census: &Census) -> Vec<Process> {
    let with_below =
        |host: &Process| census.all.below(*host).into_iter().map(|stat| stat.process).chain([*host]);
    let below: BTreeSet<Process> = census.hosts_of(dir.path()).iter().flat_map(with_below).collect();
    let belongs = |(process, marks): &(&Process, &Arc<Marks>)| below.contains(process) || marks.name(id);
    census.living.iter().filter(belongs).map(|(process, _)| *process).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::process::Stdio;

    use tokio::io::{AsyncBufReadExt as _, BufReader};
    use tokio::process::{Child, Command};

    use super::*;
    use crate::agent_dir::AgentDirs;
    use crate::census::AGENT_ID;

    /// A program with the command line of a host and its mark, and a process below it that has no mark.
    async fn host(program: &Path, dir: &AgentDir, id: &AgentId) -> (Child, Process) {
        let mut command = Command::new("sh");
        command.arg("serve").arg("--dir").arg(dir.path()).current_dir(program);
        command.env(AGENT_ID, id.as_str()).kill_on_drop(true);
        let mut host = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut told = BufReader::new(host.stdout.take().unwrap()).lines();
        let below = told.next_line().await.unwrap().unwrap().parse().unwrap();
        (host, Process::of(below).unwrap())
    }

    #[tokio::test]
    async fn who_says_to_be_the_host_hides_nobody() {
        let state = tempfile::tempdir().unwrap();
        let id = AgentId::generate();
        let dir = AgentDirs::open(state.path()).unwrap().of(&id);
        fs::write(state.path().join("serve"), "env -i sleep 1000 & echo $!; wait").unwrap();
        let (mut first, below_first) = host(state.path(), &dir, &id).await;
        let (mut second, below_second) = host(state.path(), &dir, &id).await;
        kill(&dir, &id).await.unwrap();
        assert!(!below_first.lives() && !below_second.lives());
        first.wait().await.unwrap();
        second.wait().await.unwrap();
    }
}
