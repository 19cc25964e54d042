//! The host's program, for containers of any image: a volume that is filled once for each engine and version, and mounted
//! read-only.

use std::collections::HashMap;
use std::path::PathBuf;

use anyhow::Context;
use bollard::Docker;
use bollard::body_full;
use bollard::models::{ContainerCreateBody, HostConfig, Mount, MountType, VolumeCreateRequest};
use bollard::query_parameters::{
    ContainerArchiveInfoOptionsBuilder, CreateContainerOptionsBuilder, RemoveContainerOptionsBuilder,
    UploadToContainerOptionsBuilder,
};
use bytes::Bytes;
use parallax_api::Problem;
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;

use crate::engine;
use crate::identity::{Identity, hex};
use crate::layout::{PROGRAM, PROGRAM_DIR, label};

/// How much of the program's digest names its volume, in characters.
const DIGEST_CHARS: usize = 16;

/// The volume with the host's program.
pub(crate) struct HostVolume {
    program: PathBuf,
    name: String,
    size: u64,
    /// The labels of the container that fills it.
    filler: HashMap<String, String>,
    /// Whether this process has seen that it holds the program. Held while it is looked at or filled.
    checked: Mutex<bool>,
}

impl HostVolume {
    /// The volume for this program, which must be one static file: it runs in images that have nothing else.
    ///
    /// # Errors
    /// When it cannot be read, or needs a loader that an image may not have.
    pub(crate) fn new(program: PathBuf, identity: &Identity) -> anyhow::Result<Self> {
        let bytes =
            std::fs::read(&program).with_context(|| format!("failed to read {}", program.display()))?;
        anyhow::ensure!(
            is_static(&bytes),
            "{} is not a static program, and would not run in every image; `make host` builds one that is",
            program.display()
        );
        let digest = hex(&Sha256::digest(&bytes));
        let name = format!("parallax-host-{}", &digest[..DIGEST_CHARS]);
        let filler = HashMap::from([
            (label::SERVER.to_owned(), identity.server().to_owned()),
            (label::OWNER.to_owned(), identity.owner()),
        ]);
        Ok(Self { program, name, size: bytes.len() as u64, filler, checked: Mutex::new(false) })
    }

    /// Forgets that the volume was checked: a start failed before the host reported anything.
    pub(crate) async fn invalidate(&self) {
        *self.checked.lock().await = false;
    }

    /// Makes sure that the volume is there and holds the program; answers its name. `image` is one that the engine has: a
    /// volume is reached through a container, which is never started.
    pub(crate) async fn ensure(&self, docker: &Docker, image: &str) -> Result<&str, Problem> {
        let mut checked = self.checked.lock().await;
        let is_there = match docker.inspect_volume(&self.name).await {
            Ok(_) => true,
            Err(error) if engine::is_missing(&error) => false,
            Err(error) => return Err(engine::problem("look for the host's volume", &error)),
        };
        if !(*checked && is_there) {
            self.fill(docker, image).await?;
            *checked = true;
        }
        Ok(&self.name)
    }

    async fn fill(&self, docker: &Docker, image: &str) -> Result<(), Problem> {
        let request = VolumeCreateRequest {
            name: Some(self.name.clone()),
            labels: Some(HashMap::from([(label::SHARED.to_owned(), "host".to_owned())])),
            ..VolumeCreateRequest::default()
        };
        docker
            .create_volume(request)
            .await
            .map_err(|error| engine::problem("make the host's volume", &error))?;
        let container = self.container(docker, image).await?;
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

    async fn container(&self, docker: &Docker, image: &str) -> Result<String, Problem> {
        let mount = Mount {
            target: Some(PROGRAM_DIR.into()),
            source: Some(self.name.clone()),
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
        let options = ContainerArchiveInfoOptionsBuilder::default().path(PROGRAM).build();
        if let Ok(found) = docker.get_container_archive_info(container, Some(options)).await
            && u64::try_from(found.size).ok() == Some(self.size)
        {
            return Ok(());
        }
        tracing::info!(volume = self.name, "filling the host's volume");
        let archive = self.archive().map_err(Problem::internal)?;
        let options = UploadToContainerOptionsBuilder::default().path(PROGRAM_DIR).build();
        let uploaded = docker.upload_to_container(container, Some(options), body_full(archive)).await;
        uploaded.map_err(|error| engine::problem("fill the host's volume", &error))
    }

    fn archive(&self) -> std::io::Result<Bytes> {
        let program = std::fs::read(&self.program)?;
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o755);
        header.set_size(program.len() as u64);
        let mut archive = tar::Builder::new(Vec::new());
        archive.append_data(&mut header, "parallax-agent-host", program.as_slice())?;
        Ok(archive.into_inner()?.into())
    }
}

/// Whether an ELF file of this machine's kind asks for no loader: it has no `PT_INTERP` program header; see elf(5).
fn is_static(program: &[u8]) -> bool {
    const PT_INTERP: u32 = 3;
    let word = |at: usize, len: usize| -> Option<u64> {
        let bytes = program.get(at..at + len)?;
        Some(bytes.iter().rev().fold(0, |value, byte| (value << 8) | u64::from(*byte)))
    };
    let is_elf64 = program.starts_with(b"\x7fELF\x02\x01");
    let headers = || {
        let (start, size, count) = (word(0x20, 8)?, word(0x36, 2)?, word(0x38, 2)?);
        (0..count)
            .map(|index| word(usize::try_from(start + index * size).ok()?, 4))
            .collect::<Option<Vec<u64>>>()
    };
    is_elf64 && headers().is_some_and(|types| !types.contains(&PT_INTERP.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_what_needs_a_loader() {
        let this = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert!(!is_static(&this), "a test is linked dynamically");
        assert!(!is_static(b"#!/bin/sh\n"));
        assert!(!is_static(b"\x7fELF\x02\x01"));
    }
}
