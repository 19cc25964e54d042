//! Which image an agent gets, and getting it.

use std::collections::BTreeMap;

use bollard::Docker;
use bollard::auth::DockerCredentials;
use bollard::errors::Error;
use bollard::models::{CreateImageInfo, ImageInspect};
use bollard::query_parameters::{CreateImageOptionsBuilder, ListImagesOptions};
use clap::ValueEnum;
use docker_credential::{CredentialRetrievalError, DockerCredential};
use futures::TryStreamExt;
use parallax_api::runtime::TypeInfo;
use parallax_api::{AgentId, Code, Problem};
use parallax_profile::{Launch, Profile, Profiles};
use serde::Deserialize;

use crate::engine;
use crate::pull_metrics::PullMetrics;
use crate::pull_progress::PullProgress;

/// The registry of names without one, as the user's configuration calls it.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";

/// When an image is fetched from its registry; as `docker run --pull` has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pull {
    /// Before each start.
    Always,
    /// When the engine does not have it.
    #[default]
    Missing,
    /// Not by this server.
    Never,
}

/// The images of the agent types.
#[derive(Clone, Debug)]
pub(crate) struct Images {
    named: BTreeMap<String, String>,
    pull: Pull,
    /// How fetches went.
    pub(crate) pulls: PullMetrics,
    /// How far they are.
    pub(crate) progress: PullProgress,
}

impl Images {
    pub(crate) fn new(named: BTreeMap<String, String>, pull: Pull) -> Self {
        Self { named, pull, pulls: PullMetrics::default(), progress: PullProgress::default() }
    }

    /// The image of a launch: the request's, the one named for its type, or the one that `make images` builds for it.
    pub(crate) fn of(&self, launch: &Launch) -> String {
        launch.image.clone().unwrap_or_else(|| self.of_type(&launch.profile.name))
    }

    /// The image of a type.
    pub(crate) fn of_type(&self, name: &str) -> String {
        self.named.get(name).cloned().unwrap_or_else(|| default_image(name))
    }

    /// Makes sure that the engine has `image`, for an agent. Fails with `IMAGE_NOT_FOUND` and what its registry said.
    pub(crate) async fn get(
        &self,
        docker: &Docker,
        image: &str,
        id: &AgentId,
    ) -> Result<ImageInspect, Problem> {
        let is_here = match self.pull {
            Pull::Always => None,
            Pull::Missing | Pull::Never => inspect(docker, image).await?,
        };
        if let Some(found) = is_here {
            return Ok(found);
        }
        if self.pull == Pull::Never {
            return Err(not_found(image, None));
        }
        // In a task of its own: it goes on when the spawn is given up, and the next one finds the image.
        let (engine, name, pulls) = (docker.clone(), image.to_owned(), self.pulls.clone());
        let (progress, of) = (self.progress.clone(), id.clone());
        let _waiting = self.progress.begin(id, image);
        let pulling =
            async move { pulls.measured(pull(&engine, &name, |step| progress.step(&of, step))).await };
        let pulling = tokio::spawn(pulling);
        self.progress.runs(id, pulling.abort_handle());
        let pulled = pulling.await.map_err(Problem::internal)?;
        pulled.map_err(|why| not_found(image, Some(&why)))?;
        inspect(docker, image).await?.ok_or_else(|| not_found(image, None))
    }

    /// Which agent types can be run with the images there are.
    pub(crate) async fn types(&self, docker: &Docker, profiles: &Profiles) -> Result<Vec<TypeInfo>, Error> {
        let here = docker.list_images(None::<ListImagesOptions>).await?;
        let tags: Vec<&String> =
            here.iter().flat_map(|image| image.repo_tags.iter().chain(&image.repo_digests)).collect();
        let is_here = |image: &str| tags.iter().any(|tag| **tag == with_tag(image));
        Ok(profiles.iter().map(|profile| self.info(profile, is_here)).collect())
    }

    fn info(&self, profile: &Profile, is_here: impl Fn(&str) -> bool) -> TypeInfo {
        let image = self.of_type(&profile.name);
        // What an operator named is believed to be in its registry; the names of our own images are in none.
        let is_fetched = self.pull != Pull::Never && self.named.contains_key(&profile.name);
        let available = is_fetched || is_here(&image);
        let reason = (!available).then(|| not_found(&image, None).detail);
        TypeInfo { name: profile.name.clone(), available, reason, version: None }
    }
}

/// What `make images` calls the image of a built-in type.
fn default_image(name: &str) -> String {
    format!("parallax-agent-{name}:latest")
}

async fn inspect(docker: &Docker, image: &str) -> Result<Option<ImageInspect>, Problem> {
    match docker.inspect_image(image).await {
        Ok(found) => Ok(Some(found)),
        Err(error) if engine::is_missing(&error) => Ok(None),
        Err(error) if engine::status(&error) == Some(400) => {
            Err(Problem::invalid("image", engine::words(&error)))
        }
        Err(error) => Err(engine::problem("look for the image", &error)),
    }
}

