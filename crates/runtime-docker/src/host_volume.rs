//! The host program, for containers of any image: a volume that is filled once for each engine and version, and mounted
//! read-only.
//!
//! Every agent runs this program as its first process, and it is given every agent's secrets. So its digest is verified in
//! each container before the start, and the volume is not used while any container may write to it.

use std::collections::HashMap;
use std::io::{self, Read, Write};

use bollard::Docker;
use bollard::body_full;
use bollard::models::{ContainerCreateBody, HostConfig, Mount, MountType, VolumeCreateRequest};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, DownloadFromContainerOptionsBuilder, ListContainersOptionsBuilder,
    RemoveContainerOptionsBuilder, UploadToContainerOptionsBuilder,
};
use bytes::Bytes;
use futures::StreamExt;
use parallax_api::{Code, Problem};
use sha2::{Digest, Sha256};
use tokio::sync::{Mutex, OnceCell};

use crate::engine;
use crate::host_program::{HostProgram, HostPrograms};
use crate::identity::Identity;
use crate::layout::{HOST_VOLUME_PREFIX, PROGRAM, PROGRAM_DIR, label};

/// How much of the program's digest names its volume, in characters.
const DIGEST_CHARS: usize = 16;
/// The largest program of another version, in bytes.
const MAX_PROGRAM: usize = 256 * 1024 * 1024;
/// What a tar archive has beside the program, at most, in bytes.
const MAX_ARCHIVE_OVERHEAD: usize = 64 * 1024;

/// The volume with the host program.
pub(crate) struct HostVolume {
    programs: HostPrograms,
    /// The one for the engine's machine, once that is known.
    program: OnceCell<HostProgram>,
    /// The number that root of a container has on the engine's machine.
    root: OnceCell<u64>,
    /// The labels of the container that fills it.
    filler: HashMap<String, String>,
    /// Held while the volume is looked at or filled.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The volume's name; none before the program is known. Another one is taken when a container may write to it.
    name: String,
    /// Whether this process has filled it, or seen that it is filled.
    filled: bool,
}

impl HostVolume {
    /// The volume for one of these programs.
    pub(crate) fn new(programs: HostPrograms, identity: &Identity) -> Self {
        let filler = HashMap::from([
            (label::SERVER.to_owned(), identity.server().to_owned()),
            (label::OWNER.to_owned(), identity.owner()),
        ]);
        Self { programs, program: OnceCell::new(), root: OnceCell::new(), filler, state: Mutex::default() }
    }

    /// The program for the engine's machine. Asks the engine once; what was found stays the same while this server runs.
    pub(crate) async fn program(&self, docker: &Docker) -> Result<&HostProgram, Problem> {
        let find = || async {
            let info = docker.info().await.map_err(|error| engine::problem("describe itself", &error))?;
            let (programs, machine) = (self.programs.clone(), info.architecture.unwrap_or_default());
            let found = tokio::task::spawn_blocking(move || programs.find(&machine)).await;
            found.map_err(Problem::internal)?
        };
        self.program.get_or_try_init(find).await
    }

    /// The number that archives from containers have for root: another than 0 where the engine remaps users.
    pub(crate) async fn root(&self, docker: &Docker) -> Result<u64, Problem> {
        let find = || async {
            let info = docker.info().await.map_err(|error| engine::problem("describe itself", &error))?;
            Ok(remapped_root(&info.security_options.unwrap_or_default(), info.docker_root_dir.as_deref()))
        };
        self.root.get_or_try_init(find).await.copied()
    }

    /// Makes sure that the volume exists and that no container may write to it; answers its name. `image` is one that the
    /// engine has: a volume is filled through a container, which is never started.
    pub(crate) async fn ensure(&self, docker: &Docker, image: &str) -> Result<String, Problem> {
        let program = self.program(docker).await?;
        let mut state = self.state.lock().await;
        if state.name.is_empty() {
            state.name = format!("{HOST_VOLUME_PREFIX}{}", &program.digest[..DIGEST_CHARS]);
        }
        if let Some(container) = self.writer(docker, &state.name).await? {
            let name = format!("{HOST_VOLUME_PREFIX}{}", uuid::Uuid::new_v4().simple());
            tracing::error!(
                volume = state.name,
                container,
                instead = name,
                "a container may write to the volume with the host program; using another volume"
            );
            *state = State { name, filled: false };
        }
        let exists = match docker.inspect_volume(&state.name).await {
            Ok(_) => true,
            Err(error) if engine::is_missing(&error) => false,
            Err(error) => return Err(engine::problem("look for the host's volume", &error)),
        };
        if !(state.filled && exists) {
            self.fill(docker, &state.name, image).await?;
            state.filled = true;
        }
        Ok(state.name.clone())
    }

    /// Checks the program as a container that was not started yet will run it, and fills the volume anew when it is wrong.
    pub(crate) async fn verify(&self, docker: &Docker, container: &str, image: &str) -> Result<(), Problem> {
        if self.is_right(docker, container).await? {
            return Ok(());
        }
        let state = self.state.lock().await;
        tracing::error!(volume = state.name, "the host program in the volume is not ours; filling it anew");
        self.fill(docker, &state.name, image).await?;
        match self.is_right(docker, container).await? {
            true => Ok(()),
            false => Err(Problem::new(
                Code::SpawnFailed,
                format!("the volume {} does not hold the host program that it was filled with", state.name),
            )),
        }
    }

