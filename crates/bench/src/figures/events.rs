//! Events on their way through host, runtime and control plane to one subscriber. Ours only.

use std::time::{Duration, Instant};

use anyhow::bail;
use parallax_api::EventData;
use parallax_api::client::EventsOptions;
use tokio::task::JoinSet;

use crate::process;
use crate::report::Report;
use crate::subject::Subject;
use crate::viewer::Viewer;

/// Agents that report, and the turns of each: at most a thousand reports a second, and an event for each that its host sees by itself.
const AGENTS: usize = 20;
const TURNS: usize = 500;
/// No event for this long, and all have come.
const QUIET: Duration = Duration::from_secs(2);

#[expect(clippy::cast_precision_loss, reason = "a count")]
pub(super) async fn measure(subject: &Subject, report: &mut Report) -> anyhow::Result<()> {
    let Subject::ControlPlane(stack) = subject else { return Ok(()) };
    let program = std::env::current_exe()?;
    let (mut shells, mut viewers) = (Vec::new(), Vec::new());
    for _ in 0..AGENTS {
        let shell = subject.shell().await?;
        let mut viewer = Viewer::connect(&shell.place).await?;
        viewer.command("true").await?;
        viewers.push(viewer);
        shells.push(shell);
    }
    tokio::time::sleep(QUIET).await;
    let mut processes: Vec<u32> = shells.iter().flat_map(|shell| subject.processes(shell)).collect();
    processes.sort_unstable();
    processes.dedup();
    let mut events = stack.control_plane.events(EventsOptions::default()).await?;
    let before = process::cpu_seconds(&processes);
    let mut reports = JoinSet::new();
    for mut viewer in viewers {
        let command = format!("{} flip {TURNS}", program.display());
        reports.spawn(async move { viewer.command(&command).await });
    }
    let (mut first, mut last, mut seen) = (None, Instant::now(), 0_usize);
    while let Ok(event) = tokio::time::timeout(QUIET, events.next()).await {
        if let EventData::Reset { reason } = event?.data {
            bail!("events were lost: {reason}");
        }
        last = Instant::now();
        first.get_or_insert(last);
        seen += 1;
    }
    let cpu = process::cpu_seconds(&processes) - before;
    for report in reports.join_all().await {
        report?;
    }
    let seconds = first.map_or(f64::NAN, |first| (last - first).as_secs_f64());
    report.add("events through host, runtime and control plane, 1/s", subject, seen as f64 / seconds);
    report.add("CPU of servers and hosts for each, µs", subject, cpu / seen as f64 * 1e6);
    for shell in shells {
        subject.end(shell).await?;
    }
    Ok(())
}
