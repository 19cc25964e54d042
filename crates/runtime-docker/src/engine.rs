//! The engine's API: connecting to it, and its refusals in the words of ours.

use std::sync::OnceLock;
use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error;
use parallax_api::{Code, Problem};

/// The engine that `DOCKER_HOST` names, or the one of this machine.
#[derive(Default)]
pub(crate) struct Engine(OnceLock<Docker>);

impl Engine {
    /// A client of it. It is made when it is first asked for: one whose socket is not there may come later.
    ///
    /// Fails with `RUNTIME_UNAVAILABLE`.
    pub(crate) fn docker(&self) -> Result<&Docker, Problem> {
        if let Some(docker) = self.0.get() {
            return Ok(docker);
        }
        let docker = connect().map_err(|error| away(&error))?;
        Ok(self.0.get_or_init(|| docker))
    }
}

/// How long the engine may take for an answer. Removing a container on a loaded machine takes the longest.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A client of the engine; its socket must be there.
pub(crate) fn connect() -> Result<Docker, Error> {
    // A variable that is empty is one that is not set, as for `docker` itself.
    let named = std::env::var_os("DOCKER_HOST").is_some_and(|host| !host.is_empty());
    let docker = if named { Docker::connect_with_defaults() } else { Docker::connect_with_unix_defaults() };
    docker.map(|docker| docker.with_timeout(TIMEOUT))
}

/// What cannot be done with the engine that the environment names.
///
/// # Errors
/// For an engine behind TLS: this client does not speak it, and would speak in the clear.
pub(crate) fn check_environment() -> anyhow::Result<()> {
    let tls = ["DOCKER_TLS_VERIFY", "DOCKER_TLS"]
        .iter()
        .find(|name| std::env::var_os(name).is_some_and(|v| !v.is_empty()));
    if let Some(name) = tls {
        anyhow::bail!(
            "{name} is set, and engines behind TLS are not supported; use a Unix socket (`ssh -L` brings one here)"
        );
    }
    Ok(())
}

/// `404`: there is no such thing.
pub(crate) fn is_missing(error: &Error) -> bool {
    status(error) == Some(404)
}

/// `409`: there is one already, or it is being removed.
pub(crate) fn is_conflict(error: &Error) -> bool {
    status(error) == Some(409)
}

pub(crate) fn status(error: &Error) -> Option<u16> {
    match error {
        Error::DockerResponseServerError { status_code, .. } => Some(*status_code),
        _ => None,
    }
}

/// What the engine said, without this client's words around it.
pub(crate) fn words(error: &Error) -> String {
    match error {
        Error::DockerResponseServerError { message, .. } => message.trim().to_owned(),
        Error::DockerStreamError { error } => error.trim().to_owned(),
        // The outermost error says that a connection failed, the innermost one why.
        other => {
            let mut cause: &dyn std::error::Error = other;
            while let Some(inner) = cause.source() {
                cause = inner;
            }
            cause.to_string()
        }
    }
}

/// The engine refused or is away: `RUNTIME_UNAVAILABLE` for one that does not answer, else `INTERNAL` with its words.
pub(crate) fn problem(what: &str, error: &Error) -> Problem {
    match status(error) {
        Some(_) => Problem::internal(format!("the Docker engine would not {what}: {}", words(error))),
        None => away(error),
    }
}

/// `RUNTIME_UNAVAILABLE`: the engine does not answer.
pub(crate) fn away(error: &Error) -> Problem {
    Problem::new(
        Code::RuntimeUnavailable,
        format!(
            "the Docker engine does not answer ({}); is it running, and may this user use it? (DOCKER_HOST names another)",
            words(error)
        ),
    )
}
