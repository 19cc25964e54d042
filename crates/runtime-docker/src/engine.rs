//! The engine's API: connecting to it, and its refusals in the words of ours.

use bollard::Docker;
use bollard::errors::Error;
use parallax_api::{Code, Problem};

/// A client of the engine that `DOCKER_HOST` names, or of the local one. Talks to nobody yet.
///
/// # Errors
/// When `DOCKER_HOST` names what cannot be spoken to.
pub(crate) fn connect() -> anyhow::Result<Docker> {
    Ok(Docker::connect_with_defaults()?)
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
