//! Messages to a shell, one after another: ours only.

use std::time::Instant;

use parallax_api::SendRequest;

use crate::median;
use crate::report::Report;
use crate::subject::Subject;

/// Turns of a round.
const TURNS: usize = 20;

pub(super) async fn measure(subject: &Subject, report: &mut Report) -> anyhow::Result<()> {
    let client = match subject {
        Subject::Runtime(stack) => &stack.runtime,
        Subject::ControlPlane(stack) => &stack.control_plane,
        _ => return Ok(()),
    };
    let shell = subject.shell().await?;
    let id = shell.id.parse()?;
    let mut times = Vec::new();
    for turn in 0..TURNS {
        let message = SendRequest {
            message: format!("echo turn {turn}"),
            expect_response: true,
            ..SendRequest::default()
        };
        let began = Instant::now();
        client.send(&id, &message).await?;
        times.push(began.elapsed().as_secs_f64() * 1000.0);
    }
    report.add("one turn after another of a shell, ms", subject, median(times));
    subject.end(shell).await
}
