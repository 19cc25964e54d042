//! How a container is laid out: labels, paths, the port and the names of what this runtime makes.

use std::collections::HashMap;

use parallax_api::AgentId;

/// Labels of the objects that this runtime makes.
pub(crate) mod label {
    /// The agent of a container.
    pub(crate) const AGENT: &str = "io.parallax.agent";
    /// `true`: made for the warm pool. The agent of a claimed one stands in its name, as labels cannot change.
    pub(crate) const POOL: &str = "io.parallax.pool";
    /// Its name, for people.
    pub(crate) const NAME: &str = "io.parallax.name";
    /// Before the keys of the agent's own labels.
    pub(crate) const PREFIX: &str = "io.parallax.label.";
    /// Its type.
    pub(crate) const TYPE: &str = "io.parallax.type";
    /// The server that an object belongs to.
    pub(crate) const SERVER: &str = "io.parallax.server";
    /// The machine and state directory of that server.
    pub(crate) const OWNER: &str = "io.parallax.owner";
    /// The agent whose workspace is on a volume.
    pub(crate) const WORKSPACE: &str = "io.parallax.workspace";
    /// The image and the user of that agent: what git is run with there when it is gone.
    pub(crate) const IMAGE: &str = "io.parallax.image";
    pub(crate) const USER: &str = "io.parallax.user";
    /// `true`: a volume that agents may work in.
    pub(crate) const WORKDIR: &str = "io.parallax.workdir";
    /// `server`: set by the image of the servers.
    pub(crate) const COMPONENT: &str = "io.parallax.component";
    /// Set on what servers share: `host` (the volume with the host's program), `network`.
    pub(crate) const SHARED: &str = "io.parallax.shared";
}

/// Where the volume with the host's program is mounted.
pub(crate) const PROGRAM_DIR: &str = "/opt/parallax";
/// The host's program in it.
pub(crate) const PROGRAM: &str = "/opt/parallax/parallax-agent-host";
/// Where the operator's CA bundle is.
pub(crate) const CA_BUNDLE: &str = "/etc/parallax/ca-bundle.crt";
/// Where the agent's own volume is mounted.
pub(crate) const OWN_DIR: &str = "/agent";
/// The host's directory in it.
pub(crate) const HOST_DIR: &str = "/agent/host";
/// The home in it, for an agent whose image has none or that gets credentials.
pub(crate) const HOME_DIR: &str = "/agent/home";
/// Where the agent works, and where its workdir is mounted.
pub(crate) const WORKDIR: &str = "/agent/workspace";
/// The port of a host.
pub(crate) const PORT: u16 = 3110;

/// How the names of volumes with the host program begin.
pub(crate) const HOST_VOLUME_PREFIX: &str = "parallax-host-";

/// The name of the volume with the workspace of an agent.
pub(crate) fn workspace_volume(id: &AgentId) -> String {
    format!("parallax-workspace-{id}")
}

/// The name of an agent's container.
pub(crate) fn container_name(id: &AgentId) -> String {
    format!("parallax-{id}")
}

/// The agent that a container is named after, as the engine lists it.
fn named_after(listed: &str) -> Option<&str> {
    listed.trim_start_matches('/').strip_prefix("parallax-")
}

/// The agent of a container with these labels and names. One of the pool has the labels that it was made with: only its name says whose
/// it has become, if anybody's.
pub(crate) fn agent_of<'a>(
    labels: &HashMap<String, String>,
    names: impl IntoIterator<Item = &'a str>,
) -> Option<AgentId> {
    let id = match labels.contains_key(label::POOL) {
        true => names.into_iter().find_map(named_after),
        false => labels.get(label::AGENT).map(String::as_str),
    };
    id?.parse().ok()
}
