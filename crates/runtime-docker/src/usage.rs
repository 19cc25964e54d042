//! The resources that an agent uses, as the engine measures them.

use bollard::models::ContainerStatsResponse;
use bollard::query_parameters::StatsOptionsBuilder;
use futures::StreamExt;
use parallax_api::{AgentId, Problem};
use parallax_runtime_core::Usage;

use crate::context::Context;
use crate::engine;
use crate::layout::container_name;

/// The resources that an agent's container uses.
pub(crate) async fn usage(context: &Context, id: &AgentId) -> Result<Usage, Problem> {
    // One shot: otherwise the engine waits a second to compare.
    let options = StatsOptionsBuilder::default().stream(false).one_shot(true).build();
    let container = container_name(id);
    let mut stats = std::pin::pin!(context.docker()?.stats(&container, Some(options)));
    match stats.next().await {
        Some(Ok(stats)) => Ok(measured(&stats)),
        Some(Err(error)) if engine::is_missing(&error) => Err(Problem::no_agent(id)),
        Some(Err(error)) => Err(engine::problem("measure the agent", &error)),
        None => Err(Problem::no_agent(id)),
    }
}

/// Memory is counted as `docker stats` does: without the part of the page cache that can be given back at once.
#[expect(clippy::cast_precision_loss, reason = "nanoseconds of a hundred days fit into 53 bits")]
fn measured(stats: &ContainerStatsResponse) -> Usage {
    let cpu = stats.cpu_stats.as_ref().and_then(|cpu| cpu.cpu_usage.as_ref()?.total_usage).unwrap_or(0);
    let memory = stats.memory_stats.as_ref();
    let used = memory.and_then(|memory| memory.usage).unwrap_or(0);
    let cached = memory.and_then(|memory| {
        let stats = memory.stats.as_ref()?;
        // Version 1 of control groups, then version 2.
        stats.get("total_inactive_file").or_else(|| stats.get("inactive_file")).copied()
    });
    let processes = stats.pids_stats.as_ref().and_then(|pids| pids.current).unwrap_or(0);
    Usage {
        cpu_seconds: cpu as f64 / 1e9,
        memory_bytes: used.saturating_sub(cached.unwrap_or(0)),
        processes: u32::try_from(processes).unwrap_or(u32::MAX),
    }
}
