//! Reading agents: one over many connections, and the list: as its bytes come, and as a client has it. Ours only.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parallax_api::client::{Client, ListFilter};
use parallax_api::{AgentId, AgentStatus};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::http;
use crate::median;
use crate::report::Report;
use crate::subject::{Stack, Subject};

/// Connections that ask for one agent at once, and for how long.
const CONNECTIONS: usize = 50;
const ASKED_FOR: Duration = Duration::from_secs(3);
/// Lists that are measured, and the agents on each.
const LISTS: usize = 100;
const AGENTS: usize = 300;

pub(super) async fn measure(subjects: &[Subject], report: &mut Report) {
    let stack = subjects.iter().find_map(|subject| match subject {
        Subject::Runtime(stack) => Some((subject.name(), stack.clone())),
        _ => None,
    });
    if let Some((name, stack)) = stack {
        let done = of(&stack, subjects, report).await;
        report.note("reads", name, done);
    }
}

async fn of(stack: &Stack, subjects: &[Subject], report: &mut Report) -> anyhow::Result<()> {
    let shells = stack.shells(false, AGENTS).await?;
    // Until they have settled, agents change.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let id: AgentId = shells[0].id.parse()?;
    for subject in subjects {
        let control_plane = match subject {
            Subject::Runtime(_) => false,
            Subject::ControlPlane(_) => true,
            _ => continue,
        };
        let client = stack.client(control_plane);
        report.add("GET one agent, 50 connections, 1/s", subject, one(client, &id).await?);
        report.add(
            &format!("list of {AGENTS} agents, to its last byte, ms"),
            subject,
            bytes(stack, control_plane).await?,
        );
        report.add(&format!("list of {AGENTS} agents, parsed, ms"), subject, list(client).await?);
    }
    stack.end_all(&shells).await
}

async fn one(client: &Client, id: &AgentId) -> anyhow::Result<f64> {
    let (read, until) = (Arc::new(AtomicU64::new(0)), Instant::now() + ASKED_FOR);
    let mut readers = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (client, id, read) = (client.clone(), id.clone(), read.clone());
        readers.spawn(async move {
            while Instant::now() < until {
                client.get(&id).await?;
                read.fetch_add(1, Ordering::Relaxed);
            }
            anyhow::Ok(())
        });
    }
    while let Some(reader) = readers.join_next().await {
        reader??;
    }
    #[expect(clippy::cast_precision_loss, reason = "a count")]
    let read = read.load(Ordering::Relaxed) as f64;
    Ok(read / ASKED_FOR.as_secs_f64())
}

/// The list on a connection of its own: what servers and sockets take.
async fn bytes(stack: &Stack, control_plane: bool) -> anyhow::Result<f64> {
    let agents = if control_plane { "managed-agents" } else { "agents" };
    let path = format!("/api/{agents}?status=ready&limit={AGENTS}");
    let mut times = Vec::with_capacity(LISTS);
    for _ in 0..LISTS {
        let began = Instant::now();
        let listed = http::text(stack.address(control_plane), "GET", &path, None).await?;
        times.push(began.elapsed().as_secs_f64() * 1000.0);
        let listed: Value = serde_json::from_str(&listed)?;
        let listed = listed["agents"].as_array().map_or(0, Vec::len);
        anyhow::ensure!(listed == AGENTS, "{listed} agents were listed");
    }
    Ok(median(times))
}

async fn list(client: &Client) -> anyhow::Result<f64> {
    let mut times = Vec::with_capacity(LISTS);
    // Not those of the figures before, which have ended and can still be read.
    let filter =
        ListFilter { status: Some(AgentStatus::Ready), limit: Some(AGENTS), ..ListFilter::default() };
    for _ in 0..LISTS {
        let began = Instant::now();
        let listed = client.list_all(&filter).await?.len();
        times.push(began.elapsed().as_secs_f64() * 1000.0);
        anyhow::ensure!(listed == AGENTS, "{listed} agents were listed");
    }
    Ok(median(times))
}
