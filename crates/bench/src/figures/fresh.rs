//! Servers that have just been started: how soon they are there, and what they hold before anything was asked of them.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::process;
use crate::report::Report;
use crate::subject::{Cao, Programs, Subject};

/// Starts of each.
const STARTS: usize = 5;
/// From the start to the look at its memory.
const SETTLE: Duration = Duration::from_secs(1);

pub(super) async fn measure(programs: &Programs, subjects: &[Subject], report: &mut Report) {
    for _ in 0..STARTS {
        for subject in subjects {
            let done = again(subject, programs, report).await;
            report.note("fresh", subject.name(), done);
        }
        if let Some(program) = &programs.cao {
            let done = cao(program, report).await;
            report.note("fresh", Cao::NAME, done);
        }
    }
}

async fn again(subject: &Subject, programs: &Programs, report: &mut Report) -> anyhow::Result<()> {
    let home = tempfile::tempdir()?;
    let began = Instant::now();
    if let Some(fresh) = subject.another(programs, home.path()).await? {
        add(report, subject.name(), began.elapsed(), fresh.server()).await;
    }
    Ok(())
}

async fn cao(program: &Path, report: &mut Report) -> anyhow::Result<()> {
    let home = tempfile::tempdir()?;
    let began = Instant::now();
    let fresh = Cao::start(program, home.path()).await?;
    add(report, Cao::NAME, began.elapsed(), fresh.pid()).await;
    Ok(())
}

async fn add(report: &mut Report, column: &'static str, took: Duration, server: u32) {
    report.add_to(column, "program started → ready, ms", took.as_secs_f64() * 1000.0);
    tokio::time::sleep(SETTLE).await;
    report.add_to(column, "servers, just started, MB (PSS)", process::proportional_mb(server));
    report.add_to(column, "servers, just started, MB (private)", process::private_mb(server));
}
