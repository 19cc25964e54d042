//! How long a container takes to say something: as an agent, and by `docker run`.

use std::time::Instant;

use anyhow::{Context, ensure};
use clap::Args;
use parallax_api::agent::StopRequest;
use parallax_api::client::Client;
use parallax_api::{SpawnRequest, Time};
use tokio::io::AsyncReadExt;
use tokio::process::Command;

/// A pair of both, as often as asked, one after the other: the machine is the same for both.
#[derive(Args)]
pub struct DockerStart {
    /// The Docker runtime, with a type `shell`
    #[arg(long, default_value = "http://127.0.0.1:3100")]
    url: String,
    /// An image with bash
    #[arg(long, default_value = "debian:bookworm-slim")]
    image: String,
    /// Pairs that are counted, after two that are not
    #[arg(long, default_value_t = 10)]
    pairs: usize,
}

/// Pairs that warm everything up.
const WARM_UP: usize = 2;

impl DockerStart {
    /// Measures and prints medians.
    pub async fn run(&self) -> anyhow::Result<()> {
        let client = Client::runtime(&self.url, None)?;
        let mut pairs = Vec::new();
        for _ in 0..WARM_UP + self.pairs {
            pairs.push((self.agent(&client).await?, self.docker_run().await?));
        }
        let pairs = &pairs[WARM_UP..];
        println!(
            "agent {:.3} s, docker run {:.3} s, ratio {:.2} (medians of {})",
            crate::median(pairs.iter().map(|(agent, _)| *agent).collect()),
            crate::median(pairs.iter().map(|(_, docker)| *docker).collect()),
            crate::median(pairs.iter().map(|(agent, docker)| agent / docker).collect()),
            pairs.len()
        );
        Ok(())
    }

    /// Seconds from the request to the first output, by the host's clock, which is this machine's.
    async fn agent(&self, client: &Client) -> anyhow::Result<f64> {
        let request = SpawnRequest {
            name: "measured".into(),
            r#type: "shell".into(),
            image: Some(self.image.clone()),
            ..SpawnRequest::default()
        };
        let began = Time::now();
        let agent = client.spawn(&request).await?;
        client.stop(&agent.id, &StopRequest { force: true, ..StopRequest::default() }).await?;
        let first = agent.last_activity_at.context("the agent said nothing before it was spawned")?;
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of one start")]
        let millis = (first.as_millis() - began.as_millis()) as f64;
        Ok(millis / 1000.0)
    }

    async fn docker_run(&self) -> anyhow::Result<f64> {
        let began = Instant::now();
        let mut child = Command::new("docker")
            .args(["run", "--rm", &self.image, "bash", "-c", "echo x"])
            .stdout(std::process::Stdio::piped())
            .spawn()
            .context("failed to run docker")?;
        let mut first = [0];
        let mut output = child.stdout.take().context("it has an output")?;
        ensure!(output.read(&mut first).await? == 1, "docker run said nothing");
        let took = began.elapsed().as_secs_f64();
        child.wait().await?;
        Ok(took)
    }
}
