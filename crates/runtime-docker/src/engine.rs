//! The engine's API: connecting to it, and its refusals in the words of ours.

use std::sync::OnceLock;

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

/// A client of the engine; its socket must be there.
pub(crate) fn connect() -> Result<Docker, Error> {
    Docker::connect_with_defaults()
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
        other => other.to_string(),
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
