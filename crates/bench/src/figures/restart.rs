//! Servers that come back after they were killed.

use std::path::Path;
use std::time::{Duration, Instant};

use parallax_api::AgentStatus;
use parallax_api::client::ListFilter;

use crate::report::Report;
use crate::subject::{Cao, Programs, Stack, Subject};

/// Agents that there are.
const AGENTS: [usize; 3] = [10, 100, 300];
/// Agents of CAO: each of its starts takes seconds.
const AGENTS_OF_CAO: usize = 10;

/// From the start of the program to all its agents after `kill -9`.
pub(super) async fn measure(programs: &Programs, subjects: &[Subject], report: &mut Report) {
    let Some(subject) = subjects.iter().find(|subject| matches!(subject, Subject::ControlPlane(_))) else {
        return;
    };
    for agents in AGENTS {
        let took = back(&programs.ours, agents).await;
        let done = took.map(|took| report.add(&name(agents), subject, took.as_secs_f64() * 1000.0));
        report.note("restart", subject.name(), done);
    }
    if let Some(program) = &programs.cao {
        let took = back_of_cao(program).await;
        let done =
            took.map(|took| report.add_to(Cao::NAME, &name(AGENTS_OF_CAO), took.as_secs_f64() * 1000.0));
        report.note("restart", Cao::NAME, done);
    }
}

async fn back_of_cao(program: &Path) -> anyhow::Result<Duration> {
    let home = tempfile::tempdir()?;
    Cao::back(program, home.path(), AGENTS_OF_CAO).await
}

fn name(agents: usize) -> String {
    format!("killed → {agents} agents are back, ms")
}

/// How long our servers take.
pub(crate) async fn back(programs: &Path, agents: usize) -> anyhow::Result<Duration> {
    let home = tempfile::tempdir()?;
    let stack = Stack::start(programs, home.path()).await?;
    let shells = stack.shells(true, agents).await?;
    let (stack, took) = back_again(stack, programs, home.path(), agents).await?;
    stack.end_all(&shells).await?;
    Ok(took)
}

/// Kills the servers of so many agents and starts them again; answers those, and how long it took until all were there.
pub(crate) async fn back_again(
    stack: Stack,
    programs: &Path,
    home: &Path,
    agents: usize,
) -> anyhow::Result<(Stack, Duration)> {
    stack.kill().await?;
    let began = Instant::now();
    let stack = Stack::start(programs, home).await?;
    while running(&stack).await? < agents {
        tokio::task::yield_now().await;
    }
    Ok((stack, began.elapsed()))
}

async fn running(stack: &Stack) -> anyhow::Result<usize> {
    let filter = ListFilter { limit: Some(1000), ..ListFilter::default() };
    let agents = stack.control_plane.list_all(&filter).await?;
    Ok(agents.iter().filter(|agent| matches!(agent.status, AgentStatus::Ready | AgentStatus::Busy)).count())
}
