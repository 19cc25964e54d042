//! Values that are shown to nobody.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An environment value: shown to nobody, logged by nobody, written on the wire to the agent's runtime and host only.
#[derive(Clone, Deserialize, ToSchema)]
#[schema(value_type = String)]
#[serde(transparent)]
pub struct EnvValue(SecretString);

impl EnvValue {
    /// The value itself. For the process that gets it, and nobody else.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl From<&str> for EnvValue {
    fn from(value: &str) -> Self {
        Self(SecretString::from(value))
    }
}

impl From<String> for EnvValue {
    fn from(value: String) -> Self {
        Self(SecretString::from(value))
    }
}

impl fmt::Debug for EnvValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl Serialize for EnvValue {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.expose())
    }
}
