//! Starting an agent: from a launch to a host that answers.

use bollard::errors::Error;
use bollard::models::ContainerCreateBody;
use bollard::query_parameters::CreateContainerOptionsBuilder;
use parallax_api::{AgentId, Code, Problem};
use parallax_profile::{Launch, MountSource};
use parallax_runtime_core::HostAddress;

use crate::container::{self, ContainerParams};
use crate::context::Context;
use crate::layout::container_name;
use crate::user::User;
use crate::{directories, engine, start};

/// Starts a container and gives its host the launch.
pub(crate) async fn launch(context: &Context, id: &AgentId, launch: &Launch) -> Result<HostAddress, Problem> {
    let image = context.images.of(launch);
    let inspected = context.images.get(context.docker()?, &image).await?;
    let user = User::choose(context.user, launch, &inspected)?;
    let network = context.network.ensure(context.docker()?).await?;
    let host_volume = context.host_volume.ensure(context.docker()?, &image).await?;
    let credentials = context.credentials.get(&launch.profile.name).map_or(&[][..], Vec::as_slice);
    let params = ContainerParams {
        id,
        image: &image,
        user,
        network: &network,
        host_volume,
        server: context.identity.server(),
        owner: &context.identity.owner(),
        credentials,
        read_only: context.read_only,
        engine_nano_cpus: context.engine_nano_cpus().await?,
    };
    check_mount(context, launch).await?;
    let name = container_name(id);
    create(context, &name, container::body(launch, &params)?, &image).await?;
    directories::prepare(context.docker()?, &name, user, launch, credentials).await?;

    let launch = Launch { token: Some(context.identity.token(id)), image: Some(image), ..launch.clone() };
    if let Err(problem) = start::start(context.docker()?, &name, &launch).await {
        context.host_volume.invalidate().await;
        return Err(problem);
    }
    let started = context.docker()?.inspect_container(&name, None).await;
    let started = started.map_err(|error| engine::problem("tell the agent's address", &error))?;
    Ok(context
        .connector
        .address(context.docker()?, id, started.network_settings.and_then(|of| of.networks))
        .await)
}

/// Checks the workdir once more: pulling an image takes time, and another user of the machine may have replaced the
/// directory by a link. A volume that is made to be read only would stay empty.
async fn check_mount(context: &Context, launch: &Launch) -> Result<(), Problem> {
    let Some(mount) = &launch.mount else { return Ok(()) };
    let (code, why) = match &mount.source {
        MountSource::Directory(path) if path.canonicalize().is_ok_and(|real| real == *path) => {
            return Ok(());
        }
        MountSource::Directory(path) => {
            (Code::WorkdirForbidden, format!("{} is not the directory any more that it was", path.display()))
        }
        MountSource::Volume(_) if !mount.read_only => return Ok(()),
        MountSource::Volume(name) => match context.docker()?.inspect_volume(name).await {
            Ok(_) => return Ok(()),
            Err(error) if engine::is_missing(&error) => (
                Code::WorkdirNotFound,
                format!(
                    "there is no volume `{name}`, and one that is made for reading only would stay empty"
                ),
            ),
            Err(error) => return Err(engine::problem("look for the volume", &error)),
        },
    };
    Err(Problem::new(code, why).with("field", "workdir"))
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
        Some(400) if words.contains("CPUs") => Problem::invalid("resources.cpu", words),
        Some(409) => Problem::new(Code::Conflict, words),
        Some(_) => Problem::new(
            Code::SpawnFailed,
            format!("the Docker engine would not make the container: {words}"),
        ),
        None => engine::away(error),
    }
}
