//! Measurements, beside peers where they are installed. Never shipped, and no test: run one by hand on a quiet machine.
//!
//! `figures` (`make bench`) starts what it measures itself ([`subject`]), looks at it through the same [`viewer`], and writes
//! what came out into a [`report`]. [`instructions`] counts instead of timing, so a busy machine does not matter. The others look at a
//! system that runs.

mod docker_start;
mod figures;
mod flip;
mod http;
mod instructions;
mod paint;
mod process;
mod read_agents;
mod repaint;
mod report;
mod scale;
mod simulate;
mod subject;
mod viewer;

use clap::{Parser, Subcommand};

/// Measures what a running system does.
#[derive(Parser)]
#[command(name = "parallax-bench")]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Everything that this machine can measure, ours beside peers and the bare limit
    Figures(figures::Figures),
    /// How many instructions some work takes, held against the bounds in a file; needs valgrind
    Instructions(instructions::Instructions),
    /// From a spawn request to the first output, beside `docker run` of the same image
    DockerStart(docker_start::DockerStart),
    /// Reads of one agent over many connections, and of the list, at a running control plane
    ReadAgents(read_agents::ReadAgents),
    /// Agents and viewers by the hundreds: what each costs, and how soon they are back
    Scale(scale::Scale),
    /// Events of 10,000 and 100,000 agents, from runtimes without agents, through one control plane
    Simulate(simulate::Simulate),
    #[command(hide = true)]
    Work(instructions::Work),
    #[command(hide = true)]
    Limit(subject::Limit),
    #[command(hide = true)]
    Paint(paint::Paint),
    #[command(hide = true)]
    Repaint(repaint::Repaint),
    #[command(hide = true)]
    Flip(flip::Flip),
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    match Arguments::parse().what {
        What::Figures(measure) => measure.run().await,
        What::Instructions(check) => check.run().await,
        What::Work(work) => work.run(),
        What::DockerStart(measure) => measure.run().await,
        What::ReadAgents(measure) => measure.run().await,
        What::Scale(measure) => measure.run().await,
        What::Simulate(measure) => measure.run().await,
        What::Limit(server) => server.run().await,
        What::Paint(program) => program.run(),
        What::Repaint(program) => program.run(),
        What::Flip(program) => program.run(),
    }
}

/// The value in the middle.
fn median(values: Vec<f64>) -> f64 {
    percentile(values, 0.5)
}

/// The value that this share of all is below.
fn percentile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index"
    )]
    let index = (values.len() as f64 * share) as usize;
    values.get(index.min(values.len().saturating_sub(1))).copied().unwrap_or_default()
}
