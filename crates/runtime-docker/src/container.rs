//! What the engine is asked for: a launch and the operator's choices become a container. A pure function.

use std::collections::HashMap;

use bollard::models::{
    ContainerCreateBody, HostConfig, HostConfigLogConfig, Mount as EngineMount, MountType, MountVolumeOptions,
};
use parallax_api::{AgentId, Problem};
use parallax_profile::{Launch, MountSource};

use crate::config::Credential;
use crate::ownership::User;

/// Labels of what this runtime makes.
pub(crate) mod label {
    /// The agent of a container.
    pub(crate) const AGENT: &str = "io.parallax.agent";
    /// Its name, for people.
    pub(crate) const NAME: &str = "io.parallax.name";
    /// Its type.
    pub(crate) const TYPE: &str = "io.parallax.type";
    /// The server that it belongs to.
    pub(crate) const SERVER: &str = "io.parallax.server";
    /// Where that server is.
    pub(crate) const OWNER: &str = "io.parallax.owner";
    /// What servers share: `host` (the volume with the host's program), `network`.
    pub(crate) const SHARED: &str = "io.parallax.shared";
}

/// Where the volume with the host's program is mounted.
pub(crate) const PROGRAM_DIR: &str = "/opt/parallax";
/// The host's program in it.
pub(crate) const PROGRAM: &str = "/opt/parallax/parallax-agent-host";
/// Where the agent's own volume is mounted.
pub(crate) const OWN_DIR: &str = "/agent";
/// The host's directory in it: what it remembers.
pub(crate) const HOST_DIR: &str = "/agent/host";
/// The home in it, for an agent whose image has none or that gets credentials.
pub(crate) const HOME_DIR: &str = "/agent/home";
/// Where the agent works. A workdir that is mounted is mounted there.
pub(crate) const WORKDIR: &str = "/agent/workspace";
/// The port of a host.
pub(crate) const PORT: u16 = 3110;

/// The least that can be asked for: the kernel counts in milliseconds of a tenth of a second.
const LEAST_NANO_CPUS: u64 = 10_000_000;
/// What an agent may use that was not told: two CPUs …
const DEFAULT_NANO_CPUS: u64 = 2_000_000_000;
/// … 2 GiB of memory …
const DEFAULT_MEMORY: u64 = 2 << 30;
/// … 512 processes and threads.
const DEFAULT_PIDS: u32 = 512;
/// Where programs put temporary files when the rest is read-only.
const TMP_OPTIONS: &str = "rw,nosuid,nodev,mode=1777,size=256m";
/// What the engine keeps of what a host says of itself.
const LOG_SIZE: &str = "1m";

/// Everything about a container that its launch does not say.
#[derive(Clone, Debug)]
pub(crate) struct Circumstances<'a> {
    /// The agent.
    pub(crate) id: &'a AgentId,
    /// The image.
    pub(crate) image: &'a str,
    /// Who the agent is.
    pub(crate) user: User,
    /// The network, as the engine calls it.
    pub(crate) network: &'a str,
    /// The volume with the host's program.
    pub(crate) host_volume: &'a str,
    /// The labels that make it this server's.
    pub(crate) server: &'a str,
    /// Where this server is.
    pub(crate) owner: &'a str,
    /// Directories and volumes with credentials for its type.
    pub(crate) credentials: &'a [Credential],
    /// Nothing but its volumes may be written.
    pub(crate) read_only: bool,
    /// The engine's CPUs, in billionths: nobody can have more.
    pub(crate) engine_nano_cpus: u64,
}

/// The name of an agent's container.
pub(crate) fn name(id: &AgentId) -> String {
    format!("parallax-{id}")
}

/// The container of a launch.
///
/// # Errors
/// `VALIDATION_ERROR` for more CPUs than the engine has, and amounts that are none.
pub(crate) fn body(launch: &Launch, around: &Circumstances<'_>) -> Result<ContainerCreateBody, Problem> {
    Ok(ContainerCreateBody {
        image: Some(around.image.to_owned()),
        user: Some(around.user.to_string()),
        entrypoint: Some(vec![PROGRAM.into()]),
        cmd: Some(command(around)),
        // The agent's variables hold secrets. They go in with the launch, where nobody can look them up afterwards.
        env: around.is_at_home_elsewhere().then(|| vec![format!("HOME={HOME_DIR}")]),
        working_dir: Some("/".into()),
        // The image's may be one that the host does not know.
        stop_signal: Some("SIGTERM".into()),
        labels: Some(labels(launch, around)),
        open_stdin: Some(true),
        stdin_once: Some(true),
        attach_stdin: Some(true),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        host_config: Some(host_config(launch, around)?),
        ..ContainerCreateBody::default()
    })
}

