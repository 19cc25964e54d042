//! What an operator sets for containers besides what every runtime knows.

use std::collections::BTreeMap;

use anyhow::ensure;
use clap::Args;
use parallax_profile::MountSource;
use parallax_runtime_core::args::{flags_or_file, name_and_value};
use parallax_runtime_core::policy::{Amount, Amounts, Places, PolicySection, PolicyTraits, pairs};
use serde::Deserialize;

use crate::layout::{CA_BUNDLE, OWN_DIR, PROGRAM_DIR};

/// CPUs of an agent that names none, in billionths: two …
pub(crate) const CPUS: u64 = 2_000_000_000;
/// … its memory: 2 GiB …
pub(crate) const MEMORY: u64 = 2 << 30;
/// … its disk space: 10 GiB …
pub(crate) const DISK: u64 = 10 << 30;
/// … and its processes and threads.
pub(crate) const PIDS: u32 = 512;

/// How containers take a policy.
pub(crate) const TRAITS: PolicyTraits = PolicyTraits {
    holds: &Amount::ALL,
    builtin: Amounts::new(&[
        (Amount::Cpu, CPUS),
        (Amount::Memory, MEMORY),
        (Amount::Disk, DISK),
        (Amount::Pids, PIDS as u64),
    ]),
    ca_path: Some(CA_BUNDLE),
    fills_resources: false,
};

/// What can be set for the containers of agents. In the configuration file beside the other keys of `[policy]` and
/// `[classes.NAME]`.
#[derive(Args, Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct ContainerArgs {
    /// What the engine runs agents with (`docker run --runtime`), such as runsc [default: the engine's own]
    #[arg(long, value_name = "NAME")]
    pub container_runtime: Option<String>,
    /// A directory, file or volume that every agent has at PATH, read-only with `:ro` at the end; repeatable
    #[arg(long, value_name = "SOURCE:PATH")]
    pub agent_volume: Vec<String>,
    /// A label of every agent's container; repeatable
    #[arg(long, value_name = "NAME=VALUE")]
    #[serde(deserialize_with = "pairs")]
    pub container_label: Vec<String>,
}

impl ContainerArgs {
    /// These flags, and what the configuration file says where they say nothing.
    #[must_use]
    pub fn or(self, file: Self) -> Self {
        Self {
            container_runtime: self.container_runtime.or(file.container_runtime),
            agent_volume: flags_or_file(self.agent_volume, file.agent_volume),
            container_label: flags_or_file(self.container_label, file.container_label),
        }
    }
}

/// What the containers of a class, or of agents without one, have.
#[derive(Clone, Debug, Default)]
pub(crate) struct ContainerPlace {
    /// What the engine runs them with.
    pub(crate) runtime: Option<String>,
    /// What is mounted besides.
    pub(crate) volumes: Vec<AgentVolume>,
    /// Labels.
    pub(crate) labels: BTreeMap<String, String>,
}

/// Something that is mounted into every agent's container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AgentVolume {
    pub(crate) source: MountSource,
    pub(crate) path: String,
    pub(crate) read_only: bool,
}

/// The places of a policy.
pub(crate) fn places(
    policy: &PolicySection<ContainerArgs>,
    classes: &BTreeMap<String, PolicySection<ContainerArgs>>,
) -> anyhow::Result<Places<ContainerPlace>> {
    Places::new(policy, classes, ContainerPlace::resolve)
}

impl ContainerPlace {
    fn resolve(section: &PolicySection<ContainerArgs>, base: Option<&Self>) -> anyhow::Result<Self> {
        let mut made = base.cloned().unwrap_or_default();
        let args = &section.place;
        made.runtime = args.container_runtime.clone().or(made.runtime);
        for text in &args.agent_volume {
            let volume = AgentVolume::parse(text)?;
            made.volumes.retain(|other| other.path != volume.path);
            made.volumes.push(volume);
        }
        if let Some(bundle) = &section.rules.ca_bundle {
            ensure!(
                bundle.starts_with('/'),
                "the CA bundle is a file of the engine's machine, not `{bundle}`"
            );
            made.volumes.retain(|other| other.path != CA_BUNDLE);
            let source = MountSource::Directory(bundle.into());
            made.volumes.push(AgentVolume { source, path: CA_BUNDLE.into(), read_only: true });
        }
        for text in &args.container_label {
            let (name, value) = name_and_value("--container-label", text)?;
            ensure!(!name.starts_with("io.parallax."), "the label `{name}` is this runtime's own");
            made.labels.insert(name, value);
        }
        Ok(made)
    }
}

impl AgentVolume {
    /// `SOURCE:PATH`, with `:ro` at the end for reading alone.
    fn parse(text: &str) -> anyhow::Result<Self> {
        let (rest, read_only) = text.strip_suffix(":ro").map_or((text, false), |rest| (rest, true));
        let (source, path) = rest.split_once(':').unwrap_or_default();
        let is_whole =
            path.starts_with('/') && !path.contains(':') && path.split('/').all(|part| part != "..");
        ensure!(
            !source.is_empty() && is_whole && !path.trim_matches('/').is_empty(),
            "a volume of agents is SOURCE:PATH or SOURCE:PATH:ro, with a whole path, not `{text}`"
        );
        let path = path.trim_end_matches('/').to_owned();
        let covers = |own: &str| {
            own == path || path.starts_with(&format!("{own}/")) || own.starts_with(&format!("{path}/"))
        };
        ensure!(
            ![OWN_DIR, PROGRAM_DIR].into_iter().any(covers),
            "{OWN_DIR} and {PROGRAM_DIR} are the agent's own and its host's: mount `{source}` elsewhere"
        );
        let source = match source.starts_with('/') {
            true => MountSource::Directory(source.into()),
            false => MountSource::Volume(source.into()),
        };
        Ok(Self { source, path, read_only })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volumes_of_agents_leave_their_own_places_alone() {
        let volume = |text: &str| AgentVolume::parse(text).ok().map(|volume| (volume.path, volume.read_only));
        assert_eq!(volume("/srv/models:/models:ro"), Some(("/models".into(), true)));
        assert_eq!(volume("cache:/var/cache/x/"), Some(("/var/cache/x".into(), false)));
        for bad in [
            "cache",
            "cache:x",
            ":/x",
            "cache:/",
            "cache:/../x",
            "a:/b:/c",
            "a:/agent",
            "a:/agent/home",
            "a:/opt",
        ] {
            assert_eq!(volume(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_class_adds_to_the_policy() {
        let section = |args: ContainerArgs| PolicySection { place: args, ..PolicySection::default() };
        let base = section(ContainerArgs {
            container_runtime: Some("runc".into()),
            agent_volume: vec!["cache:/cache".into()],
            container_label: vec!["team=blue".into()],
        });
        let untrusted = section(ContainerArgs {
            container_runtime: Some("runsc".into()),
            agent_volume: vec!["empty:/cache:ro".into()],
            ..ContainerArgs::default()
        });
        let places = places(&base, &[("untrusted".to_owned(), untrusted)].into()).unwrap();
        let place = places.get(Some("untrusted"));
        assert_eq!((place.runtime.as_deref(), place.volumes.len()), (Some("runsc"), 1));
        assert!(place.volumes[0].read_only && place.labels["team"] == "blue");
        assert_eq!(places.get(None).runtime.as_deref(), Some("runc"));
        let bad = section(ContainerArgs {
            container_label: vec!["io.parallax.agent=x".into()],
            ..ContainerArgs::default()
        });
        assert!(ContainerPlace::resolve(&bad, None).is_err());
    }
}
