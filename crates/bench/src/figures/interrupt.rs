//! From Ctrl-C to the prompt, under a program that prints without end.

use std::time::{Duration, Instant};

use crate::report::Report;
use crate::subject::Subject;
use crate::viewer::Viewer;

/// What a slow viewer reads, in bytes a second.
const SLOW: f64 = 1e6;
/// How long the program prints before.
const FLOOD: Duration = Duration::from_millis(2500);

pub(super) async fn measure(subject: &Subject, report: &mut Report) -> anyhow::Result<()> {
    let seconds = interrupt(subject, None).await?;
    report.add("Ctrl-C under `yes` → prompt, ms", subject, seconds * 1000.0);
    let seconds = interrupt(subject, Some(SLOW)).await?;
    report.add("the same, viewer reading 1 MB/s, ms", subject, seconds * 1000.0);
    Ok(())
}

async fn interrupt(subject: &Subject, rate: Option<f64>) -> anyhow::Result<f64> {
    let shell = subject.shell().await?;
    let mut viewer = match rate {
        None => Viewer::connect(&shell.place).await?,
        Some(rate) => Viewer::connect_slow(&shell.place, rate).await?,
    };
    viewer.command("true").await?;
    viewer.type_text("yes\r").await?;
    let until = Instant::now() + FLOOD;
    while Instant::now() < until {
        viewer.next().await?;
    }
    let began = Instant::now();
    viewer.type_text("\x03").await?;
    viewer.until("$").await?;
    let seconds = began.elapsed().as_secs_f64();
    drop(viewer);
    subject.end(shell).await?;
    Ok(seconds)
}
