//! What a host of a pool waits for: an agent whose request says nothing but its type and class.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, anyhow, ensure};
use parallax_api::{Agent, AgentId, SpawnRequest, Time};
use parallax_profile::Launch;

use super::spec::PoolSpec;
use crate::RuntimeConfig;

/// The template and the size of each pool of a configuration; `workdir` is where agents work that name no place.
///
/// # Errors
/// When there is no such type or class, a size makes no sense, or two pools are for one type and class.
pub fn templates(
    config: &RuntimeConfig,
    pools: &[PoolSpec],
    workdir: &Path,
) -> anyhow::Result<Vec<(Launch, usize)>> {
    let mut kinds = BTreeSet::new();
    let one = |spec: &PoolSpec| {
        let made = spec.check().and_then(|()| template(config, spec, workdir)).and_then(|template| {
            let kind = (template.agent.r#type.clone(), template.agent.class.clone());
            ensure!(kinds.insert(kind), "there is another one of its type and class");
            Ok((template, spec.size))
        });
        made.with_context(|| format!("the pool for `{}`", spec.r#type))
    };
    pools.iter().map(one).collect()
}

fn template(config: &RuntimeConfig, spec: &PoolSpec, workdir: &Path) -> anyhow::Result<Launch> {
    let profile = config.profiles.get(&spec.r#type).context("there is no profile for it")?;
    let mut request = SpawnRequest {
        name: "pool".into(),
        r#type: spec.r#type.clone(),
        class: spec.class.clone(),
        ..SpawnRequest::default()
    };
    config.policy.admit(&mut request).map_err(|problem| anyhow!(problem.detail))?;
    let now = Time::now();
    let agent = Agent {
        class: request.class,
        ..Agent::new(AgentId::generate(), request.name, request.r#type, config.name.clone(), now)
    };
    let resources = request.resources.unwrap_or_default();
    Ok(Launch { resources, ..Launch::new(agent, profile.as_ref().clone(), workdir.to_owned()) })
}
