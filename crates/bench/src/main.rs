//! Measurements, beside peers where they are installed. Never shipped, and no test: run one by hand on a quiet machine.

mod docker_start;
mod read_agents;

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
    /// From a spawn request to the first output, beside `docker run` of the same image
    DockerStart(docker_start::DockerStart),
    /// Reads of one agent over many connections, and of the list, at a running control plane
    ReadAgents(read_agents::ReadAgents),
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    match Arguments::parse().what {
        What::DockerStart(measure) => measure.run().await,
        What::ReadAgents(measure) => measure.run().await,
    }
}

/// The value in the middle.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
