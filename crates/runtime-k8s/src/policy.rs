//! What an operator sets for pods besides what every runtime knows.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::ensure;
use clap::Args;
use k8s_openapi::api::core::v1::{
    ConfigMapVolumeSource, KeyToPath, ResourceRequirements, Toleration, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use parallax_runtime_core::args::{flags_or_file, name_and_value};
use parallax_runtime_core::policy::{Amount, Places, PolicySection, PolicyTraits, pairs};
use serde::Deserialize;

use crate::quantity;

/// Where agents find the operator's CA bundle: the directory of its volume, and the file.
const CA_DIR: &str = "/etc/parallax/ca";
const CA_FILE: &str = "/etc/parallax/ca/ca.crt";
/// The key of the ConfigMap.
const CA_KEY: &str = "ca.crt";
/// The volume.
const CA_VOLUME: &str = "parallax-ca";
/// Volumes that pods have of their own, and where they are mounted.
const OWN_VOLUMES: [&str; 5] = ["program", "launch", "workspace", "own", CA_VOLUME];
const OWN_PATHS: [&str; 6] =
    ["/opt/parallax", "/run/parallax", "/workspace", "/data", "/var/lib/parallax", CA_DIR];
/// What a pod is given of labels and annotations is not to be taken for the runtime's own.
const OWN_PREFIX: &str = "parallax.io/";

/// How pods take a policy.
pub(crate) const TRAITS: PolicyTraits = PolicyTraits {
    // The kubelet limits processes, for all pods alike.
    holds: &[Amount::Cpu, Amount::Memory, Amount::Disk, Amount::Lifetime, Amount::Idle],
    builtin: parallax_runtime_core::policy::Amounts::new(&[]),
    ca_path: Some(CA_FILE),
    // What is asked for is set aside; what is given by default is not.
    fills_resources: true,
};

/// The resources that policies limit, as pods call them.
pub(crate) const LIMITED: [(Amount, &str); 3] =
    [(Amount::Cpu, "cpu"), (Amount::Memory, "memory"), (Amount::Disk, "ephemeral-storage")];

/// What can be set for the pods of agents. In the configuration file beside the other keys of `[policy]` and
/// `[classes.NAME]`.
#[derive(Args, Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct PodArgs {
    /// The RuntimeClass of agents whose resource names none, such as gvisor
    #[arg(long, value_name = "NAME")]
    pub runtime_class: Option<String>,
    /// A label that nodes of agents must have, such as kubernetes.io/arch=arm64; repeatable
    #[arg(long, value_name = "NAME=VALUE")]
    #[serde(deserialize_with = "pairs")]
    pub node_selector: Vec<String>,
    /// The PriorityClass of agents
    #[arg(long, value_name = "NAME")]
    pub priority_class: Option<String>,
    /// A label of every agent's pod; repeatable
    #[arg(long, value_name = "NAME=VALUE")]
    #[serde(deserialize_with = "pairs")]
    pub pod_label: Vec<String>,
    /// An annotation of every agent's pod; repeatable
    #[arg(long, value_name = "NAME=VALUE")]
    #[serde(deserialize_with = "pairs")]
    pub pod_annotation: Vec<String>,
    /// What the init container sets aside, such as memory=16Mi; repeatable
    #[arg(long, value_name = "WHAT=AMOUNT")]
    #[serde(deserialize_with = "pairs")]
    pub init_request: Vec<String>,
    /// What the init container may use, such as memory=64Mi; repeatable
    #[arg(long, value_name = "WHAT=AMOUNT")]
    #[serde(deserialize_with = "pairs")]
    pub init_limit: Vec<String>,
    /// What is set aside for agents that ask for nothing.
    #[arg(skip)]
    #[serde(deserialize_with = "pairs")]
    pub set_aside: Vec<String>,
    /// What else every agent gets, such as `nvidia.com/gpu`.
    #[arg(skip)]
    #[serde(deserialize_with = "pairs")]
    pub devices: Vec<String>,
    /// Taints that agents tolerate besides, as pods have them.
    #[arg(skip)]
    pub tolerations: Vec<Toleration>,
    /// More volumes, as pods have them.
    #[arg(skip)]
    pub volumes: Vec<Volume>,
    /// Where the agent's container has them.
    #[arg(skip)]
    pub volume_mounts: Vec<VolumeMount>,
}

