//! The network of the agents: a bridge of their own, on which they do not see each other and whose egress is restricted.

use std::collections::HashMap;

use bollard::Docker;
use bollard::models::{Network as EngineNetwork, NetworkCreateRequest};
use bollard::query_parameters::ListNetworksOptionsBuilder;
use parallax_api::{Code, Problem};

use crate::egress::Egress;
use crate::engine;
use crate::layout::label;

/// The network that is made when none is chosen. One with another egress policy has a suffix.
pub(crate) const OWN: &str = "parallax-agents";

/// What an agent's container is connected to.
#[derive(Debug)]
pub(crate) enum Network {
    /// A bridge of the agents, made when there is none, whose egress is restricted.
    Own(Egress),
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
    pub(crate) fn parse(text: Option<&str>, egress: Egress) -> anyhow::Result<Self> {
        match text {
            None => Ok(Self::Own(egress)),
            Some(_) if egress.is_configured() => {
                anyhow::bail!(
                    "--egress is about the network that the runtime makes; restrict what --network names yourself"
                )
            }
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
        match self {
            Self::None => Ok("none".into()),
            Self::Own(egress) => {
                let name = format!("{OWN}{}", egress.suffix());
                let network = match oldest(docker, &name, true).await? {
                    Some(found) => found,
                    None => create(docker, &name).await?,
                };
                // Before a container is in it.
                egress.enforce(&bridge(&network)).await;
                Ok(network.id.unwrap_or(name))
            }
            Self::Named(name) => match oldest(docker, name, false).await? {
                Some(found) => Ok(found.id.unwrap_or_else(|| name.clone())),
                None => Err(Problem::new(
                    Code::SpawnFailed,
                    format!(
                        "there is no network `{name}`; make it (`docker network create {name}`), or start the runtime \
                         with another --network"
                    ),
                )),
            },
        }
    }
}

/// The name of a network's bridge on the engine's machine.
pub(crate) fn bridge(network: &EngineNetwork) -> String {
    bridge_of(network.id.as_deref().unwrap_or_default(), network.options.as_ref())
}

/// The same, by the network's id and options.
pub(crate) fn bridge_of(id: &str, options: Option<&HashMap<String, String>>) -> String {
    let option = options.and_then(|options| options.get("com.docker.network.bridge.name"));
    option.cloned().unwrap_or_else(|| format!("br-{}", id.get(..12).unwrap_or(id)))
}

/// The engine lets two networks have one name: two servers that make theirs at the same time must agree on one. `ours`: only
/// one that a server made, whose agents do not see each other.
async fn oldest(docker: &Docker, name: &str, ours: bool) -> Result<Option<EngineNetwork>, Problem> {
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
    Ok(named.min_by_key(|network| (network.created.clone(), network.id.clone())))
}

async fn create(docker: &Docker, name: &str) -> Result<EngineNetwork, Problem> {
    let request = NetworkCreateRequest {
        name: name.into(),
        driver: Some("bridge".into()),
        // The machine reaches agents, agents do not reach each other.
        options: Some(HashMap::from([("com.docker.network.bridge.enable_icc".into(), "false".into())])),
        labels: Some(HashMap::from([(label::SHARED.into(), "network".into())])),
        ..NetworkCreateRequest::default()
    };
    let made = match docker.create_network(request).await {
        Ok(made) => Some(made.id),
        // Another server made it meanwhile.
        Err(error) if engine::is_conflict(&error) => None,
        Err(error) => return Err(engine::problem("make a network for the agents", &error)),
    };
    let kept = oldest(docker, name, true).await?;
    if let Some(made) = made.filter(|made| kept.as_ref().is_some_and(|kept| kept.id.as_ref() != Some(made))) {
        // It was earlier after all. Ours has no containers.
        drop(docker.remove_network(&made).await);
    }
    kept.ok_or_else(|| Problem::internal("the network of the agents was removed as soon as it was made"))
}
