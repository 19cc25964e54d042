//! Every process of this machine, with the agents that it says it belongs to. To look is the most expensive part of taking an
//! agent away, so those who ask at once share one look.

use std::collections::BTreeMap;
use std::sync::Arc;

use parallax_api::{AgentId, Problem};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::launch::AGENT_ID;
use crate::os::{self, Process, cgroup};
use crate::process::{self, Children};

/// The processes at one moment.
#[derive(Debug)]
pub(crate) struct Census {
    /// Every one that can be seen.
    pub(crate) all: Children,
    /// Those that run, but for this server and what it was started by.
    pub(crate) living: BTreeMap<Process, Marks>,
}

/// The agents that a process carries the mark of.
#[derive(Debug, Default)]
pub(crate) struct Marks(Vec<String>);

impl Marks {
    /// Whether it carries this one's.
    pub(crate) fn name(&self, id: &AgentId) -> bool {
        self.0.iter().any(|mark| mark == id.as_str())
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
    let census = tokio::task::spawn_blocking(take).await.map_err(Problem::internal)?;
    let census = Arc::new(census);
    *last = Some((began_at, census.clone()));
    Ok(census)
}

fn take() -> Census {
    let all = os::all();
    let spared = process::lineage();
    let living = all.iter().filter(|stat| !stat.zombie && !spared.contains(&stat.process.pid));
    let living = living.map(|stat| (stat.process, marks(stat.process))).collect();
    Census { all: Children::among(&all), living }
}

fn marks(process: Process) -> Marks {
    let mut marks = cgroup::members_of(process);
    marks.extend(os::variable(process, AGENT_ID));
    Marks(marks)
}