impl PodArgs {
    /// These flags, and what the configuration file says where they say nothing.
    #[must_use]
    pub fn or(self, file: Self) -> Self {
        Self {
            runtime_class: self.runtime_class.or(file.runtime_class),
            node_selector: flags_or_file(self.node_selector, file.node_selector),
            priority_class: self.priority_class.or(file.priority_class),
            pod_label: flags_or_file(self.pod_label, file.pod_label),
            pod_annotation: flags_or_file(self.pod_annotation, file.pod_annotation),
            init_request: flags_or_file(self.init_request, file.init_request),
            init_limit: flags_or_file(self.init_limit, file.init_limit),
            ..file
        }
    }
}

/// What the pods of a class, or of agents without one, have.
#[derive(Clone, Debug, Default)]
pub(crate) struct PodPlace {
    pub(crate) runtime_class: Option<String>,
    pub(crate) priority_class: Option<String>,
    pub(crate) node_selector: BTreeMap<String, String>,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) annotations: BTreeMap<String, String>,
    pub(crate) tolerations: Vec<Toleration>,
    pub(crate) volumes: Vec<Volume>,
    pub(crate) mounts: Vec<VolumeMount>,
    /// What is set aside for agents that ask for nothing.
    pub(crate) set_aside: BTreeMap<String, Quantity>,
    /// Extended resources.
    pub(crate) devices: BTreeMap<String, Quantity>,
    /// What the init container has.
    pub(crate) install: ResourceRequirements,
}

/// The places of a policy. `install` is what the init container has unless told otherwise.
pub(crate) fn places(
    policy: &PolicySection<PodArgs>,
    classes: &BTreeMap<String, PolicySection<PodArgs>>,
    install: &ResourceRequirements,
) -> anyhow::Result<Places<PodPlace>> {
    let base = PodPlace { install: install.clone(), ..PodPlace::default() };
    Places::new(policy, classes, |section, policy| PodPlace::resolve(section, policy.unwrap_or(&base)))
}

impl PodPlace {
    /// What a section says, over what all pods have.
    ///
    /// # Errors
    /// Names what makes no sense, or is the runtime's own.
    pub(crate) fn resolve(section: &PolicySection<PodArgs>, base: &Self) -> anyhow::Result<Self> {
        let args = &section.place;
        let mut made = base.clone();
        made.runtime_class = args.runtime_class.clone().or(made.runtime_class);
        made.priority_class = args.priority_class.clone().or(made.priority_class);
        add_texts("--node-selector", &args.node_selector, &mut made.node_selector)?;
        add_texts("--pod-label", &args.pod_label, &mut made.labels)?;
        add_texts("--pod-annotation", &args.pod_annotation, &mut made.annotations)?;
        if let Some(own) = made.labels.keys().chain(made.annotations.keys()).find(|key| is_own(key)) {
            anyhow::bail!(
                "`{own}` is the runtime's own: labels and annotations begin otherwise than {OWN_PREFIX}"
            );
        }
        add_amounts("--init-request", &args.init_request, made.install.requests.get_or_insert_default())?;
        add_amounts("--init-limit", &args.init_limit, made.install.limits.get_or_insert_default())?;
        add_amounts("set-aside", &args.set_aside, &mut made.set_aside)?;
        add_amounts("devices", &args.devices, &mut made.devices)?;
        if let Some(name) = made.devices.keys().find(|name| !name.contains('/')) {
            anyhow::bail!(
                "devices are extended resources such as nvidia.com/gpu; `{name}` belongs into `default`"
            );
        }
        made.tolerations.extend(args.tolerations.iter().cloned());
        made.add_volumes(&args.volumes, &args.volume_mounts)?;
        if let Some(bundle) = &section.rules.ca_bundle {
            made.add_ca_bundle(bundle);
        }
        Ok(made)
    }

