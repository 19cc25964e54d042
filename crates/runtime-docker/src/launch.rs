//! Starting an agent: from a launch to a host that answers.

use bollard::errors::Error;
use bollard::models::ContainerCreateBody;
use bollard::query_parameters::CreateContainerOptionsBuilder;
use parallax_api::{AgentId, Code, Problem};
use parallax_profile::{Launch, MountSource};
use parallax_runtime_core::HostAddress;

use crate::backend::DockerBackend;
use crate::container::{self, Circumstances};
use crate::engine;
use crate::ownership::{self, User};
use crate::start;

impl DockerBackend {
    pub(crate) async fn start(&self, id: &AgentId, launch: &Launch) -> Result<HostAddress, Problem> {
        let image = self.images.of(launch);
        let inspected = self.images.get(self.docker()?, &image).await?;
        let user = User::choose(self.user, launch, &inspected)?;
        let network = self.network.ensure(self.docker()?).await?;
        let host_volume = self.host_volume.ensure(self.docker()?, &image).await?;
        let credentials = self.credentials.get(&launch.profile.name).map_or(&[][..], Vec::as_slice);
        let around = Circumstances {
            id,
            image: &image,
            user,
            network: &network,
            host_volume,
            server: self.identity.server(),
            owner: &self.identity.owner(),
            credentials,
            read_only: self.read_only,
            engine_nano_cpus: self.engine_nano_cpus().await?,
        };
        self.check_mount(launch).await?;
        let name = container::name(id);
        self.create(&name, container::body(launch, &around)?, &image).await?;
        ownership::give(self.docker()?, &name, user, launch, credentials).await?;

        let launch = Launch { token: Some(self.identity.token(id)), image: Some(image), ..launch.clone() };
        if let Err(problem) = start::start(self.docker()?, &name, &launch).await {
            self.host_volume.doubt().await;
            return Err(problem);
        }
        let started = self.docker()?.inspect_container(&name, None).await;
        let started = started.map_err(|error| engine::problem("tell the agent's address", &error))?;
        Ok(self.reach.address(self.docker()?, id, started.network_settings.and_then(|of| of.networks)).await)
    }

    /// What the workdir was when the request was checked it must still be: fetching an image takes its time, and who works
    /// above the directory may put a link in its place. A volume that is made for reading only would stay empty.
    async fn check_mount(&self, launch: &Launch) -> Result<(), Problem> {
        let Some(mount) = &launch.mount else { return Ok(()) };
        let (code, why) = match &mount.source {
            MountSource::Directory(path) if path.canonicalize().is_ok_and(|real| real == *path) => {
                return Ok(());
            }
            MountSource::Directory(path) => (
                Code::WorkdirForbidden,
                format!("{} is not the directory any more that it was", path.display()),
            ),
            MountSource::Volume(_) if !mount.read_only => return Ok(()),
            MountSource::Volume(name) => match self.docker()?.inspect_volume(name).await {
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

    async fn create(&self, name: &str, body: ContainerCreateBody, image: &str) -> Result<(), Problem> {
        let options = CreateContainerOptionsBuilder::default().name(name).build();
        let made = self.docker()?.create_container(Some(options), body).await;
        let made = made.map_err(|error| refused(&error, image))?;
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
}

/// What the engine has against a container, in our codes.
fn refused(error: &Error, image: &str) -> Problem {
    let words = engine::words(error);
    match engine::status(error) {
        // Removed since it was looked for.
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
