//! Agents that repaint, as CLIs do while they work, and the echo beside them.

use std::time::Duration;

use tokio::task::JoinSet;

use super::echo;
use crate::process;
use crate::report::Report;
use crate::subject::Subject;
use crate::viewer::Viewer;

/// Agents that repaint their screen, and how often a second. Each has a viewer.
const BUSY: usize = 20;
const RATE: usize = 20;
/// How long their CPU is counted.
const WATCH: Duration = Duration::from_secs(5);

pub(super) async fn measure(subject: &Subject, report: &mut Report) -> anyhow::Result<()> {
    let program = std::env::current_exe()?;
    let (mut shells, mut viewers) = (Vec::new(), JoinSet::new());
    for _ in 0..BUSY {
        let shell = subject.shell().await?;
        let mut viewer = Viewer::connect(&shell.place).await?;
        viewer.command("true").await?;
        viewer.type_text(&format!("exec {} repaint {RATE}\r", program.display())).await?;
        viewers.spawn(async move { while viewer.next().await.is_ok() {} });
        shells.push(shell);
    }
    let mut processes: Vec<u32> = shells.iter().flat_map(|shell| subject.processes(shell)).collect();
    processes.sort_unstable();
    processes.dedup();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = process::cpu_seconds(&processes);
    tokio::time::sleep(WATCH).await;
    let cpu = process::cpu_seconds(&processes) - before;
    let share = cpu / WATCH.as_secs_f64() * 100.0;
    report.add(&format!("CPU of {BUSY} agents that repaint at {RATE} Hz, % of a core"), subject, share);
    let seen = echo::keys(subject).await?;
    seen.add(&format!("key → echo beside {BUSY} busy agents"), subject, report);
    viewers.shutdown().await;
    for shell in shells {
        subject.end(shell).await?;
    }
    Ok(())
}
