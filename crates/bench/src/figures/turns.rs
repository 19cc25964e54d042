//! Messages to shells: one after another at one agent, and at twenty at once. Ours only.

use std::time::Instant;

use futures::future::try_join_all;
use parallax_api::client::Client;
use parallax_api::{AgentId, SendRequest};

use crate::median;
use crate::report::Report;
use crate::subject::{Shell, Subject};

/// Turns of a round.
const TURNS: usize = 20;
/// Agents that work at once, and the turns of each.
const AGENTS: usize = 20;
const TURNS_EACH: usize = 20;

pub(super) async fn measure(subject: &Subject, report: &mut Report) -> anyhow::Result<()> {
    let client = match subject {
        Subject::Runtime(stack) => &stack.runtime,
        Subject::ControlPlane(stack) => &stack.control_plane,
        _ => return Ok(()),
    };
    let mut shells: Vec<Shell> = Vec::new();
    while shells.len() < AGENTS {
        shells.push(subject.shell().await?);
    }
    let times = turns(client, &shells[0], TURNS).await?;
    report.add("one turn after another of a shell, ms", subject, median(times));
    let began = Instant::now();
    let all = try_join_all(shells.iter().map(|shell| turns(client, shell, TURNS_EACH))).await?;
    let seconds = began.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    let turns = all.iter().map(Vec::len).sum::<usize>() as f64;
    report.add(&format!("turns of {AGENTS} shells at once, 1/s"), subject, turns / seconds);
    for shell in shells {
        subject.end(shell).await?;
    }
    Ok(())
}

/// The milliseconds of each of some turns, one after another.
async fn turns(client: &Client, shell: &Shell, count: usize) -> anyhow::Result<Vec<f64>> {
    let id: AgentId = shell.id.parse()?;
    let mut times = Vec::with_capacity(count);
    for turn in 0..count {
        let message = SendRequest {
            message: format!("echo turn {turn}"),
            expect_response: true,
            ..SendRequest::default()
        };
        let began = Instant::now();
        client.send(&id, &message).await?;
        times.push(began.elapsed().as_secs_f64() * 1000.0);
    }
    Ok(times)
}
