//! Reading agents through a running control plane (or a runtime): one agent over many connections, and the list.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use parallax_api::client::{Client, ListFilter};

use crate::median;

/// Lists that are measured.
const LISTS: usize = 200;

/// What to measure.
#[derive(Args)]
pub(crate) struct ReadAgents {
    /// Where the control plane answers
    #[arg(long, default_value = "http://127.0.0.1:3000")]
    url: String,
    /// Connections that ask for one agent at once
    #[arg(long, default_value_t = 50)]
    connections: usize,
    /// How long they ask
    #[arg(long, default_value_t = 3)]
    seconds: u64,
}

impl ReadAgents {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let client = Client::control_plane(&self.url, None)?;
        let agents = client.list_all(&ListFilter::default()).await?;
        let agent = agents.first().context("spawn an agent first")?.id.clone();
        let (read, until) = (Arc::new(AtomicU64::new(0)), Instant::now() + Duration::from_secs(self.seconds));
        let mut readers = tokio::task::JoinSet::new();
        for _ in 0..self.connections {
            let (client, agent, read) = (client.clone(), agent.clone(), read.clone());
            readers.spawn(async move {
                while Instant::now() < until {
                    client.get(&agent).await?;
                    read.fetch_add(1, Ordering::Relaxed);
                }
                anyhow::Ok(())
            });
        }
        while let Some(reader) = readers.join_next().await {
            reader??;
        }
        println!(
            "one agent, {} connections: {} a second",
            self.connections,
            read.load(Ordering::Relaxed) / self.seconds
        );
        let mut lists = Vec::with_capacity(LISTS);
        for _ in 0..LISTS {
            let began = Instant::now();
            client.list_all(&ListFilter::default()).await?;
            lists.push(began.elapsed().as_secs_f64() * 1000.0);
        }
        println!("list of {} agents: {:.2} ms (median of {LISTS})", agents.len(), median(lists));
        Ok(())
    }
}