    /// What a class that is a resource makes of it: it names no runtime or priorities that the operator names nowhere in `places`. With others
    /// its pods would run less apart, or take the place of whoever else's.
    ///
    /// # Errors
    /// As [`PodPlace::resolve`], and for such a name.
    pub(crate) fn resolve_within(
        section: &PolicySection<PodArgs>,
        places: &Places<Self>,
    ) -> anyhow::Result<Self> {
        let args = &section.place;
        let runtimes = places.all().filter_map(|place| place.runtime_class.as_deref());
        check_named("runtimeClassName", args.runtime_class.as_deref(), runtimes)?;
        let priorities = places.all().filter_map(|place| place.priority_class.as_deref());
        check_named("priorityClassName", args.priority_class.as_deref(), priorities)?;
        Self::resolve(section, places.get(None))
    }

    fn add_volumes(&mut self, volumes: &[Volume], mounts: &[VolumeMount]) -> anyhow::Result<()> {
        for volume in volumes {
            ensure!(
                !OWN_VOLUMES.contains(&volume.name.as_str()),
                "pods of agents have a volume `{}` of their own; name yours otherwise",
                volume.name
            );
            self.volumes.retain(|other| other.name != volume.name);
            self.volumes.push(volume.clone());
        }
        for mount in mounts {
            ensure!(
                self.volumes.iter().any(|volume| volume.name == mount.name),
                "volume-mounts: there is no volume `{}`",
                mount.name
            );
            let path = mount.mount_path.trim_end_matches('/');
            let is_within = |path: &str, other: &str| path == other || path.starts_with(&format!("{other}/"));
            if let Some(own) = OWN_PATHS.into_iter().find(|own| is_within(path, own) || is_within(own, path))
            {
                anyhow::bail!(
                    "volume-mounts: {own} is the agent's or its host's, mount `{}` elsewhere",
                    mount.name
                );
            }
            self.mounts.retain(|other| other.mount_path != mount.mount_path);
            self.mounts.push(mount.clone());
        }
        Ok(())
    }

    fn add_ca_bundle(&mut self, config_map: &str) {
        self.volumes.retain(|other| other.name != CA_VOLUME);
        self.mounts.retain(|other| other.name != CA_VOLUME);
        self.volumes.push(Volume {
            name: CA_VOLUME.into(),
            config_map: Some(ConfigMapVolumeSource {
                name: config_map.into(),
                items: Some(vec![KeyToPath { key: CA_KEY.into(), path: CA_KEY.into(), mode: None }]),
                ..ConfigMapVolumeSource::default()
            }),
            ..Volume::default()
        });
        self.mounts.push(VolumeMount {
            name: CA_VOLUME.into(),
            mount_path: CA_DIR.into(),
            read_only: Some(true),
            ..VolumeMount::default()
        });
    }
}

fn check_named<'a>(
    field: &str,
    asked: Option<&str>,
    known: impl Iterator<Item = &'a str>,
) -> anyhow::Result<()> {
    let Some(asked) = asked else { return Ok(()) };
    let known: BTreeSet<&str> = known.collect();
    let listed =
        if known.is_empty() { "none".into() } else { Vec::from_iter(known.iter().copied()).join(", ") };
    ensure!(
        known.contains(asked),
        "{field} `{asked}`: only one that the runtime's configuration file names, in [policy] or a class ({listed})"
    );
    Ok(())
}

fn is_own(key: &str) -> bool {
    key.starts_with(OWN_PREFIX)
}

fn add_texts(flag: &str, texts: &[String], to: &mut BTreeMap<String, String>) -> anyhow::Result<()> {
    for text in texts {
        let (name, value) = name_and_value(flag, text)?;
        to.insert(name, value);
    }
    Ok(())
}

