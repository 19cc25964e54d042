//! Storage for claims that a runtime makes: directories of this machine that belong to the agents' user. The cluster's own provisioner
//! gives them to root, whatever a pod says of its group.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};

use serde_json::json;

use super::{Namespace, kubectl};
use crate::local::Directory;

/// The user of agents.
const AGENT: u32 = 1000;

/// Volumes of a class of their own. At the end they go.
#[derive(Debug)]
pub struct Storage {
    class: String,
    volumes: Vec<String>,
    _directory: Directory,
}

impl Storage {
    /// So many volumes. A claim takes one, and none after it has it again.
    pub async fn new(count: usize) -> Self {
        let directory = Directory::new();
        let class = format!("px-{}", &uuid::Uuid::new_v4().simple().to_string()[..10]);
        let mut items = Vec::new();
        let mut volumes = Vec::new();
        for number in 0..count {
            let path = directory.path().join(number.to_string());
            fs::create_dir(&path).expect("the directory can be made");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o770)).expect("it is this machine's");
            chown(&path, Some(AGENT), Some(AGENT)).expect("it is this machine's");
            let name = format!("{class}-{number}");
            items.push(json!({
                "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name},
                "spec": {
                    "storageClassName": class, "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"],
                    "persistentVolumeReclaimPolicy": "Retain", "hostPath": {"path": path, "type": "Directory"},
                }
            }));
            volumes.push(name);
        }
        let list = json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string();
        let file = tempfile::NamedTempFile::new().expect("a file can be made");
        fs::write(file.path(), list).expect("it can be written");
        let made = kubectl(&["create", "-f", &file.path().to_string_lossy()]).await;
        assert!(made.is_some(), "volumes can be made");
        Self { class, volumes, _directory: directory }
    }

    /// What has claims take these, as arguments of a runtime.
    pub fn args(&self) -> [&str; 4] {
        ["--workspace-storage-class", &self.class, "--workspace-size", "1Gi"]
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        let mut command = std::process::Command::new("kubectl");
        command.args(["--request-timeout", "20s", "delete", "pv", "--wait=false"]).args(&self.volumes);
        drop(command.output());
    }
}

/// The claims in a namespace that are not being deleted.
pub async fn claims(namespace: &Namespace) -> Vec<String> {
    let living = "{range .items[*]}{.metadata.name}{\" \"}{.metadata.deletionTimestamp}{\"\\n\"}{end}";
    let listed = namespace.kubectl(&["get", "pvc", "-o", &format!("jsonpath={living}")]).await;
    let listed = listed.expect("claims can be listed");
    let names = listed.lines().map(|line| line.split_once(' ').unwrap_or((line, "")));
    names.filter(|(_, deleted)| deleted.is_empty()).map(|(name, _)| name.to_owned()).collect()
}
