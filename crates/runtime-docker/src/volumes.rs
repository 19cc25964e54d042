//! Which volumes an agent may work in. A volume that a request names may hold anything: the host program that all agents
//! run, another agent's files, the state of a server.

use std::collections::{BTreeSet, HashMap};

use bollard::Docker;
use bollard::models::{ContainerSummary, Volume, VolumeCreateRequest};
use bollard::query_parameters::{ListContainersOptionsBuilder, RemoveVolumeOptions};
use parallax_api::{Code, Problem};
use parallax_runtime_core::name_pattern;

use crate::engine;
use crate::layout::{HOST_VOLUME_PREFIX, WORKDIR, label};

/// The operator's choice of volumes that agents may work in.
#[derive(Clone, Debug, Default)]
pub(crate) struct VolumePolicy {
    /// Patterns of names, with `*`, besides volumes with the label.
    allowed: Vec<String>,
    /// Volumes with credentials: mounted where the operator says, and nowhere else.
    credentials: BTreeSet<String>,
}

/// What is done about a volume that is not there.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Missing<'a> {
    /// It is made, with these labels beside its own.
    Make(&'a [(&'a str, &'a str)]),
    /// The request is refused, with these words more.
    Refuse(&'a str),
}

/// A volume that may be worked in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Workspace {
    /// It was made for this agent, and is given to its user.
    Created,
    /// It existed: owner and mode stay as they are.
    Existing,
}

impl VolumePolicy {
    pub(crate) fn new(allowed: Vec<String>, credentials: impl IntoIterator<Item = String>) -> Self {
        Self { allowed, credentials: credentials.into_iter().collect() }
    }

    /// Checks a volume that a request names, and makes it with these labels when there is none.
    ///
    /// Fails with `WORKDIR_FORBIDDEN`, or `WORKDIR_NOT_FOUND` for a missing one that is to be there.
    pub(crate) async fn admit(
        &self,
        docker: &Docker,
        name: &str,
        missing: Missing<'_>,
    ) -> Result<Workspace, Problem> {
        if name.starts_with(HOST_VOLUME_PREFIX) {
            return Err(forbidden(name, "it is named like the volumes with the host program"));
        }
        if self.credentials.contains(name) {
            return Err(forbidden(name, "it holds credentials"));
        }
        match docker.inspect_volume(name).await {
            Ok(volume) => {
                self.check_labels(name, &volume)?;
                check_users(name, &users(docker, name).await?)?;
                Ok(Workspace::Existing)
            }
            Err(error) if engine::is_missing(&error) => match missing {
                Missing::Make(labels) => create(docker, name, labels).await,
                Missing::Refuse(why) => {
                    let detail = format!("there is no volume `{name}`{why}");
                    Err(Problem::new(Code::WorkdirNotFound, detail).with("field", "workdir"))
                }
            },
            Err(error) => Err(engine::problem("look for the volume", &error)),
        }
    }

    fn check_labels(&self, name: &str, volume: &Volume) -> Result<(), Problem> {
        let has = |label: &str| volume.labels.contains_key(label);
        if [label::SHARED, label::AGENT, label::SERVER, label::OWNER].into_iter().any(has) {
            return Err(forbidden(name, "a Parallax server made it for itself or for another agent"));
        }
        let is_labelled = volume.labels.get(label::WORKDIR).is_some_and(|value| value == "true");
        if is_labelled || self.allowed.iter().any(|pattern| name_pattern::matches(pattern, name)) {
            return Ok(());
        }
        Err(forbidden(
            name,
            &format!(
                "agents may work in volumes that were made for an agent, have the label {}=true, or match an \
                 --allow-volume of the runtime",
                label::WORKDIR
            ),
        ))
    }
}

/// The containers that use a volume, whether they run or not.
pub(crate) async fn users(docker: &Docker, name: &str) -> Result<Vec<ContainerSummary>, Problem> {
    let filters = HashMap::from([("volume", vec![name])]);
    let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
    let users = docker.list_containers(Some(options)).await;
    users.map_err(|error| engine::problem("look for the users of the volume", &error))
}

/// Refuses what servers run on, and what agents' containers have elsewhere than as their workdir.
fn check_users(name: &str, users: &[ContainerSummary]) -> Result<(), Problem> {
    for user in users {
        let labels = user.labels.clone().unwrap_or_default();
        if is_server(user, &labels) {
            return Err(forbidden(name, "a Parallax server uses it"));
        }
        let mounts = user.mounts.iter().flatten().filter(|mount| mount.name.as_deref() == Some(name));
        let elsewhere = mounts.into_iter().any(|mount| mount.destination.as_deref() != Some(WORKDIR));
        if labels.contains_key(label::SERVER) && elsewhere {
            return Err(forbidden(name, "other agents have it for something else than their workdir"));
        }
    }
    Ok(())
}