impl Circumstances<'_> {
    fn is_at_home_elsewhere(&self) -> bool {
        !self.credentials.is_empty()
    }
}

fn command(around: &Circumstances<'_>) -> Vec<String> {
    let mut command = vec!["serve".to_owned(), "--dir".into(), HOST_DIR.into(), "--contained".into()];
    if around.network != "none" {
        command.extend(["--listen".into(), format!("0.0.0.0:{PORT}")]);
    }
    command
}

fn labels(launch: &Launch, around: &Circumstances<'_>) -> HashMap<String, String> {
    let labels = [
        (label::AGENT, around.id.as_str()),
        (label::NAME, &launch.agent.name),
        (label::TYPE, &launch.agent.r#type),
        (label::SERVER, around.server),
        (label::OWNER, around.owner),
    ];
    labels.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

fn host_config(launch: &Launch, around: &Circumstances<'_>) -> Result<HostConfig, Problem> {
    let memory = launch.resources.memory_bytes()?.unwrap_or(DEFAULT_MEMORY).cast_signed();
    let pids = launch.resources.pids.unwrap_or(DEFAULT_PIDS);
    Ok(HostConfig {
        nano_cpus: Some(nano_cpus(launch, around)?.cast_signed()),
        memory: Some(memory),
        // No swap on top: what is asked for is what there is.
        memory_swap: Some(memory),
        pids_limit: Some(pids.into()),
        network_mode: Some(around.network.to_owned()),
        mounts: Some(mounts(launch, around)),
        tmpfs: around.read_only.then(|| HashMap::from([("/tmp".into(), TMP_OPTIONS.into())])),
        readonly_rootfs: Some(around.read_only),
        cap_drop: Some(vec!["ALL".into()]),
        security_opt: Some(vec!["no-new-privileges:true".into()]),
        privileged: Some(false),
        log_config: Some(HostConfigLogConfig {
            typ: Some("json-file".into()),
            config: Some(HashMap::from([
                ("max-size".into(), LOG_SIZE.into()),
                ("max-file".into(), "1".into()),
            ])),
        }),
        ..HostConfig::default()
    })
}

fn nano_cpus(launch: &Launch, around: &Circumstances<'_>) -> Result<u64, Problem> {
    let most = around.engine_nano_cpus;
    match launch.resources.nano_cpus()? {
        None => Ok(DEFAULT_NANO_CPUS.min(most)),
        Some(asked) if (LEAST_NANO_CPUS..=most).contains(&asked) => Ok(asked),
        Some(_) => Err(Problem::invalid(
            "resources.cpu",
            format!("the Docker engine gives 0.01 to {} CPUs", most / 1_000_000_000),
        )),
    }
}

fn mounts(launch: &Launch, around: &Circumstances<'_>) -> Vec<EngineMount> {
    let workdir = launch.mount.as_ref().map(|mount| mounted(&mount.source, WORKDIR, mount.read_only));
    let program = EngineMount {
        // Nothing of the image is to be copied into it.
        volume_options: Some(MountVolumeOptions { no_copy: Some(true), ..MountVolumeOptions::default() }),
        ..mounted(&MountSource::Volume(around.host_volume.into()), PROGRAM_DIR, true)
    };
    let credentials = around
        .credentials
        .iter()
        .map(|credential| mounted(&credential.source, &credential.path(), credential.read_only));
    [program, own_volume(around)].into_iter().chain(workdir).chain(credentials).collect()
}

/// A volume without a name: the engine removes it with its container.
fn own_volume(around: &Circumstances<'_>) -> EngineMount {
    let labels =
        [(label::AGENT, around.id.as_str()), (label::SERVER, around.server), (label::OWNER, around.owner)];
    let labels = Some(labels.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect());
    EngineMount {
        target: Some(OWN_DIR.into()),
        typ: Some(MountType::VOLUME),
        volume_options: Some(MountVolumeOptions { labels, ..MountVolumeOptions::default() }),
        ..EngineMount::default()
    }
}

fn mounted(source: &MountSource, target: &str, read_only: bool) -> EngineMount {
    let (typ, source) = match source {
        MountSource::Directory(path) => (MountType::BIND, path.to_string_lossy().into_owned()),
        MountSource::Volume(name) => (MountType::VOLUME, name.clone()),
    };
    EngineMount {
        target: Some(target.into()),
        source: Some(source),
        typ: Some(typ),
        read_only: Some(read_only),
        ..EngineMount::default()
    }
}

#[cfg(test)]
pub(crate) mod tests;
