//! What agents and viewers cost that do nothing.

use std::time::Duration;

use crate::process;
use crate::report::Report;
use crate::subject::Subject;
use crate::viewer::Viewer;

/// How long they are watched.
const WATCH: Duration = Duration::from_secs(10);
/// After the last thing that was done.
const SETTLE: Duration = Duration::from_secs(8);
/// Agents that print.
const PRINTING: usize = 10;
/// Viewers of each agent, so that no limit is met.
const VIEWERS_EACH: usize = 10;

pub(super) async fn measure(subjects: &[Subject], agents: usize, report: &mut Report) {
    // The control plane is in the same process as the runtime.
    let own_server =
        |subject: &&Subject| subject.has_viewers() && !matches!(subject, Subject::ControlPlane(_));
    for subject in subjects.iter().filter(own_server) {
        let done = one(subject, agents, report).await;
        report.note("idle", subject.name(), done);
    }
}

#[expect(clippy::cast_precision_loss, reason = "small numbers")]
async fn one(subject: &Subject, agents: usize, report: &mut Report) -> anyhow::Result<()> {
    let mut shells = vec![subject.shell().await?];
    let server = subject.processes(&shells[0])[0];
    tokio::time::sleep(Duration::from_secs(1)).await;
    report.add("servers, idle after all of this, MB (PSS)", subject, process::proportional_mb(server));
    let before = process::private_mb(server);
    report.add("servers, idle after all of this, MB (private)", subject, before);
    while shells.len() < agents {
        match subject.shell().await {
            Ok(shell) => shells.push(shell),
            Err(error) => {
                eprintln!("{}: no more than {} agents: {error:#}", subject.name(), shells.len());
                break;
            }
        }
    }
    tokio::time::sleep(SETTLE).await;
    let mut all: Vec<u32> = shells.iter().flat_map(|shell| subject.processes(shell)).collect();
    all.sort_unstable();
    all.dedup();
    let memory = |pids: &[u32]| pids.iter().map(|pid| process::private_mb(*pid)).sum::<f64>();
    let each = (memory(&all) - before) / shells.len() as f64;
    report.add("each idle agent, private MB, host included", subject, each);
    let before = process::Used::by(&all);
    tokio::time::sleep(WATCH).await;
    let share = WATCH.as_secs_f64() * shells.len() as f64;
    let (cpu, switches) = process::Used::by(&all).since(&before);
    report.add("CPU of each idle agent, ms/s", subject, cpu * 1000.0 / share);
    report.add("context switches of each idle agent, 1/s", subject, switches as f64 / share);
    let quiet = memory(&all);
    for shell in shells.iter().take(PRINTING) {
        Viewer::connect(&shell.place).await?.command("seq -f '%099.0f' 1 3000").await?;
    }
    tokio::time::sleep(SETTLE).await;
    let more = (memory(&all) - quiet) / shells.len().min(PRINTING) as f64;
    report.add("more after 3,000 printed lines, private MB", subject, more);
    let without = memory(&all);
    let mut viewers = Vec::new();
    for shell in shells.iter().take(10) {
        for _ in 0..VIEWERS_EACH {
            let mut viewer = Viewer::connect(&shell.place).await?;
            viewer.settle(Duration::from_millis(5)).await?;
            viewers.push(viewer);
        }
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let each = (memory(&all) - without) * 1000.0 / viewers.len() as f64;
    report.add("each idle viewer, kB", subject, each);
    drop(viewers);
    for shell in shells {
        subject.end(shell).await?;
    }
    Ok(())
}
