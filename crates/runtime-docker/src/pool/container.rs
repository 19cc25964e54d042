//! The containers that wait, in the engine.

use bollard::query_parameters::RemoveContainerOptionsBuilder;
use parallax_api::Problem;

use crate::context::Context;
use crate::engine;

/// How the names of waiting containers begin. No agent's container can have such a name.
pub(super) const NAME_PREFIX: &str = "parallax.pool.";

/// The name of a container that waits, as the engine lists it.
pub(crate) fn waiting_name(listed: &str) -> Option<&str> {
    let name = listed.trim_start_matches('/');
    name.starts_with(NAME_PREFIX).then_some(name)
}

/// Whether it runs.
pub(super) async fn is_running(context: &Context, name: &str) -> Result<bool, Problem> {
    match context.docker()?.inspect_container(name, None).await {
        Ok(found) => Ok(found.state.and_then(|state| state.running) == Some(true)),
        Err(error) if engine::is_missing(&error) => Ok(false),
        Err(error) => Err(engine::problem("look for the pool's container", &error)),
    }
}

/// Removes a container that waited, with its volume. What cannot be removed now the next server removes.
pub(super) async fn remove(context: &Context, name: &str) {
    let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
    let Ok(docker) = context.docker() else { return };
    if let Err(error) = docker.remove_container(name, Some(options)).await
        && !engine::is_missing(&error)
        && !engine::is_conflict(&error)
    {
        tracing::warn!(
            container = name,
            error = engine::words(&error),
            "a container of the pool cannot be removed"
        );
    }
}

#[cfg(test)]
mod tests {
    use parallax_api::AgentId;

    use super::*;
    use crate::layout::container_name;

    #[test]
    fn no_agent_has_the_name_of_a_waiting_container() {
        assert_eq!(waiting_name(&format!("/{}", container_name(&AgentId::generate()))), None);
        assert_eq!(waiting_name("/parallax.pool.x"), Some("parallax.pool.x"));
    }
}