/// Adds `NAME=QUANTITY`, the values of `flag`.
///
/// # Errors
/// When one is no quantity.
pub(crate) fn add_amounts(
    flag: &str,
    texts: &[String],
    to: &mut BTreeMap<String, Quantity>,
) -> anyhow::Result<()> {
    for text in texts {
        let (name, amount) = name_and_value(flag, text)?;
        let amount = Quantity(amount);
        ensure!(quantity::value(&amount).is_some_and(|value| value >= 0.0), "{flag} {text}: not an amount");
        to.insert(name, amount);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(text: &str) -> anyhow::Result<PodPlace> {
        let section: PolicySection<PodArgs> = toml::from_str(text)?;
        PodPlace::resolve(&section, &PodPlace::default())
    }

    #[test]
    fn volumes_are_as_pods_have_them() {
        let place = resolve(
            r#"
            runtime-class = "gvisor"
            node-selector = {"kubernetes.io/arch" = "arm64"}
            devices = {"nvidia.com/gpu" = 1}
            ca-bundle = "corporate"
            volumes = [{name = "models", persistentVolumeClaim = {claimName = "models", readOnly = true}}]
            volume-mounts = [{name = "models", mountPath = "/models", readOnly = true}]
            tolerations = [{key = "gpu", operator = "Exists"}]
            "#,
        )
        .unwrap();
        assert_eq!(place.volumes[0].persistent_volume_claim.as_ref().unwrap().claim_name, "models");
        assert_eq!((place.volumes.len(), place.mounts.len(), place.tolerations.len()), (2, 2, 1));
        assert_eq!(place.devices["nvidia.com/gpu"], Quantity("1".into()));
    }

    /// Whoever applies a class is not the operator.
    #[test]
    fn a_class_that_is_a_resource_names_what_the_operator_names() {
        let section = |text: &str| toml::from_str::<PolicySection<PodArgs>>(text).unwrap();
        let classes = [("gpu".to_owned(), section("priority-class = 'research'"))].into();
        let file = places(&section("runtime-class = 'gvisor'"), &classes, &ResourceRequirements::default());
        let file = file.unwrap();
        for (text, said) in [
            ("", None),
            ("runtime-class = 'gvisor'\npriority-class = 'research'", None),
            ("runtime-class = 'runc'", Some("runtimeClassName `runc`: only one that")),
            ("priority-class = 'system-node-critical'", Some("(research)")),
        ] {
            let made = PodPlace::resolve_within(&section(text), &file).map_err(|error| error.to_string());
            match said {
                None => assert_eq!(made.unwrap().runtime_class.as_deref(), Some("gvisor"), "{text}"),
                Some(said) => assert!(made.unwrap_err().contains(said), "{text}"),
            }
        }
        let none = Places::of(PodPlace::default());
        let refused = PodPlace::resolve_within(&section("runtime-class = 'gvisor'"), &none).unwrap_err();
        assert!(refused.to_string().contains("(none)"), "{refused}");
    }

    #[test]
    fn what_is_the_runtimes_own_stays_so() {
        for (text, said) in [
            ("pod-label = {'parallax.io/agent' = 'x'}", "parallax.io/agent"),
            ("volumes = [{name = 'launch', emptyDir = {}}]", "launch"),
            ("volume-mounts = [{name = 'x', mountPath = '/x'}]", "no volume"),
            (
                "volumes = [{name = 'x', emptyDir = {}}]\nvolume-mounts = [{name = 'x', mountPath = '/opt'}]",
                "/opt/parallax",
            ),
            ("devices = {cpu = 1}", "default"),
            ("init-limit = {memory = 'lots'}", "not an amount"),
            ("max = {pids = 5}\nunknown = 1", "unknown"),
        ] {
            let error = format!("{:#}", resolve(text).unwrap_err());
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
