//! Many viewers of one terminal, and one that stopped reading.

use std::time::Duration;

use tokio::task::JoinSet;

use super::echo;
use crate::process;
use crate::report::Report;
use crate::subject::Subject;
use crate::viewer::Viewer;

/// Viewers of one terminal.
const MANY: usize = 200;
/// How long a viewer reads nothing while the program prints.
const STALL: Duration = Duration::from_secs(15);

/// The echo at the last of many viewers, who types: a subject may serve who types before others. A subject that lets in fewer is measured
/// with those.
pub(super) async fn many(subject: &Subject, report: &mut Report) -> anyhow::Result<()> {
    let shell = subject.shell().await?;
    let mut typist = Viewer::connect(&shell.place).await?;
    echo::begin(&mut typist).await?;
    drop(typist);
    let (mut others, mut let_in) = (JoinSet::new(), 0.0);
    for _ in 1..MANY {
        let Ok(mut viewer) = Viewer::connect(&shell.place).await else { break };
        others.spawn(async move { while viewer.next().await.is_ok() {} });
        let_in += 1.0;
    }
    let mut last = Viewer::connect(&shell.place).await?;
    last.settle(Duration::from_millis(300)).await?;
    let keys = echo::keys_of(&mut last).await?;
    report.add(&format!("viewers of one terminal that were let in, of {MANY}"), subject, let_in + 1.0);
    keys.add(&format!("key → echo at the last of {MANY} viewers, who types"), subject, report);
    drop(last);
    others.shutdown().await;
    subject.end(shell).await
}

/// The echo at a viewer beside one that reads nothing, after much was printed, and what the processes hold for that one.
pub(super) async fn stalled(subject: &Subject, report: &mut Report) -> anyhow::Result<()> {
    let shell = subject.shell().await?;
    let mut typist = Viewer::connect(&shell.place).await?;
    typist.command("true").await?;
    let processes = subject.processes(&shell);
    let memory = || processes.iter().map(|pid| process::private_mb(*pid)).sum::<f64>();
    let before = memory();
    let silent = Viewer::connect(&shell.place).await?;
    typist.type_text(&format!("timeout {} yes; echo E$((40+2))ND\r", STALL.as_secs())).await?;
    typist.until("E42ND").await?;
    report.add("growth beside a stalled viewer in 15 s, MB", subject, memory() - before);
    echo::begin(&mut typist).await?;
    let keys = echo::keys_of(&mut typist).await?;
    keys.add("key → echo beside a stalled viewer", subject, report);
    drop((typist, silent));
    subject.end(shell).await
}
