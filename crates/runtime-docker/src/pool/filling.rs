//! Keeping the pools full.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bollard::query_parameters::ListContainersOptionsBuilder;
use futures::future::join_all;
use parallax_api::{AgentId, Problem};
use parallax_profile::Launch;

use super::container::{NAME_PREFIX, is_running, remove, waiting_name};
use super::slots::{Slot, Waiting};
use crate::context::Context;
use crate::layout::label;
use crate::{engine, launch, start};

/// How often the pool is looked after when nothing is claimed: containers end, images are built anew.
const CHECK_INTERVAL: Duration = Duration::from_secs(30);
/// How long after a failure it is tried again.
const RETRY_INTERVAL: Duration = Duration::from_secs(10);

/// Keeps the pools full until it is dropped. What earlier servers left is removed first.
pub(crate) async fn keep_full(context: &Context) {
    if context.pool.slots.is_empty() {
        return;
    }
    if let Err(problem) = remove_leftovers(context).await {
        tracing::warn!(%problem, "what is left of an earlier pool cannot be removed");
    }
    loop {
        if let Err(problem) = fill(context).await {
            tracing::warn!(%problem, "the pool cannot be filled; agents start cold");
            tokio::time::sleep(RETRY_INTERVAL).await;
            continue;
        }
        // Whichever comes first.
        drop(tokio::time::timeout(CHECK_INTERVAL, context.pool.claimed.notified()).await);
    }
}

/// Makes what is missing, one after the other: an engine is slower with two starts than with one. Fails with the first that cannot be
/// made, when the other types and classes have theirs.
async fn fill(context: &Context) -> Result<(), Problem> {
    let mut filled = Ok(());
    for slot in &context.pool.slots {
        discard_dead(context, slot).await;
        context.pool.count(slot);
        filled = filled.and(fill_slot(context, slot).await);
    }
    if context.pool.drained.load(Ordering::Acquire) {
        empty(context).await;
    }
    filled
}

async fn fill_slot(context: &Context, slot: &Slot) -> Result<(), Problem> {
    while slot.count() < slot.size && !context.pool.drained.load(Ordering::Acquire) {
        let waiting = make(context, &slot.template).await?;
        slot.put(waiting);
        context.pool.count(slot);
    }
    Ok(())
}

/// Removes what waits, and fills no more. For the end of the server.
pub(crate) async fn drain(context: &Context) {
    context.pool.drained.store(true, Ordering::Release);
    empty(context).await;
    // One that was just being made.
    if !context.pool.slots.is_empty()
        && let Err(problem) = remove_leftovers(context).await
    {
        tracing::warn!(%problem, "the pool cannot be removed; the next server does it");
    }
}

async fn empty(context: &Context) {
    let mut waiting = Vec::new();
    for slot in &context.pool.slots {
        waiting.extend(std::iter::from_fn(|| slot.take()));
        context.pool.count(slot);
    }
    join_all(waiting.iter().map(|one| remove(context, &one.name))).await;
}

/// Removes containers of the pool that are not in it.
async fn remove_leftovers(context: &Context) -> Result<(), Problem> {
    let known: HashSet<String> = context.pool.slots.iter().flat_map(Slot::names).collect();
    let label = format!("{}={}", label::SERVER, context.identity.server());
    let filters = [("label", vec![label.as_str(), label::POOL])].into();
    let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
    let found = context.docker()?.list_containers(Some(options)).await;
    let found = found.map_err(|error| engine::problem("list the pool's containers", &error))?;
    let names = found.into_iter().flat_map(|container| container.names.unwrap_or_default());
    for name in names.filter_map(|name| waiting_name(&name).map(str::to_owned)) {
        if !known.contains(&name) {
            remove(context, &name).await;
        }
    }
    Ok(())
}

/// Removes those that have ended: somebody stopped them, or the engine was restarted.
async fn discard_dead(context: &Context, slot: &Slot) {
    for name in slot.names() {
        if is_running(context, &name).await != Ok(false) {
            continue;
        }
        slot.forget(&name);
        remove(context, &name).await;
    }
}

/// A container that waits, with its host started.
async fn make(context: &Context, template: &Launch) -> Result<Waiting, Problem> {
    let docker = context.docker()?;
    let id = AgentId::generate();
    let name = format!("{NAME_PREFIX}{id}");
    let image = context.images.of(template);
    let making = async {
        let inspected = launch::make_pooled(context, &name, &id, template, &image).await?;
        let attached = start::attach(docker, &name).await?;
        Ok(Waiting { name: name.clone(), image_id: inspected.id, attached })
    };
    let made = making.await;
    if made.is_err() {
        remove(context, &name).await;
    }
    made
}
