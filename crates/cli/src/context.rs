//! What the commands share.

use parallax_api::client::Client;
use secrecy::SecretString;

use crate::error::CliError;
use crate::output::Output;

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
