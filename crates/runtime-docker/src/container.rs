//! The container of an agent: made from its launch and the operator's configuration. A pure function.

use std::collections::HashMap;

use bollard::models::{
    ContainerCreateBody, HostConfig, HostConfigLogConfig, Mount as EngineMount, MountType, MountVolumeOptions,
};
use parallax_api::{AgentId, Problem};
use parallax_profile::{Launch, MountSource};

use crate::credentials::Credential;
use crate::layout::{HOME_DIR, HOST_DIR, OWN_DIR, PORT, PROGRAM, PROGRAM_DIR, WORKDIR, label};
use crate::policy::{CPUS, ContainerPlace, MEMORY, PIDS};
use crate::user::User;

/// The smallest CPU limit: the kernel accounts a millisecond of each tenth of a second.
const MIN_NANO_CPUS: u64 = 10_000_000;
/// Where programs put temporary files when the rest is read-only.
const TMP_OPTIONS: &str = "rw,nosuid,nodev,mode=1777,size=256m";
/// How much the engine keeps of the host's own output.
const LOG_SIZE: &str = "1m";

/// The parameters of a container that are not in its launch.
#[derive(Clone, Debug)]
pub(crate) struct ContainerParams<'a> {
    /// The agent.
    pub(crate) id: &'a AgentId,
    /// It waits for an agent, and `id` is nobody's.
    pub(crate) is_pooled: bool,
    /// The image.
    pub(crate) image: &'a str,
    /// The user of the agent.
    pub(crate) user: User,
    /// The network, as the engine calls it.
    pub(crate) network: &'a str,
    /// The volume with the host's program.
    pub(crate) host_volume: &'a str,
    /// The server's name, for the label.
    pub(crate) server: &'a str,
    /// The server's machine and state directory, for the label.
    pub(crate) owner: &'a str,
    /// Directories and volumes with credentials for its type.
    pub(crate) credentials: &'a [Credential],
    /// Nothing but its volumes may be written.
    pub(crate) read_only: bool,
    /// What the operator set for its class.
    pub(crate) place: &'a ContainerPlace,
    /// The engine's driver limits what is written outside of volumes, to so many bytes.
    pub(crate) storage_limit: Option<u64>,
    /// The engine's CPUs, in billionths: the upper limit.
    pub(crate) engine_nano_cpus: u64,
}

/// The container of a launch.
///
/// # Errors
/// `VALIDATION_ERROR` for more CPUs than the engine has, and amounts that are none.
pub(crate) fn body(launch: &Launch, params: &ContainerParams<'_>) -> Result<ContainerCreateBody, Problem> {
    Ok(ContainerCreateBody {
        image: Some(params.image.to_owned()),
        user: Some(params.user.to_string()),
        entrypoint: Some(vec![PROGRAM.into()]),
        cmd: Some(command(params)),
        // The agent's variables hold secrets. They go in with the launch, which `docker inspect` does not show.
        env: params.has_own_home().then(|| vec![format!("HOME={HOME_DIR}")]),
        working_dir: Some("/".into()),
        // The image's own may be a signal that the host does not handle.
        stop_signal: Some("SIGTERM".into()),
        labels: Some(labels(launch, params)),
        open_stdin: Some(true),
        stdin_once: Some(true),
        attach_stdin: Some(true),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        host_config: Some(host_config(launch, params)?),
        ..ContainerCreateBody::default()
    })
}

impl ContainerParams<'_> {
    fn has_own_home(&self) -> bool {
        !self.credentials.is_empty()
    }
}

fn command(params: &ContainerParams<'_>) -> Vec<String> {
    let mut command = vec!["serve".to_owned(), "--dir".into(), HOST_DIR.into(), "--contained".into()];
    if params.network != "none" {
        command.extend(["--listen".into(), format!("0.0.0.0:{PORT}")]);
    }
    command
}

fn labels(launch: &Launch, params: &ContainerParams<'_>) -> HashMap<String, String> {
    let labels = [
        (label::AGENT, params.id.as_str()),
        (label::NAME, &launch.agent.name),
        (label::TYPE, &launch.agent.r#type),
        (label::SERVER, params.server),
        (label::OWNER, params.owner),
    ];
    let pool = params.is_pooled.then_some((label::POOL, "true"));
    let ours = labels.into_iter().chain(pool).map(|(key, value)| (key.to_owned(), value.to_owned()));
    // Under a prefix: none stands in the place of one of ours.
    let own =
        launch.agent.labels.iter().map(|(key, value)| (format!("{}{key}", label::PREFIX), value.clone()));
    let set = params.place.labels.iter().map(|(key, value)| (key.clone(), value.clone()));
    own.chain(set).chain(ours).collect()
}

fn host_config(launch: &Launch, params: &ContainerParams<'_>) -> Result<HostConfig, Problem> {
    let memory = launch.resources.memory_bytes()?.unwrap_or(MEMORY).cast_signed();
    let pids = launch.resources.pids.unwrap_or(PIDS);
    Ok(HostConfig {
        nano_cpus: Some(nano_cpus(launch, params)?.cast_signed()),
        memory: Some(memory),
        // The same value for both: no swap.
        memory_swap: Some(memory),
        pids_limit: Some(pids.into()),
        storage_opt: params.storage_limit.map(|bytes| HashMap::from([("size".into(), bytes.to_string())])),
        runtime: params.place.runtime.clone(),
        network_mode: Some(params.network.to_owned()),
        mounts: Some(mounts(launch, params)),
        tmpfs: params.read_only.then(|| HashMap::from([("/tmp".into(), TMP_OPTIONS.into())])),
        readonly_rootfs: Some(params.read_only),
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

fn nano_cpus(launch: &Launch, params: &ContainerParams<'_>) -> Result<u64, Problem> {
    let most = params.engine_nano_cpus;
    match launch.resources.nano_cpus()? {
        None => Ok(CPUS.min(most)),
        Some(asked) if (MIN_NANO_CPUS..=most).contains(&asked) => Ok(asked),
        Some(_) => Err(Problem::invalid(
            "resources.cpu",
            format!("the Docker engine gives 0.01 to {} CPUs", most / 1_000_000_000),
        )),
    }
}

fn mounts(launch: &Launch, params: &ContainerParams<'_>) -> Vec<EngineMount> {
    let workdir = launch.mount.as_ref().map(|mount| mounted(&mount.source, WORKDIR, mount.read_only));
    let program = EngineMount {
        // Otherwise the engine copies the image's files into an empty volume.
        volume_options: Some(MountVolumeOptions { no_copy: Some(true), ..MountVolumeOptions::default() }),
        ..mounted(&MountSource::Volume(params.host_volume.into()), PROGRAM_DIR, true)
    };
    let credentials = params
        .credentials
        .iter()
        .map(|credential| mounted(&credential.source, &credential.path(), credential.read_only));
    let volumes = params.place.volumes.iter();
    let volumes = volumes.map(|volume| mounted(&volume.source, &volume.path, volume.read_only));
    [program, own_volume(params)].into_iter().chain(workdir).chain(credentials).chain(volumes).collect()
}

/// An anonymous volume: the engine removes it with its container.
fn own_volume(params: &ContainerParams<'_>) -> EngineMount {
    let labels =
        [(label::AGENT, params.id.as_str()), (label::SERVER, params.server), (label::OWNER, params.owner)];
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
