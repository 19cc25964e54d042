//! The configuration file: TOML, the names of the flags.

use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// The keys every server knows.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct File {
    pub listen: Option<String>,
    pub state_dir: Option<PathBuf>,
    pub profiles: Option<PathBuf>,
    pub max_agents: Option<usize>,
    pub log: Option<String>,
    pub token_file: Option<PathBuf>,
    pub insecure_no_auth: bool,
    pub allow_host: Vec<String>,
    pub allow_origin: Vec<String>,
}

const COMMON: [&str; 9] = [
    "listen",
    "state-dir",
    "profiles",
    "max-agents",
    "log",
    "token-file",
    "insecure-no-auth",
    "allow-host",
    "allow-origin",
];

/// For a server whose file has the common keys only.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoExtraKeys {}

/// Reads the file, if there is one, into the common keys and the server's own.
pub(super) fn read<More: DeserializeOwned>(path: Option<&Path>) -> anyhow::Result<(File, More)> {
    let Some(path) = path else { return parse("") };
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("failed to read the configuration file {}", path.display()))?;
    parse(&text).with_context(|| format!("failed to use the configuration file {}", path.display()))
}

fn parse<More: DeserializeOwned>(text: &str) -> anyhow::Result<(File, More)> {
    let (common, own) =
        text.parse::<toml::Table>()?.into_iter().partition(|(key, _)| COMMON.contains(&key.as_str()));
    let file = toml::Value::Table(common).try_into()?;
    let more = toml::Value::Table(own)
        .try_into()
        .with_context(|| format!("besides its own keys a server knows {}", COMMON.join(", ")))?;
    Ok((file, more))
}
