//! The flags of a policy, and its sections of the configuration file.

use std::fmt;

use clap::Args;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};

use crate::args::flags_or_file;

/// What every runtime can be told of its agents. In the configuration file: `[policy]`, and for a class `[classes.NAME]`.
#[derive(Args, Clone, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct PolicyArgs {
    /// The most that an agent may ask for: cpu=4, memory=8Gi, disk=20Gi, pids=512, lifetime=8h, idle=1h; repeatable
    #[arg(long, value_name = "WHAT=AMOUNT")]
    #[serde(deserialize_with = "pairs")]
    pub max: Vec<String>,
    /// What an agent has whose request names nothing, such as memory=2Gi; repeatable
    #[arg(long, value_name = "WHAT=AMOUNT")]
    #[serde(deserialize_with = "pairs")]
    pub default: Vec<String>,
    /// Images that requests may name: `*` stands for any text without `/`, `**` for any text; repeatable [default: any]
    #[arg(long, value_name = "PATTERN")]
    pub allow_image: Vec<String>,
    /// A variable of every agent, unless its request sets it; repeatable
    #[arg(long, value_name = "NAME=VALUE")]
    #[serde(deserialize_with = "pairs")]
    pub agent_env: Vec<String>,
    /// Certificates that agents trust, a whole bundle: a file (Kubernetes: a ConfigMap with the key ca.crt)
    #[arg(long, value_name = "BUNDLE")]
    pub ca_bundle: Option<String>,
    /// The proxy of agents for http
    #[arg(long, value_name = "URL")]
    pub http_proxy: Option<String>,
    /// The proxy of agents for https
    #[arg(long, value_name = "URL")]
    pub https_proxy: Option<String>,
    /// What agents reach without a proxy
    #[arg(long, value_name = "NAMES")]
    pub no_proxy: Option<String>,
    /// The class of agents whose request names none
    #[arg(long = "default-class", value_name = "CLASS")]
    #[serde(rename = "default-class")]
    pub class: Option<String>,
    /// What a class is for.
    #[arg(skip)]
    pub description: Option<String>,
}

/// The keys of [`PolicyArgs`]; others in a section are the place's.
const KEYS: [&str; 10] = [
    "max",
    "default",
    "allow-image",
    "agent-env",
    "ca-bundle",
    "http-proxy",
    "https-proxy",
    "no-proxy",
    "default-class",
    "description",
];

impl PolicyArgs {
    /// These flags, and what the configuration file says where they say nothing.
    #[must_use]
    pub fn or(self, file: Self) -> Self {
        Self {
            max: flags_or_file(self.max, file.max),
            default: flags_or_file(self.default, file.default),
            allow_image: flags_or_file(self.allow_image, file.allow_image),
            agent_env: flags_or_file(self.agent_env, file.agent_env),
            ca_bundle: self.ca_bundle.or(file.ca_bundle),
            http_proxy: self.http_proxy.or(file.http_proxy),
            https_proxy: self.https_proxy.or(file.https_proxy),
            no_proxy: self.no_proxy.or(file.no_proxy),
            class: self.class.or(file.class),
            description: self.description.or(file.description),
        }
    }
}

/// By hand: values of variables and proxies' passwords are not for logs.
impl fmt::Debug for PolicyArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PolicyArgs")
            .field("max", &self.max)
            .field("default", &self.default)
            .field("allow_image", &self.allow_image)
            .finish_non_exhaustive()
    }
}

/// A section: what every runtime knows, and what the place of its agents has besides.
#[derive(Args, Clone, Debug, Default)]
pub struct PolicySection<P: Args> {
    /// What every runtime knows.
    #[command(flatten)]
    pub rules: PolicyArgs,
    /// What containers, or pods, have besides.
    #[command(flatten)]
    pub place: P,
}

impl<'de, P: Args + DeserializeOwned> Deserialize<'de> for PolicySection<P> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (rules, place): (toml::Table, toml::Table) = toml::Table::deserialize(deserializer)?
            .into_iter()
            .partition(|(key, _)| KEYS.contains(&key.as_str()));
        let rules = toml::Value::Table(rules).try_into().map_err(D::Error::custom)?;
        let place = toml::Value::Table(place).try_into().map_err(D::Error::custom)?;
        Ok(Self { rules, place })
    }
}

/// For agents that are plain processes: there is nothing besides.
#[derive(Args, Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoPlace {}

/// `{cpu = "2", pids = 512}` or `["cpu=2", "pids=512"]`, as flags have them. For `deserialize_with`.
///
/// # Errors
/// When it is neither.
pub fn pairs<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Pairs {
        Table(toml::Table),
        List(Vec<String>),
    }
    let pair = |(name, value): (String, toml::Value)| match value {
        toml::Value::String(text) => Ok(format!("{name}={text}")),
        // What makes files of values may write every number as a float.
        toml::Value::Float(number) => Ok(format!("{name}={number}")),
        toml::Value::Integer(number) => Ok(format!("{name}={number}")),
        _ => Err(D::Error::custom(format!("`{name}` is a text or a number"))),
    };
    match Pairs::deserialize(deserializer)? {
        Pairs::Table(table) => table.into_iter().map(pair).collect(),
        Pairs::List(texts) => Ok(texts),
    }
}
