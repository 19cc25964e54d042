//! A look into the workspace of agents that have ended: the host's program, in a container of the image that the first of them had.

use std::collections::HashMap;
use std::time::Duration;

use bollard::Docker;
use bollard::container::LogOutput;
use bollard::models::{ContainerCreateBody, HostConfig, Mount, MountType, MountVolumeOptions};
use bollard::query_parameters::{
    AttachContainerOptionsBuilder, CreateContainerOptionsBuilder, RemoveContainerOptionsBuilder,
};
use futures::StreamExt;
use parallax_api::text::cut;
use parallax_api::{AgentId, Code, Problem};

use crate::context::Context;
use crate::engine;
use crate::layout::{PROGRAM, PROGRAM_DIR, WORKDIR, label, workspace_volume};
use crate::policy::MEMORY;
use crate::volumes;

/// How long it may take: somewhat longer than the program gives itself.
const TIMEOUT: Duration = Duration::from_secs(180);
/// The longest answer, in bytes.
const MAX_ANSWER: usize = 64 * 1024;
/// How much of a program's last words is told, in characters.
const MAX_WORDS: usize = 300;
/// Processes in the container: git and what it starts.
const PIDS: i64 = 64;

/// What would be lost with the workspace of this agent, as the program says it.
pub(crate) async fn unpublished(context: &Context, id: &AgentId) -> Result<Vec<u8>, Problem> {
    let docker = context.docker()?;
    let volume = workspace_volume(id);
    let found = docker.inspect_volume(&volume).await;
    let found = found.map_err(|error| engine::problem("look for the volume", &error))?;
    let (Some(image), Some(user)) = (found.labels.get(label::IMAGE), found.labels.get(label::USER)) else {
        let detail = "it was made by a version that did not note which image it is of";
        return Err(Problem::new(Code::Unsupported, detail));
    };
    if !volumes::users(docker, &volume).await?.is_empty() {
        return Err(Problem::new(Code::Conflict, "something else works in its volume"));
    }
    let body = body(context, id, image, user, &context.host_volume.ensure(docker, image).await?);
    let made = docker.create_container(Some(CreateContainerOptionsBuilder::default().build()), body).await;
    let container = made.map_err(|error| match engine::status(&error) {
        Some(404) => Problem::new(Code::ImageNotFound, format!("the engine has no image `{image}` any more")),
        _ => engine::problem("make a container to look into the workspace", &error),
    })?;
    let looked = tokio::time::timeout(TIMEOUT, run(docker, &container.id)).await;
    let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
    if let Err(error) = docker.remove_container(&container.id, Some(options)).await {
        let error = engine::words(&error);
        tracing::warn!(container = container.id, error, "a container that looked into a workspace is left");
    }
    looked.unwrap_or_else(|_| Err(Problem::new(Code::Timeout, "it took too long")))
}

/// As little as git needs: no network, and nothing to write but the volume.
fn body(context: &Context, id: &AgentId, image: &str, user: &str, host_volume: &str) -> ContainerCreateBody {
    let mounted = |volume: String, target: &str, read_only| Mount {
        target: Some(target.into()),
        source: Some(volume),
        typ: Some(MountType::VOLUME),
        read_only: Some(read_only),
        volume_options: Some(MountVolumeOptions { no_copy: Some(true), ..MountVolumeOptions::default() }),
        ..Mount::default()
    };
    let command = ["workspace", "--unpublished", "--root", WORKDIR, "--id", id.as_str()];
    // Without an agent: should this server die, the next one removes it.
    let labels = [
        (label::SERVER, context.identity.server().to_owned()),
        (label::OWNER, context.identity.owner()),
        (label::WORKSPACE, id.to_string()),
    ];
    let memory = Some(MEMORY.cast_signed());
    ContainerCreateBody {
        image: Some(image.into()),
        user: Some(user.into()),
        entrypoint: Some(vec![PROGRAM.into()]),
        cmd: Some(command.map(Into::into).into()),
        env: Some(vec!["HOME=/".into()]),
        working_dir: Some("/".into()),
        labels: Some(
            labels.map(|(key, value)| (key.to_owned(), value)).into_iter().collect::<HashMap<_, _>>(),
        ),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        host_config: Some(HostConfig {
            network_mode: Some("none".into()),
            mounts: Some(vec![
                mounted(host_volume.to_owned(), PROGRAM_DIR, true),
                mounted(workspace_volume(id), WORKDIR, false),
            ]),
            memory,
            memory_swap: memory,
            pids_limit: Some(PIDS),
            runtime: context.places.get(None).runtime.clone(),
            readonly_rootfs: Some(true),
            cap_drop: Some(vec!["ALL".into()]),
            security_opt: Some(vec!["no-new-privileges:true".into()]),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    }
}

/// What the program says until it ends. Fails with its refusal.
async fn run(docker: &Docker, container: &str) -> Result<Vec<u8>, Problem> {
    let options = AttachContainerOptionsBuilder::default().stream(true).stdout(true).stderr(true).build();
    let attached = docker.attach_container(container, Some(options)).await;
    let mut attached = attached.map_err(|error| engine::problem("connect to the container", &error))?;
    let started = docker.start_container(container, None).await;
    started.map_err(|error| engine::problem("start the container that looks into the workspace", &error))?;
    let (mut out, mut err) = (Vec::new(), Vec::new());
    while let Some(part) = attached.output.next().await {
        match part.map_err(|error| engine::away(&error))? {
            LogOutput::StdErr { message } => err.extend_from_slice(&message),
            other => out.extend_from_slice(&other.into_bytes()),
        }
        if out.len() + err.len() > MAX_ANSWER {
            return Err(Problem::internal("it said more than is read"));
        }
    }
    let ended = docker.inspect_container(container, None).await;
    let ended = ended.map_err(|error| engine::problem("tell how the look ended", &error))?;
    if ended.state.and_then(|state| state.exit_code) == Some(0) {
        return Ok(out);
    }
    Err(serde_json::from_slice(&out).unwrap_or_else(|_| {
        let said = cut(String::from_utf8_lossy(&err).trim().to_owned(), MAX_WORDS);
        Problem::internal(format!("the program ended early: {said}"))
    }))
}