/// Fetches the image; what the registry or the engine said when that cannot be.
async fn pull(docker: &Docker, image: &str, mut on_step: impl FnMut(&CreateImageInfo)) -> Result<(), String> {
    let registry = registry(image).to_owned();
    let credentials = tokio::task::spawn_blocking(move || credentials(&registry)).await.unwrap_or_default();
    let options = CreateImageOptionsBuilder::default().from_image(&with_tag(image)).build();
    tracing::info!(image, "fetching an image");
    let mut progress = docker.create_image(Some(options), None, credentials);
    loop {
        match progress.try_next().await {
            Ok(Some(step)) => {
                on_step(&step);
                if let Some(error) = step.error_detail {
                    return Err(error.message.unwrap_or_default());
                }
            }
            Ok(None) => return Ok(()),
            Err(error) => return Err(engine::words(&error)),
        }
    }
}

/// What the user's Docker configuration has for this registry.
fn credentials(registry: &str) -> Option<DockerCredentials> {
    match docker_credential::get_credential(registry) {
        Ok(DockerCredential::UsernamePassword(username, password)) => Some(DockerCredentials {
            username: Some(username),
            password: Some(password),
            serveraddress: Some(registry.to_owned()),
            ..DockerCredentials::default()
        }),
        Ok(DockerCredential::IdentityToken(token)) => Some(DockerCredentials {
            identitytoken: Some(token),
            serveraddress: Some(registry.to_owned()),
            ..DockerCredentials::default()
        }),
        // What cannot be read is mostly not there: nobody has logged in to any registry.
        Err(
            CredentialRetrievalError::NoCredentialConfigured
            | CredentialRetrievalError::ConfigNotFound
            | CredentialRetrievalError::ConfigReadError,
        ) => None,
        Err(error) => {
            tracing::warn!(registry, %error, "the registry's credentials cannot be read; going on without");
            None
        }
    }
}

/// The registry of an image reference: what stands before the first slash when it looks like a host.
fn registry(image: &str) -> &str {
    match image.split_once('/') {
        Some(("docker.io" | "index.docker.io", _)) => DOCKER_HUB,
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => host,
        _ => DOCKER_HUB,
    }
}

/// A reference without tag or digest means `latest`: the engine would fetch every tag there is.
fn with_tag(image: &str) -> String {
    let name = image.rsplit('/').next().unwrap_or(image);
    if name.contains([':', '@']) { image.to_owned() } else { format!("{image}:latest") }
}

fn not_found(image: &str, why: Option<&str>) -> Problem {
    let why = why.map(|why| format!(" and cannot be fetched ({why})")).unwrap_or_default();
    Problem::new(
        Code::ImageNotFound,
        format!(
            "the engine has no image `{image}`{why}; build it (`make images` builds those of the built-in types), \
             name another in `image`, or start the runtime with --image TYPE=IMAGE"
        ),
    )
    .with("image", image)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references() {
        for (image, host, tagged) in [
            ("debian", DOCKER_HUB, "debian:latest"),
            ("debian:12", DOCKER_HUB, "debian:12"),
            ("team/agent", DOCKER_HUB, "team/agent:latest"),
            ("docker.io/team/agent", DOCKER_HUB, "docker.io/team/agent:latest"),
            ("localhost/agent", "localhost", "localhost/agent:latest"),
            ("localhost:5000/agent", "localhost:5000", "localhost:5000/agent:latest"),
            ("registry.example/a/b:1", "registry.example", "registry.example/a/b:1"),
            ("debian@sha256:00", DOCKER_HUB, "debian@sha256:00"),
        ] {
            assert_eq!((registry(image), with_tag(image).as_str()), (host, tagged), "{image}");
        }
    }

    #[test]
    fn a_type_can_be_run_when_its_image_is_here_or_was_named() {
        let profiles = Profiles::builtin();
        let (claude, codex) = (profiles.get("claude").unwrap(), profiles.get("codex").unwrap());
        let named = BTreeMap::from([("claude".to_owned(), "registry.example/claude".to_owned())]);
        let nothing = |_: &str| false;
        let images = Images::new(named.clone(), Pull::Missing);
        assert!(images.info(&claude, nothing).available, "it is fetched when it is needed");
        assert!(!Images::new(named, Pull::Never).info(&claude, nothing).available);
        let reason = images.info(&codex, nothing).reason.unwrap();
        assert!(reason.contains("parallax-agent-codex:latest") && reason.contains("make images"), "{reason}");
        assert!(images.info(&codex, |image| image == "parallax-agent-codex:latest").available);
    }
}
