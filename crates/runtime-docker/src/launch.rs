//! Starting an agent: from a launch to a host that answers.

use std::time::Duration;

use bollard::errors::Error;
use bollard::models::{ContainerCreateBody, ImageInspect};
use bollard::query_parameters::CreateContainerOptionsBuilder;
use parallax_api::{AgentId, Code, Problem};
use parallax_profile::{Launch, MountSource};
use parallax_runtime_core::HostAddress;

use crate::container::{self, ContainerParams};
use crate::context::Context;
use crate::layout::{container_name, label};
use crate::policy::DISK;
use crate::user::User;
use crate::volumes::{self, Missing, Workspace};
use crate::{directories, engine, pool, removal, start};

/// Starts a container and gives its host the launch.
pub(crate) async fn launch(context: &Context, id: &AgentId, launch: &Launch) -> Result<HostAddress, Problem> {
    let docker = context.docker()?;
    let image = context.images.of(launch);
    let inspected = context.images.get(docker, &image, id).await?;
    let name = container_name(id);
    let of_host = |launch: &Launch| -> Result<Launch, Problem> {
        let token = Some(context.identity.token(id));
        let mut given = Launch { token, image: Some(image.clone()), ..launch.clone() };
        given.resources.disk = Some(disk(launch)?.to_string());
        Ok(given)
    };
    if let Some(attached) = pool::claim::claim(context, id, launch, inspected.id.as_deref()).await {
        start::hand_over(docker, &name, attached, &of_host(launch)?).await?;
        return address(context, id, &name).await;
    }
    refuse_remapped(context, launch).await?;
    let user = User::choose(context.user, launch, &inspected)?;
    let workspace = admit_workdir(context, launch, &image, user).await?;
    let made = Made { name: &name, id, is_pooled: false };
    if let Err(problem) = prepare(context, &made, launch, &image, user, workspace).await {
        if let (Some(Workspace::Created), Some(volume)) = (workspace, volume(launch)) {
            // The container uses it; the server would remove it as well.
            removal::remove(context, id, Duration::ZERO).await?;
            volumes::discard(docker, volume).await;
        }
        return Err(problem);
    }
    // The last step before the start: from here on the program gets secrets.
    context.host_volume.verify(docker, &name, &image).await?;

    start::start(docker, &name, &of_host(launch)?).await?;
    address(context, id, &name).await
}

/// Where the host in a container that runs answers.
async fn address(context: &Context, id: &AgentId, name: &str) -> Result<HostAddress, Problem> {
    let docker = context.docker()?;
    let started = docker.inspect_container(name, None).await;
    let started = started.map_err(|error| engine::problem("tell the agent's address", &error))?;
    let networks = started.network_settings.and_then(|settings| settings.networks);
    Ok(context.connector.address(docker, id, networks).await)
}

/// A container that waits for an agent: made and verified, not started. Answers its image.
pub(crate) async fn make_pooled(
    context: &Context,
    name: &str,
    id: &AgentId,
    template: &Launch,
    image: &str,
) -> Result<ImageInspect, Problem> {
    let docker = context.docker()?;
    let inspected = context.images.get(docker, image, id).await?;
    let user = User::choose(context.user, template, &inspected)?;
    prepare(context, &Made { name, id, is_pooled: true }, template, image, user, None).await?;
    context.host_volume.verify(docker, name, image).await?;
    Ok(inspected)
}

/// Whose container is made.
struct Made<'a> {
    name: &'a str,
    id: &'a AgentId,
    is_pooled: bool,
}

/// Makes the container and its directories.
async fn prepare(
    context: &Context,
    made: &Made<'_>,
    launch: &Launch,
    image: &str,
    user: User,
    workspace: Option<Workspace>,
) -> Result<(), Problem> {
    let docker = context.docker()?;
    let credentials = context.credentials.get(&launch.profile.name).map_or(&[][..], Vec::as_slice);
    let mut params = ContainerParams {
        id: made.id,
        is_pooled: made.is_pooled,
        image,
        user,
        network: &context.network.ensure(docker).await?,
        host_volume: &context.host_volume.ensure(docker, image).await?,
        server: context.identity.server(),
        owner: &context.identity.owner(),
        credentials,
        read_only: context.read_only,
        place: context.places.get(launch.agent.class.as_deref()),
        storage_limit: context.storage.limit(docker, disk(launch)?).await?,
        engine_nano_cpus: context.engine_nano_cpus().await?,
    };
    let name = made.name;
    match create(context, name, container::body(launch, &params)?, image).await {
        Err(problem) if params.storage_limit.is_some() && context.storage.is_refusal(&problem) => {
            params.storage_limit = None;
            create(context, name, container::body(launch, &params)?, image).await?;
        }
        made => made?,
    }
    let root = context.host_volume.root(docker).await?;
    directories::prepare(docker, name, user, launch, workspace, credentials, root).await
}

