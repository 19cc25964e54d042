//! Claiming a container that waits, for an agent.

use bollard::query_parameters::RenameContainerOptionsBuilder;
use parallax_api::{AgentId, Problem};
use parallax_profile::Launch;
use parallax_runtime_core::pool::Start;

use super::container::{is_running, remove};
use super::slots::Waiting;
use crate::context::Context;
use crate::engine;
use crate::layout::container_name;
use crate::start::Attached;

/// A container that waits for this launch, with the agent's name; none where there is none that fits.
pub(crate) async fn claim(
    context: &Context,
    id: &AgentId,
    launch: &Launch,
    image_id: Option<&str>,
) -> Option<Attached> {
    let pool = &context.pool;
    let slot = pool.slots.iter().find(|slot| slot.fits(launch))?;
    let claimed = loop {
        let Some(borrowed) = slot.borrow() else { break None };
        let is_current = borrowed.get().image_id.as_deref() == image_id;
        let taken_over = take_over(context, id, &borrowed.get().name, is_current).await;
        let Waiting { name, attached, .. } = borrowed.keep();
        pool.claimed.notify_one();
        match taken_over {
            Ok(true) => break Some(attached),
            Ok(false) => {
                tracing::debug!(container = name, "a container of the pool has ended or is out of date");
            }
            Err(problem) => {
                tracing::warn!(container = name, %problem, "a container of the pool is lost");
            }
        }
        remove(context, &name).await;
    };
    let start = if claimed.is_some() { Start::Warm } else { Start::Cold };
    pool.metrics.count_claim(&slot.template, start);
    pool.count(slot);
    claimed
}

/// Gives a waiting container the agent's name. False: it has ended, or is of another image than the type has now.
async fn take_over(context: &Context, id: &AgentId, name: &str, is_current: bool) -> Result<bool, Problem> {
    if !is_current || !is_running(context, name).await? {
        return Ok(false);
    }
    let options = RenameContainerOptionsBuilder::default().name(&container_name(id)).build();
    let renamed = context.docker()?.rename_container(name, options).await;
    renamed.map(|()| true).map_err(|error| engine::problem("name the container", &error))
}
