//! A full log: its end, and what reading it leaves in the host's memory. Ours only.

use std::time::{Duration, Instant};

use parallax_api::SendRequest;
use parallax_api::observe::LogsQuery;

use crate::median;
use crate::process;
use crate::report::Report;
use crate::subject::Subject;
use crate::viewer::Viewer;

/// Reads of a round.
const READS: usize = 9;

pub(super) async fn measure(subject: &Subject, report: &mut Report) -> anyhow::Result<()> {
    let Subject::Runtime(stack) = subject else { return Ok(()) };
    let shell = subject.shell().await?;
    let host = process::with_command(&["parallax-agent-host", &shell.id])[0];
    let mut viewer = Viewer::connect(&shell.place).await?;
    viewer.command("seq -f '%099.0f' 1 700000").await?;
    drop(viewer);
    tokio::time::sleep(Duration::from_secs(1)).await;
    report.add("host, 70 MB printed, private MB", subject, process::private_mb(host));
    let id = shell.id.parse()?;
    let query = LogsQuery { tail: Some(100), ..LogsQuery::default() };
    let mut times = Vec::new();
    for _ in 0..READS {
        let began = Instant::now();
        stack.runtime.logs(&id, &query).await?;
        times.push(began.elapsed().as_secs_f64() * 1000.0);
    }
    report.add("`GET logs?tail=100` of a full log, ms", subject, median(times));
    report.add("host, after nine of them, private MB", subject, process::private_mb(host));
    let message = SendRequest {
        message: "seq -f '%099.0f' 1 20000".into(),
        expect_response: true,
        ..SendRequest::default()
    };
    stack.runtime.send(&id, &message).await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    report.add("host, after an answer of 20,000 lines, private MB", subject, process::private_mb(host));
    subject.end(shell).await
}