    /// Checks the program of a container that has ended and is started again. A server of an earlier version may have made it:
    /// then its volume is another one, which is named after the program in it.
    pub(crate) async fn verify_kept(
        &self,
        docker: &Docker,
        container: &str,
        volume: &str,
        image: &str,
    ) -> Result<(), Problem> {
        let is_current = self.state.lock().await.name == volume;
        if is_current {
            return self.verify(docker, container, image).await;
        }
        // The volume of another version, or one that was made in place of a volume that was written to.
        let named = volume.strip_prefix(HOST_VOLUME_PREFIX).filter(|digits| digits.len() == DIGEST_CHARS);
        let program = self.program(docker).await?;
        let digest = named.unwrap_or(&program.digest);
        if self.writer(docker, volume).await?.is_none()
            && holds(docker, container, digest, MAX_PROGRAM, self.root(docker).await?).await?
        {
            return Ok(());
        }
        Err(Problem::new(
            Code::SpawnFailed,
            format!(
                "the volume {volume} does not hold the host program that it is named after, so the agent is not started with \
                 it; its own files are as they were"
            ),
        ))
    }

    /// A container that has the volume mounted for writing.
    async fn writer(&self, docker: &Docker, name: &str) -> Result<Option<String>, Problem> {
        let filters = HashMap::from([("volume", vec![name])]);
        let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
        let users = docker.list_containers(Some(options)).await;
        let users =
            users.map_err(|error| engine::problem("look for the users of the host's volume", &error))?;
        let writer = users.into_iter().find(|user| {
            let labels = user.labels.clone().unwrap_or_default();
            let fills = labels.contains_key(label::SERVER) && !labels.contains_key(label::AGENT);
            let writes = user
                .mounts
                .iter()
                .flatten()
                .any(|mount| mount.name.as_deref() == Some(name) && mount.rw != Some(false));
            writes && !fills
        });
        Ok(writer.map(|user| user.id.unwrap_or_default()))
    }

    async fn is_right(&self, docker: &Docker, container: &str) -> Result<bool, Problem> {
        let program = self.program(docker).await?;
        holds(docker, container, &program.digest, program.size, self.root(docker).await?).await
    }

    async fn fill(&self, docker: &Docker, name: &str, image: &str) -> Result<(), Problem> {
        let request = VolumeCreateRequest {
            name: Some(name.to_owned()),
            labels: Some(HashMap::from([(label::SHARED.to_owned(), "host".to_owned())])),
            ..VolumeCreateRequest::default()
        };
        docker
            .create_volume(request)
            .await
            .map_err(|error| engine::problem("make the host's volume", &error))?;
        let container = self.create_filler(docker, name, image).await?;
        let filled = self.upload(docker, &container).await;
        let options = RemoveContainerOptionsBuilder::default().force(true).build();
        if let Err(error) = docker.remove_container(&container, Some(options)).await {
            tracing::warn!(
                error = engine::words(&error),
                "failed to remove the container that filled the host's volume"
            );
        }
        filled
    }

    async fn create_filler(&self, docker: &Docker, name: &str, image: &str) -> Result<String, Problem> {
        let mount = Mount {
            target: Some(PROGRAM_DIR.into()),
            source: Some(name.to_owned()),
            typ: Some(MountType::VOLUME),
            ..Mount::default()
        };
        let body = ContainerCreateBody {
            image: Some(image.into()),
            entrypoint: Some(vec![PROGRAM.into()]),
            labels: Some(self.filler.clone()),
            host_config: Some(HostConfig { mounts: Some(vec![mount]), ..HostConfig::default() }),
            ..ContainerCreateBody::default()
        };
        let options = CreateContainerOptionsBuilder::default().build();
        let made = docker.create_container(Some(options), body).await;
        Ok(made.map_err(|error| engine::problem("make a container to fill the host's volume", &error))?.id)
    }

    async fn upload(&self, docker: &Docker, container: &str) -> Result<(), Problem> {
        if self.is_right(docker, container).await? {
            return Ok(());
        }
        tracing::info!("filling the host's volume");
        let archive = archive(self.program(docker).await?).map_err(Problem::internal)?;
        // Extracted over the directory itself, so that its owner and mode are set, too.
        let options = UploadToContainerOptionsBuilder::default().path(PROGRAM_DIR).build();
        let uploaded = docker.upload_to_container(container, Some(options), body_full(archive)).await;
        uploaded.map_err(|error| engine::problem("fill the host's volume", &error))
    }
}

