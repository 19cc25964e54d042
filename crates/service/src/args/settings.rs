//! The resolved settings, and how each one is found.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use secrecy::{ExposeSecret, SecretString};

use super::file::File;
use super::{ArgsEnvironment, ServerArgs};
use crate::access::{AccessConfig, Scope, Token, WithoutToken};

/// The configuration of a server, resolved and checked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Where to keep what outlives the server.
    pub state_dir: PathBuf,
    /// More agent profiles.
    pub profiles: Option<PathBuf>,
    /// Agents that may run at once; none: the server's own default.
    pub max_agents: Option<usize>,
    /// The log filter.
    pub log: String,
    /// Who may call. Empty: whoever `without_token` lets in.
    pub tokens: Vec<Token>,
    /// Who may call where there are no tokens.
    pub without_token: WithoutToken,
    /// More names of this server.
    pub allow_hosts: Vec<String>,
    /// Origins of pages elsewhere that may use it.
    pub allow_origins: Vec<String>,
}

impl Settings {
    pub(super) fn resolve_in(
        args: &ServerArgs,
        file: File,
        environment: ArgsEnvironment,
        name: &str,
        port: u16,
    ) -> anyhow::Result<Self> {
        let listen = match non_empty(&args.listen).or(environment.port.as_ref()).or(file.listen.as_ref()) {
            Some(text) => parse_listen(text)?,
            None => SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        };
        let tokens = tokens(
            environment.api_token.as_ref(),
            args.token_file.as_deref().or(file.token_file.as_deref()),
        )?;
        let insecure = args.insecure_no_auth || file.insecure_no_auth;
        ensure!(
            listen.ip().is_loopback() || !tokens.is_empty() || insecure,
            "{listen} can be reached from elsewhere, and whoever reaches this server owns the machine: set \
             PARALLAX_API_TOKEN or --token-file, or say --insecure-no-auth"
        );
        let max_agents = args.max_agents.or(file.max_agents);
        ensure!(max_agents != Some(0), "max-agents is at least 1");
        let state_dir = match args.state_dir.clone().or(file.state_dir) {
            Some(dir) => dir,
            None => state_dir(&environment, name)?,
        };
        let either =
            |flags: &[String], file: Vec<String>| if flags.is_empty() { file } else { flags.to_vec() };
        Ok(Self {
            listen,
            state_dir,
            profiles: args.profiles.clone().or(file.profiles),
            max_agents,
            log: non_empty(&args.log).cloned().or(file.log).unwrap_or_else(|| "info".into()),
            tokens,
            without_token: if insecure { WithoutToken::Anyone } else { WithoutToken::OwnAccount },
            allow_hosts: either(&args.allow_host, file.allow_host),
            allow_origins: either(&args.allow_origin, file.allow_origin),
        })
    }

    /// The access control of these settings; the caller adds its open paths.
    pub fn access(&self) -> AccessConfig {
        AccessConfig {
            listen: Some(self.listen.ip()),
            tokens: self.tokens.clone(),
            without_token: self.without_token,
            allowed_hosts: self.allow_hosts.clone(),
            allowed_origins: self.allow_origins.clone(),
            ..AccessConfig::default()
        }
    }
}

/// The value; an empty variable (`LOG_LEVEL=`) counts as absent.
fn non_empty(value: &Option<String>) -> Option<&String> {
    value.as_ref().filter(|value| !value.trim().is_empty())
}

/// `ADDR:PORT`, `localhost:PORT`, or a port of 127.0.0.1.
///
/// # Errors
/// When it is none of these.
pub fn parse_listen(text: &str) -> anyhow::Result<SocketAddr> {
    let text = text.trim();
    if let Ok(port) = text.parse() {
        return Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    }
    if let Some(port) = text.strip_prefix("localhost:").and_then(|port| port.parse().ok()) {
        return Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    }
    text.parse().with_context(|| {
        let hint = match text.parse::<IpAddr>() {
            Ok(address) => format!("; a port is missing, as in {}", SocketAddr::from((address, 3000))),
            Err(_) => "; for every address of the machine say 0.0.0.0:PORT".into(),
        };
        format!("`{text}` is not an address and port such as 127.0.0.1:3000{hint}")
    })
}

/// `parallax/NAME` in the user's state directory.
///
/// # Errors
/// When the environment has neither `XDG_STATE_HOME` nor `HOME`.
pub fn state_dir(environment: &ArgsEnvironment, name: &str) -> anyhow::Result<PathBuf> {
    let state_home = environment
        .state_home
        .clone()
        // The XDG specification: relative paths are not valid and are ignored.
        .filter(|path| path.is_absolute())
        .or_else(|| environment.home.as_ref().map(|home| home.join(".local/state")))
        .context("neither XDG_STATE_HOME nor HOME is set: say --state-dir DIR")?;
    Ok(state_home.join("parallax").join(name))
}

fn tokens(from_environment: Option<&SecretString>, file: Option<&Path>) -> anyhow::Result<Vec<Token>> {
    let mut tokens = Vec::new();
    if let Some(secret) = from_environment {
        tokens
            .push(token(Scope::Admin, secret.expose_secret()).context("PARALLAX_API_TOKEN cannot be used")?);
    }
    if let Some(path) = file {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("failed to read the token file {}", path.display()))?;
        let lines = parse_tokens(&text)
            .with_context(|| format!("failed to use the token file {}", path.display()))?;
        ensure!(!lines.is_empty(), "the token file {} has no token", path.display());
        tokens.extend(lines);
    }
    Ok(tokens)
}

/// Tokens, one a line: `TOKEN` (scope `admin`) or `SCOPE TOKEN`; empty lines and lines that begin with `#` are skipped.
///
/// # Errors
/// Names the line that is none of these, never its text.
pub fn parse_tokens(text: &str) -> anyhow::Result<Vec<Token>> {
    let mut tokens = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let parsed = match words[..] {
            [] => continue,
            [first, ..] if first.starts_with('#') => continue,
            [secret] => token(Scope::Admin, secret),
            [scope, secret] => scope.parse().and_then(|scope| token(scope, secret)),
            _ => Err(anyhow::anyhow!("more than a scope and a token")),
        };
        tokens.push(parsed.with_context(|| format!("line {}", number + 1))?);
    }
    Ok(tokens)
}

fn token(scope: Scope, secret: &str) -> anyhow::Result<Token> {
    let secret = secret.trim();
    if secret.is_empty() || !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
        bail!("a token has visible ASCII characters only");
    }
    Ok(Token { scope, secret: SecretString::from(secret) })
}
