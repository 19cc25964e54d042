//! The network of the agents: a bridge of their own, on which they do not see each other.

use std::collections::HashMap;

use bollard::Docker;
use bollard::models::{Network as EngineNetwork, NetworkCreateRequest};
use bollard::query_parameters::ListNetworksOptionsBuilder;
use parallax_api::{Code, Problem};

use crate::engine;
use crate::layout::label;

/// The network that is made when none is chosen.
pub(crate) const OWN: &str = "parallax-agents";

/// What an agent's container is connected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Network {
    /// The bridge of the agents, made when it is not there.
    Own,
    /// A network of the operator's.
    Named(String),
    /// Nothing.
    None,
}

impl Network {
    /// Reads `--network`.
    ///
    /// # Errors
    /// For networks that would give an agent what is not its own.
    pub(crate) fn parse(text: Option<&str>) -> anyhow::Result<Self> {
        match text {
            None => Ok(Self::Own),
            Some("none") => Ok(Self::None),
            Some("host") => {
                anyhow::bail!("--network host would give agents the ports of this machine; name a bridge")
            }
            Some(other) if other.starts_with("container:") => {
                anyhow::bail!("--network container:… would join agents to another container; name a network")
            }
            Some(name) => Ok(Self::Named(name.into())),
        }
    }

    /// Makes sure that it is there; answers what the engine calls it.
    pub(crate) async fn ensure(&self, docker: &Docker) -> Result<String, Problem> {
        let name = match self {
            Self::None => return Ok("none".into()),
            Self::Own => OWN,
            Self::Named(name) => name,
        };
        match (oldest(docker, name, *self == Self::Own).await?, self) {
            (Some(found), _) => Ok(found),
            (None, Self::Own) => create(docker).await,
            (None, _) => Err(Problem::new(
                Code::SpawnFailed,
                format!(
                    "there is no network `{name}`; make it (`docker network create {name}`), or start the runtime \
                     with another --network"
                ),
            )),
        }
    }
}

/// The engine lets two networks have one name: two servers that make theirs at the same time must agree on one. `ours`: only
/// one that a server made, whose agents do not see each other.
async fn oldest(docker: &Docker, name: &str, ours: bool) -> Result<Option<String>, Problem> {
    let options =
        ListNetworksOptionsBuilder::default().filters(&HashMap::from([("name", vec![name])])).build();
    let found = docker.list_networks(Some(options)).await;
    let found = found.map_err(|error| engine::problem("look for the network", &error))?;
    // The engine's filter finds parts of names, too.
    let is_ours = |network: &EngineNetwork| {
        network.labels.as_ref().is_some_and(|labels| labels.contains_key(label::SHARED))
    };
    let named = found
        .into_iter()
        .filter(|network| network.name.as_deref() == Some(name) && (!ours || is_ours(network)));
    Ok(named
        .min_by_key(|network| (network.created.clone(), network.id.clone()))
        .and_then(|network| network.id))
}

async fn create(docker: &Docker) -> Result<String, Problem> {
    let request = NetworkCreateRequest {
        name: OWN.into(),
        driver: Some("bridge".into()),
        // Agents reach the world, the machine reaches agents, agents do not reach each other.
        options: Some(HashMap::from([("com.docker.network.bridge.enable_icc".into(), "false".into())])),
        labels: Some(HashMap::from([(label::SHARED.into(), "network".into())])),
        ..NetworkCreateRequest::default()
    };
    let made = match docker.create_network(request).await {
        Ok(made) => Some(made.id),
        // Another server was quicker.
        Err(error) if engine::is_conflict(&error) => None,
        Err(error) => return Err(engine::problem("make a network for the agents", &error)),
    };
    let kept = oldest(docker, OWN, true).await?;
    if let Some(made) = made.filter(|made| kept.as_ref().is_some_and(|kept| kept != made)) {
        // It was quicker after all. Ours has nobody on it.
        drop(docker.remove_network(&made).await);
    }
    kept.ok_or_else(|| Problem::internal("the network of the agents was removed as soon as it was made"))
}