/// A directory of the machine cannot be worked in where the engine remaps users. Asked before anybody is told to give it to another user.
async fn refuse_remapped(context: &Context, launch: &Launch) -> Result<(), Problem> {
    let is_directory =
        launch.mount.as_ref().is_some_and(|mount| matches!(mount.source, MountSource::Directory(_)));
    if is_directory && context.remaps_users().await? {
        let why = "the engine gives the users of containers other numbers on the machine (userns-remap), so directories of the machine \
                   are nobody's in a container; name a volume";
        return Err(Problem::new(Code::Unsupported, why).with("field", "workdir"));
    }
    Ok(())
}

/// Checks the workdir once more: pulling an image takes time, and another user of the machine may have replaced the
/// directory by a link. A volume is checked against the policy, and made when there is none.
async fn admit_workdir(
    context: &Context,
    launch: &Launch,
    image: &str,
    user: User,
) -> Result<Option<Workspace>, Problem> {
    let Some(mount) = &launch.mount else { return Ok(None) };
    let forbidden = |why: String| Problem::new(Code::WorkdirForbidden, why).with("field", "workdir");
    match &mount.source {
        MountSource::Directory(path) => {
            if path.canonicalize().is_ok_and(|real| real != *path) || !path.exists() {
                let why = format!("{} is not the directory any more that it was", path.display());
                return Err(forbidden(why));
            }
            let state = &context.state_dir;
            if path.starts_with(state) || state.starts_with(path) {
                let why = format!(
                    "the state of the runtime is in {}, and no agent may have it; name a directory beside it",
                    state.display()
                );
                return Err(forbidden(why));
            }
            Ok(None)
        }
        MountSource::Volume(name) => {
            let (checkout, user) = (launch.checkout.as_ref(), user.to_string());
            let of_workspace = checkout.map(|checkout| {
                [(label::WORKSPACE, checkout.id.as_str()), (label::IMAGE, image), (label::USER, &user)]
            });
            let missing = match (checkout, mount.read_only) {
                (Some(checkout), _) if checkout.id != launch.agent.id => {
                    Missing::Refuse(", which the workspace was on")
                }
                (_, true) => Missing::Refuse(", and one that is made to be read only would stay empty"),
                _ => Missing::Make(of_workspace.as_ref().map_or(&[], |labels| labels.as_slice())),
            };
            context.volumes.admit(context.docker()?, name, missing).await.map(Some)
        }
    }
}

/// The disk space of the agent, in bytes.
fn disk(launch: &Launch) -> Result<u64, Problem> {
    Ok(launch.resources.disk_bytes()?.unwrap_or(DISK))
}

/// The volume that the launch names as workdir.
fn volume(launch: &Launch) -> Option<&str> {
    match &launch.mount.as_ref()?.source {
        MountSource::Volume(name) => Some(name),
        MountSource::Directory(_) => None,
    }
}

async fn create(
    context: &Context,
    name: &str,
    body: ContainerCreateBody,
    image: &str,
) -> Result<(), Problem> {
    let options = CreateContainerOptionsBuilder::default().name(name).build();
    let made = context.docker()?.create_container(Some(options), body).await;
    let made = made.map_err(|error| create_problem(&error, image))?;
    // A limit that the kernel cannot keep is one that was not given: "Your kernel does not support …".
    // Without accounting of swap the memory is limited all the same.
    let is_lost = |warning: &&String| warning.contains("not support") && !warning.contains("swap");
    match made.warnings.iter().find(is_lost) {
        Some(warning) => Err(Problem::new(
            Code::Unsupported,
            format!("the Docker engine cannot keep the agent's limits: {}", warning.trim()),
        )
        .with("field", "resources")),
        None => Ok(()),
    }
}

/// Why the engine would not make a container, in our codes.
fn create_problem(error: &Error, image: &str) -> Problem {
    let words = engine::words(error);
    match engine::status(error) {
        // Removed since it was inspected.
        Some(404) if words.contains("image") => {
            Problem::new(Code::ImageNotFound, format!("the image `{image}` is gone: {words}"))
                .with("image", image)
        }
        Some(400) if words.to_lowercase().contains("memory limit") => {
            Problem::invalid("resources.memory", words)
        }
        // A runtime of the policy that the engine does not have.
        Some(400) if words.to_lowercase().contains("runtime") => {
            Problem::new(Code::Unsupported, format!("the Docker engine cannot run the agent so: {words}"))
                .with("field", "class")
        }
        Some(400) if words.contains("CPUs") => Problem::invalid("resources.cpu", words),
        Some(409) => Problem::new(Code::Conflict, words),
        Some(_) => Problem::new(
            Code::SpawnFailed,
            format!("the Docker engine would not make the container: {words}"),
        ),
        None => engine::away(error),
    }
}
