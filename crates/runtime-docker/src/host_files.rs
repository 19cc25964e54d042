//! The files of a dead host: copied out of its container, for the archive.

use std::path::{Path, PathBuf};

use bollard::query_parameters::DownloadFromContainerOptionsBuilder;
use futures::StreamExt;
use parallax_api::{AgentId, Problem};
use parallax_runtime_core::PackedFiles;

use crate::context::Context;
use crate::engine;
use crate::layout::{HOST_DIR, container_name};

/// Copies the host's directory out of the container below `scratch`. None: the container, or the directory, is gone.
pub(crate) async fn host_files(
    context: &Context,
    id: &AgentId,
    scratch: &Path,
) -> Result<Option<PathBuf>, Problem> {
    let options = DownloadFromContainerOptionsBuilder::default().path(HOST_DIR).build();
    let container = container_name(id);
    let docker = context.docker()?;
    let mut download = std::pin::pin!(docker.download_from_container(&container, Some(options)));
    let mut packed = PackedFiles::create(scratch).await?;
    while let Some(part) = download.next().await {
        match part {
            Ok(part) if packed.add(&part).await? => {}
            Ok(_) => break,
            Err(error) if engine::is_missing(&error) => return Ok(None),
            Err(error) => return Err(engine::problem("copy the files of a dead host", &error)),
        }
    }
    packed.unpack().await.map(Some)
}
