//! Servers that start, and that come back after they were killed. Ours only.

use std::path::Path;
use std::time::Instant;

use parallax_api::AgentStatus;
use parallax_api::client::ListFilter;

use crate::report::Report;
use crate::subject::{Stack, Subject};

/// From the start of the program to its first answer, and to all its agents after `kill -9`.
pub(super) async fn measure(
    programs: &Path,
    agents: usize,
    subjects: &[Subject],
    report: &mut Report,
) -> anyhow::Result<()> {
    let Some(subject) = subjects.iter().find(|subject| matches!(subject, Subject::ControlPlane(_))) else {
        return Ok(());
    };
    let home = tempfile::tempdir()?;
    let began = Instant::now();
    let stack = Stack::start(programs, home.path()).await?;
    report.add("program started → ready, ms", subject, began.elapsed().as_secs_f64() * 1000.0);
    let mut shells = Vec::new();
    while shells.len() < agents {
        shells.push(stack.shell(true).await?);
    }
    stack.kill().await?;
    let began = Instant::now();
    let stack = Stack::start(programs, home.path()).await?;
    while running(&stack).await? < agents {
        tokio::task::yield_now().await;
    }
    report.add(
        &format!("killed → {agents} agents are back, ms"),
        subject,
        began.elapsed().as_secs_f64() * 1000.0,
    );
    for shell in shells {
        stack.end(&shell.id).await?;
    }
    Ok(())
}

async fn running(stack: &Stack) -> anyhow::Result<usize> {
    let agents = stack.control_plane.list_all(&ListFilter::default()).await?;
    Ok(agents.iter().filter(|agent| matches!(agent.status, AgentStatus::Ready | AgentStatus::Busy)).count())
}
