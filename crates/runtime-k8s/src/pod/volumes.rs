//! Where an agent works and its host keeps its state: directories of the pod, or of a claim that outlives it.

use k8s_openapi::api::core::v1::{
    EmptyDirVolumeSource, PersistentVolumeClaim, PersistentVolumeClaimSpec,
    PersistentVolumeClaimVolumeSource, SecretVolumeSource, Volume, VolumeMount, VolumeResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::api::ObjectMeta;
use kube::{Resource as _, ResourceExt as _};
use parallax_api::AgentId;

use super::mount;
use crate::names;
use crate::resource::{Claim, ParallaxAgent, ParallaxAgentSpec};

/// Where agents without a claim of their own work, and where an existing claim is mounted.
const WORKSPACE: &str = "/workspace";
/// Where an agent's own claim is mounted: the workspace, and beside it the host's state and the home.
const OWN_CLAIM: &str = "/data";
/// The host's state, for an agent without a claim.
const OWN: &str = "/var/lib/parallax";
/// The volume with the workspace.
const VOLUME: &str = "workspace";

/// The directories of an agent, as it sees them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WorkspaceVolume {
    /// Where it works.
    pub(crate) workdir: String,
    /// The host's state.
    pub(crate) host_dir: String,
    /// Its home, when that outlives the pod with the rest; none: the image's.
    pub(crate) home: Option<String>,
    /// Directories to make before it starts.
    pub(crate) make: Vec<String>,
    /// Where the workspace's volume is mounted, and whether for reading only.
    at: (&'static str, bool),
    /// The host's state has a volume of its own.
    has_own_volume: bool,
}

impl WorkspaceVolume {
    /// Where an agent works whose request names no claim.
    pub(crate) const DEFAULT: &str = WORKSPACE;

    /// The directories that a spec means.
    pub(crate) fn of(spec: &ParallaxAgentSpec, id: &AgentId) -> Self {
        let workspace = spec.workspace.clone().unwrap_or_default();
        if workspace.claim.is_some() {
            let dir = |name| format!("{OWN_CLAIM}/{name}");
            return Self {
                workdir: dir("workspace"),
                host_dir: dir("parallax"),
                home: Some(dir("home")),
                make: vec![dir("workspace"), dir("home")],
                at: (OWN_CLAIM, false),
                has_own_volume: false,
            };
        }
        let read_only = workspace.existing_claim.as_ref().is_some_and(|claim| claim.read_only);
        let kept = spec.keeps_workspace();
        let beside = format!("{WORKSPACE}/.parallax/{id}");
        // The CLI keeps its conversation in its home.
        let home = kept.then(|| format!("{beside}/home"));
        Self {
            workdir: WORKSPACE.into(),
            host_dir: if kept { beside } else { format!("{OWN}/host") },
            make: home.iter().cloned().collect(),
            home,
            at: (WORKSPACE, read_only),
            has_own_volume: !kept,
        }
    }

    /// The claim with the host's state, if it is on one.
    pub(crate) fn claim_of(spec: &ParallaxAgentSpec, id: &AgentId) -> Option<String> {
        let workspace = spec.workspace.clone().filter(|_| spec.keeps_workspace())?;
        match workspace.claim {
            Some(_) => Some(names::claim(id)),
            None => workspace.existing_claim.map(|claim| claim.name),
        }
    }

    /// The mount of the workspace's volume, for reading alone.
    pub(super) fn mounts_for_reading(&self) -> Vec<VolumeMount> {
        vec![mount(VOLUME, self.at.0, true)]
    }

    /// The mounts of both containers.
    pub(super) fn mounts(&self) -> Vec<VolumeMount> {
        let (path, read_only) = self.at;
        let own = self.has_own_volume.then(|| mount("own", OWN, false));
        [mount(VOLUME, path, read_only)].into_iter().chain(own).collect()
    }
}

pub(super) fn volumes(
    spec: &ParallaxAgentSpec,
    id: &AgentId,
    workspace_volume: &WorkspaceVolume,
) -> Vec<Volume> {
    let launch = Volume {
        name: "launch".into(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(names::launch_secret(id)),
            // Readable through the group of the volume, which is the pod's `fsGroup`.
            default_mode: Some(0o440),
            ..SecretVolumeSource::default()
        }),
        ..Volume::default()
    };
    let workspace = workspace(spec, id);
    let own = workspace_volume.has_own_volume.then(|| empty("own", None));
    [empty("program", None), launch, workspace].into_iter().chain(own).collect()
}

/// The volume that an agent works in.
pub(super) fn workspace(spec: &ParallaxAgentSpec, id: &AgentId) -> Volume {
    let workspace = spec.workspace.clone().unwrap_or_default();
    let claimed = |claim_name, read_only| Volume {
        name: VOLUME.into(),
        persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
            claim_name,
            read_only: Some(read_only),
        }),
        ..Volume::default()
    };
    match (workspace.claim, workspace.existing_claim) {
        (Some(_), _) => claimed(names::claim(id), false),
        (None, Some(claim)) => claimed(claim.name, claim.read_only),
        (None, None) => empty(VOLUME, workspace.empty_dir.and_then(|dir| dir.size_limit)),
    }
}

fn empty(name: &str, size_limit: Option<Quantity>) -> Volume {
    Volume {
        name: name.into(),
        empty_dir: Some(EmptyDirVolumeSource { size_limit, medium: None }),
        ..Volume::default()
    }
}

/// The claim that a resource asks for. A retained one has no owner, so that the garbage collector leaves it.
pub(crate) fn claim(
    resource: &ParallaxAgent,
    id: &AgentId,
    asked: &Claim,
    instance: &str,
) -> PersistentVolumeClaim {
    PersistentVolumeClaim {
        metadata: ObjectMeta {
            name: Some(names::claim(id)),
            namespace: resource.namespace(),
            labels: Some(names::object_labels(instance, id, &resource.spec)),
            owner_references: (!asked.retain)
                .then(|| resource.controller_owner_ref(&()).map(|owner| vec![owner]))
                .flatten(),
            ..ObjectMeta::default()
        },
        spec: Some(PersistentVolumeClaimSpec {
            access_modes: Some(vec!["ReadWriteOnce".into()]),
            storage_class_name: asked.storage_class_name.clone(),
            resources: Some(VolumeResourceRequirements {
                requests: Some([("storage".to_owned(), asked.size.clone())].into()),
                limits: None,
            }),
            ..PersistentVolumeClaimSpec::default()
        }),
        status: None,
    }
}
