//! Every process of this machine, with the agents that it says it belongs to and the directory that it serves as a host. To look is
//! the most expensive part of taking an agent away, so those who ask at once share one look.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parallax_api::{AgentId, Problem};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::os::{self, Image, Process, Stat, cgroup};
use crate::process::{self, Children};

/// Marks every process of an agent, its host's included.
pub(crate) const AGENT_ID: &str = "PARALLAX_AGENT_ID";

/// The processes at one moment.
#[derive(Debug)]
pub(crate) struct Census {
    /// Every one that can be seen.
    pub(crate) all: Children,
    /// Those that run, but for this server and what it was started by.
    pub(crate) living: BTreeMap<Process, Arc<Marks>>,
    /// The hosts among these, by the directories that they serve.
    hosts: BTreeMap<OsString, Vec<Process>>,
}

impl Census {
    /// The living hosts that serve the directory: one, unless a process has the command line of a host and is none.
    pub(crate) fn hosts_of(&self, dir: &Path) -> &[Process] {
        self.hosts.get(dir.as_os_str()).map_or(&[], Vec::as_slice)
    }
}

/// What a process says of itself: read when it is seen first, and again when it has executed another program.
#[derive(Debug)]
pub(crate) struct Marks {
    /// The agents that it belongs to, by its group and its environment.
    agents: Vec<String>,
    /// The directory that it serves: it is a host.
    serves: Option<PathBuf>,
    /// The program that was asked.
    image: Image,
}

impl Marks {
    /// Whether it belongs to this agent.
    pub(crate) fn name(&self, id: &AgentId) -> bool {
        self.agents.iter().any(|agent| agent == id.as_str())
    }

    fn of(stat: &Stat) -> Self {
        let mut agents = cgroup::members_of(stat.process);
        agents.extend(os::variable(stat.process, AGENT_ID));
        Self { agents, serves: process::served_dir(stat.process), image: stat.image }
    }
}

/// The last look, and when it began. Held while somebody looks.
static LAST: Mutex<Option<(Instant, Arc<Census>)>> = Mutex::const_new(None);

/// The processes as they are now: a look that began after this was called.
///
/// # Errors
/// `INTERNAL` when the look was given up: this server goes away.
pub(crate) async fn now() -> Result<Arc<Census>, Problem> {
    let asked_at = Instant::now();
    let mut last = LAST.lock().await;
    if let Some((_, census)) = last.as_ref().filter(|(began_at, _)| *began_at >= asked_at) {
        return Ok(census.clone());
    }
    let began_at = Instant::now();
    let before = last.take().map(|(_, census)| census);
    let census =
        tokio::task::spawn_blocking(move || take(before.as_deref())).await.map_err(Problem::internal)?;
    let census = Arc::new(census);
    *last = Some((began_at, census.clone()));
    Ok(census)
}

/// Looks at every process. Of those that were there `before`, with the program that they have now, the marks are known: to read them anew
/// is most of the work, and with a thousand agents would be done for thousands of processes whenever one agent is taken away.
fn take(before: Option<&Census>) -> Census {
    let all = os::all();
    let spared = process::lineage();
    let living = all.iter().filter(|stat| !stat.zombie && !spared.contains(&stat.process.pid));
    let known = |stat: &Stat| {
        let marks = before?.living.get(&stat.process)?;
        (marks.image == stat.image).then(|| marks.clone())
    };
    let marks = |stat: &Stat| known(stat).unwrap_or_else(|| Arc::new(Marks::of(stat)));
    let living: BTreeMap<_, _> = living.map(|stat| (stat.process, marks(stat))).collect();
    let mut hosts: BTreeMap<OsString, Vec<Process>> = BTreeMap::new();
    for (process, marks) in &living {
        if let Some(dir) = &marks.serves {
            hosts.entry(dir.clone().into()).or_default().push(*process);
        }
    }
    Census { all: Children::among(&all), living, hosts }
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;
    use std::time::Duration;

    use tokio::io::AsyncWriteExt as _;
    use tokio::process::Command;

    use super::*;

    #[tokio::test]
    async fn marks_are_read_once_for_each_program() {
        let (first, second) = (AgentId::generate(), AgentId::generate());
        let executes = format!("read line; exec env {AGENT_ID}={second} sleep 1000");
        let mut child = Command::new("sh")
            .args(["-c", &executes])
            .env(AGENT_ID, first.as_str())
            .stdin(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let process = Process::of(child.id().unwrap()).unwrap();
        let mut census = take(None);
        assert!(census.living[&process].name(&first) && !census.living[&process].name(&second));
        let next = take(Some(&census));
        assert!(Arc::ptr_eq(&census.living[&process], &next.living[&process]));
        child.stdin.take().unwrap().write_all(b"\n").await.unwrap();
        while !census.living[&process].name(&second) {
            tokio::time::sleep(Duration::from_millis(1)).await;
            census = take(Some(&census));
        }
        assert!(!census.living[&process].name(&first));
    }
}