fn archive(program: &HostProgram) -> io::Result<Bytes> {
    let bytes = std::fs::read(&program.path)?;
    if hex::encode(Sha256::digest(&bytes)) != program.digest {
        return Err(io::Error::other(format!(
            "{} was replaced while this server ran; start the server again",
            program.path.display()
        )));
    }
    let mut archive = tar::Builder::new(Vec::new());
    let mut dir = tar::Header::new_gnu();
    dir.set_entry_type(tar::EntryType::Directory);
    dir.set_mode(0o755);
    dir.set_size(0);
    archive.append_data(&mut dir, "./", io::empty())?;
    let mut file = tar::Header::new_gnu();
    file.set_mode(0o755);
    file.set_size(bytes.len() as u64);
    archive.append_data(&mut file, "parallax-agent-host", bytes.as_slice())?;
    Ok(archive.into_inner()?.into())
}

/// The number of root where the engine has those security options. One that remaps users (`name=userns`) keeps everything in a directory that
/// is named after the numbers of root: `ROOT/UID.GID`.
fn remapped_root(security_options: &[String], root_dir: Option<&str>) -> u64 {
    if !security_options.iter().any(|option| option.starts_with("name=userns")) {
        return 0;
    }
    let numbers = root_dir.and_then(|dir| dir.rsplit('/').next()).and_then(|name| name.split_once('.'));
    // Not found out: then no program is right, and none is run.
    numbers.and_then(|(uid, _)| uid.parse().ok()).unwrap_or(0)
}

/// Whether a container has a host program whose digest begins so, of at most `size` bytes, that belongs to `root`.
async fn holds(
    docker: &Docker,
    container: &str,
    digest: &str,
    size: usize,
    root: u64,
) -> Result<bool, Problem> {
    let options = DownloadFromContainerOptionsBuilder::default().path(PROGRAM).build();
    let mut download = std::pin::pin!(docker.download_from_container(container, Some(options)));
    let mut archive = Vec::new();
    while let Some(part) = download.next().await {
        match part {
            Ok(part) => archive.extend_from_slice(&part),
            Err(error) if engine::is_missing(&error) => return Ok(false),
            Err(error) => return Err(engine::problem("verify the host program", &error)),
        }
        if archive.len() > size + MAX_ARCHIVE_OVERHEAD {
            return Ok(false);
        }
    }
    let digest = digest.to_owned();
    let checking = tokio::task::spawn_blocking(move || is_program(&archive, &digest, root));
    // An archive that cannot be read is a wrong one.
    Ok(checking.await.map_err(Problem::internal)?.unwrap_or(false))
}

/// Whether an archive holds the program alone, as root's own file that only root may change. `digest` may be the beginning of one.
fn is_program(archive: &[u8], digest: &str, root: u64) -> io::Result<bool> {
    let mut archive = tar::Archive::new(archive);
    let mut entries = archive.entries()?;
    let Some(entry) = entries.next() else { return Ok(false) };
    let mut entry = entry?;
    let header = entry.header();
    let owned = header.uid()? == root && header.mode()? & 0o022 == 0 && header.mode()? & 0o111 == 0o111;
    if !(header.entry_type().is_file() && owned) {
        return Ok(false);
    }
    let mut hasher = Hasher(Sha256::new());
    io::copy(&mut entry.by_ref(), &mut hasher)?;
    Ok(hex::encode(hasher.0.finalize()).starts_with(digest))
}

struct Hasher(Sha256);

impl Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Removes a container that filled the host volume and whose server died meanwhile.
pub(crate) async fn remove_filler(docker: &Docker, container: &str) {
    let options = RemoveContainerOptionsBuilder::default().force(true).build();
    if let Err(error) = docker.remove_container(container, Some(options)).await {
        tracing::warn!(container, error = engine::words(&error), "failed to remove a left-over container");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_roots_own_program_is_right() {
        let packed = |contents: &[u8], uid: u64, mode: u32| {
            let mut archive = tar::Builder::new(Vec::new());
            let mut header = tar::Header::new_gnu();
            header.set_size(contents.len() as u64);
            header.set_uid(uid);
            header.set_mode(mode);
            archive.append_data(&mut header, "parallax-agent-host", contents).unwrap();
            archive.into_inner().unwrap()
        };
        let digest = hex::encode(Sha256::digest(b"program"));
        let is_right = |archive: Vec<u8>| is_program(&archive, &digest, 0).unwrap_or(false);
        assert!(is_right(packed(b"program", 0, 0o755)));
        assert!(!is_right(packed(b"another", 0, 0o755)));
        assert!(!is_right(packed(b"program", 1000, 0o755)));
        assert!(!is_right(packed(b"program", 0, 0o777)));
        assert!(!is_right(packed(b"program", 0, 0o644)));
        assert!(!is_right(Vec::new()));
        assert!(!is_right(b"no archive".to_vec()));
        let remapped = packed(b"program", 500_000, 0o755);
        assert!(is_program(&remapped, &digest, 500_000).unwrap() && !is_right(remapped));
    }

    #[test]
    fn root_is_another_where_users_are_remapped() {
        let remaps = ["name=seccomp,profile=default".to_owned(), "name=userns".to_owned()];
        assert_eq!(remapped_root(&remaps, Some("/var/lib/docker/231072.231072")), 231_072);
        assert_eq!(remapped_root(&remaps, Some("/var/lib/docker")), 0);
        assert_eq!(remapped_root(&remaps[..1], Some("/var/lib/docker/231072.231072")), 0);
    }
}
