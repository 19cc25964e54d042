//! What the commands share.

use std::time::Duration;

use parallax_api::client::{Client, Retry};
use secrecy::SecretString;

use crate::error::CliError;
use crate::output::Output;

/// A server that comes back within two minutes is followed further.
pub(crate) const RETRY: Retry = Retry {
    first: Duration::from_millis(100),
    longest: Duration::from_secs(3),
    attempts: None,
    patience: Some(Duration::from_secs(120)),
};

/// The client and where output goes.
pub(crate) struct Context {
    pub(crate) client: Client,
    pub(crate) output: Output,
}

impl Context {
    /// For the control plane at `url`. Fails when `url` or the token cannot be used.
    pub(crate) fn new(url: &str, token: Option<SecretString>, output: Output) -> Result<Self, CliError> {
        Ok(Self { client: Client::control_plane(url, token)?, output })
    }
}
