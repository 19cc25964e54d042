//! From the request to the first command that is answered.

use std::time::Instant;

use tokio::task::JoinSet;

use crate::report::Report;
use crate::subject::{Shell, Subject};
use crate::viewer::Viewer;

/// Shells that are asked for at once.
const AT_ONCE: usize = 30;

pub(super) async fn measure(subject: &Subject, report: &mut Report) -> anyhow::Result<()> {
    let (shell, seconds) = one(subject.clone()).await?;
    report.add("spawn → first command answered, ms", subject, seconds * 1000.0);
    subject.end(shell).await?;
    let began = Instant::now();
    let mut starts = JoinSet::new();
    for _ in 0..AT_ONCE {
        starts.spawn(one(subject.clone()));
    }
    let started = starts.join_all().await;
    report.add("30 spawns at once, all answered, ms", subject, began.elapsed().as_secs_f64() * 1000.0);
    for shell in started {
        subject.end(shell?.0).await?;
    }
    Ok(())
}

async fn one(subject: Subject) -> anyhow::Result<(Shell, f64)> {
    let began = Instant::now();
    let shell = subject.shell().await?;
    let mut viewer = Viewer::connect(&shell.place).await?;
    viewer.command("true").await?;
    Ok((shell, began.elapsed().as_secs_f64()))
}