/// Whether a container runs a server: by the label of its image, or by its program.
fn is_server(container: &ContainerSummary, labels: &HashMap<String, String>) -> bool {
    // An agent's, or one that looks into a workspace.
    if labels.contains_key(label::AGENT) || labels.contains_key(label::WORKSPACE) {
        return false;
    }
    let program = container.command.as_deref().unwrap_or_default().trim_matches('"');
    let program = program.split(' ').next().unwrap_or_default().rsplit('/').next().unwrap_or_default();
    labels.get(label::COMPONENT).is_some_and(|component| component == "server")
        || program == "parallax"
        || program.starts_with("parallax-")
}

async fn create(docker: &Docker, name: &str, labels: &[(&str, &str)]) -> Result<Workspace, Problem> {
    let labels = [(label::WORKDIR, "true")].into_iter().chain(labels.iter().copied());
    let request = VolumeCreateRequest {
        name: Some(name.to_owned()),
        labels: Some(labels.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()),
        ..VolumeCreateRequest::default()
    };
    let created = docker.create_volume(request).await;
    created.map_err(|error| engine::problem("make the volume", &error))?;
    Ok(Workspace::Created)
}

/// Whether there is a volume of this name.
pub(crate) async fn exists(docker: &Docker, name: &str) -> Result<bool, Problem> {
    match docker.inspect_volume(name).await {
        Ok(_) => Ok(true),
        Err(error) if engine::is_missing(&error) => Ok(false),
        Err(error) => Err(engine::problem("look for the volume", &error)),
    }
}

/// Removes a volume. One that is gone is no error; one that a container uses is.
pub(crate) async fn remove(docker: &Docker, name: &str) -> Result<(), Problem> {
    match docker.remove_volume(name, None::<RemoveVolumeOptions>).await {
        Err(error) if !engine::is_missing(&error) => Err(engine::problem("remove the volume", &error)),
        _ => Ok(()),
    }
}

/// Removes a volume that was made for an agent that did not start, and that nothing was written to.
pub(crate) async fn discard(docker: &Docker, name: &str) {
    if let Err(error) = docker.remove_volume(name, None::<RemoveVolumeOptions>).await {
        tracing::debug!(volume = name, error = engine::words(&error), "a new volume was not removed");
    }
}

fn forbidden(name: &str, why: &str) -> Problem {
    Problem::new(Code::WorkdirForbidden, format!("an agent may not work in the volume `{name}`: {why}"))
        .with("field", "workdir")
}

#[cfg(test)]
mod tests {
    use bollard::models::MountPoint;

    use super::*;

    fn labelled(labels: &[(&str, &str)]) -> Volume {
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Volume { labels, ..Volume::default() }
    }

    #[test]
    fn what_servers_made_stays_forbidden_whatever_is_allowed() {
        let all = VolumePolicy::new(vec!["*".into()], ["login".to_owned()]);
        let default = VolumePolicy::default();
        for label in [label::SHARED, label::AGENT, label::SERVER, label::OWNER] {
            let volume = labelled(&[(label, "x"), (label::WORKDIR, "true")]);
            assert_eq!(all.check_labels("v", &volume).unwrap_err().code, Code::WorkdirForbidden, "{label}");
        }
        assert!(default.check_labels("v", &labelled(&[])).is_err());
        assert!(default.check_labels("v", &labelled(&[(label::WORKDIR, "false")])).is_err());
        assert!(default.check_labels("v", &labelled(&[(label::WORKDIR, "true")])).is_ok());
        assert!(all.check_labels("v", &labelled(&[])).is_ok());
    }

    #[test]
    fn what_containers_use_otherwise_is_forbidden() {
        let user = |labels: &[(&str, &str)], command: &str, destination: &str| ContainerSummary {
            labels: Some(labelled(labels).labels),
            command: Some(command.into()),
            mounts: Some(vec![MountPoint {
                name: Some("v".into()),
                destination: Some(destination.into()),
                ..MountPoint::default()
            }]),
            ..ContainerSummary::default()
        };
        let check = |user: ContainerSummary| check_users("v", &[user]).is_ok();
        let agent = [(label::AGENT, "a"), (label::SERVER, "s")];
        let host = "/opt/parallax/parallax-agent-host serve";
        assert!(check(user(&agent, host, WORKDIR)), "two agents may share a workdir");
        assert!(!check(user(&agent, host, "/opt/parallax")));
        assert!(!check(user(&agent, host, "/agent/home")));
        assert!(!check(user(&[], "parallax-runtime-docker --allow-workdir /srv", "/var/lib/parallax")));
        assert!(!check(user(&[], "/usr/local/bin/parallax-control-plane", "/var/lib/parallax")));
        assert!(!check(user(&[(label::COMPONENT, "server")], "sh", "/anywhere")));
        assert!(check(user(&[], "postgres", "/var/lib/postgresql")));
    }
}
