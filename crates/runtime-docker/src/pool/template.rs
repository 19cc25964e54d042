//! What a waiting container is made for: an agent whose request says nothing but its type and class.

use anyhow::{Context, anyhow};
use parallax_api::{Agent, AgentId, SpawnRequest, Time};
use parallax_profile::Launch;

use super::spec::PoolSpec;
use crate::config::DockerConfig;
use crate::layout::WORKDIR;

/// The template and the size of each pool of the configuration.
///
/// # Errors
/// When there is no such type or class, or a size makes no sense.
pub(crate) fn all(config: &DockerConfig) -> anyhow::Result<Vec<(Launch, usize)>> {
    let one = |spec: &PoolSpec| {
        let made = spec.check().and_then(|()| template(config, spec));
        made.map(|template| (template, spec.size)).with_context(|| format!("the pool for `{}`", spec.r#type))
    };
    config.pool.iter().map(one).collect()
}

fn template(config: &DockerConfig, spec: &PoolSpec) -> anyhow::Result<Launch> {
    let runtime = &config.runtime;
    let profile = runtime.profiles.get(&spec.r#type).context("there is no profile for it")?;
    let mut request = SpawnRequest {
        name: "pool".into(),
        r#type: spec.r#type.clone(),
        class: spec.class.clone(),
        ..SpawnRequest::default()
    };
    runtime.policy.admit(&mut request).map_err(|problem| anyhow!(problem.detail))?;
    let now = Time::now();
    Ok(Launch {
        agent: Agent {
            class: request.class,
            ..Agent::new(AgentId::generate(), request.name, request.r#type, runtime.name.clone(), now)
        },
        profile: profile.as_ref().clone(),
        args: Vec::new(),
        approvals: Default::default(),
        prompt: None,
        setup: None,
        env: Default::default(),
        workdir: WORKDIR.into(),
        mount: None,
        terminal: Default::default(),
        idle_timeout_seconds: None,
        max_lifetime_seconds: None,
        stall_seconds: None,
        image: None,
        resources: request.resources.unwrap_or_default(),
        log_limit: 0,
        token: None,
    })
}
