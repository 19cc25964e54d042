//! The flags of the control plane and its section of the configuration file.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, ensure};
use parallax_api::runtime::RuntimeKind;
use parallax_service::args::{ServerArgs, Settings};
use secrecy::SecretString;
use serde::Deserialize;

use crate::{Config, Credential, DEFAULT_PORT, DEFAULT_USAGE_INTERVAL, PushConfig, RuntimeSpec};

/// Its directory below `parallax/` in the user's state directory.
const STATE_NAME: &str = "control-plane";

/// The flags of the control plane.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct ControlPlaneArgs {
    /// What every server takes
    #[command(flatten)]
    pub server: ServerArgs,
    /// Where the runtime of the kind `local` answers
    #[arg(long, env = "PARALLAX_LOCAL_RUNTIME_URL", value_name = "URL")]
    pub local_runtime_url: Option<String>,
    /// Where the runtime of the kind `docker` answers
    #[arg(long, env = "PARALLAX_DOCKER_RUNTIME_URL", value_name = "URL")]
    pub docker_runtime_url: Option<String>,
    /// Where the runtime of the kind `kubernetes` answers
    #[arg(long, env = "PARALLAX_K8S_RUNTIME_URL", value_name = "URL")]
    pub k8s_runtime_url: Option<String>,
    /// One more runtime: `name=…,kind=…,url=…[,priority=…][,token=…|,token-env=…]`; repeatable
    #[arg(long, value_name = "SPEC")]
    pub runtime: Vec<String>,
    /// Whom push services may write to about this server: `mailto:ADDRESS` or an `https` address
    #[arg(long, env = "PARALLAX_PUSH_CONTACT", value_name = "URI")]
    pub push_contact: Option<String>,
    /// Proxy what agents serve on their ports, at `/agents/ID/ports/PORT/` [default: while it listens on loopback only]
    #[arg(long, env = "PARALLAX_PROXY_PORTS", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub proxy_ports: Option<bool>,
    /// How often agents are asked what they use, in seconds: 1 to 60 [default: 30]
    #[arg(long, env = "PARALLAX_USAGE_INTERVAL", value_name = "SECONDS")]
    pub usage_interval: Option<u64>,
    /// Let push endpoints be on this machine, without TLS: for tests
    #[arg(long, env = "PARALLAX_PUSH_LOOPBACK", hide = true)]
    pub push_loopback: bool,
}

/// The same in the configuration file.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
struct File {
    local_runtime_url: Option<String>,
    docker_runtime_url: Option<String>,
    k8s_runtime_url: Option<String>,
    runtime: Vec<String>,
    push_contact: Option<String>,
    proxy_ports: Option<bool>,
    usage_interval: Option<u64>,
}

impl ControlPlaneArgs {
    /// What to build, where to listen and what to log.
    ///
    /// The runtimes given by URL alone get the token in `PARALLAX_RUNTIME_TOKEN`, or else `PARALLAX_API_TOKEN`.
    ///
    /// # Errors
    /// When something is not valid, or the server would listen unprotected.
    pub fn resolve(&self) -> anyhow::Result<(Config, SocketAddr, String)> {
        let (settings, file) = self.server.resolve_with::<File>(STATE_NAME, DEFAULT_PORT)?;
        let push = self.push(file.push_contact.clone())?;
        let proxy_ports = self.proxy_ports.or(file.proxy_ports);
        let usage_interval = match self.usage_interval.or(file.usage_interval) {
            None => DEFAULT_USAGE_INTERVAL,
            Some(seconds) => {
                ensure!(
                    (1..=60).contains(&seconds),
                    "agents are measured every 1 to 60 seconds, not {seconds}"
                );
                Duration::from_secs(seconds)
            }
        };
        let runtimes =
            self.runtimes(file, |name| std::env::var(name).ok().filter(|value| !value.is_empty()))?;
        let Settings { listen, state_dir, log, .. } = settings.clone();
        // Who listens on a network says that pages which agents made may be shown from its address.
        let proxy_ports = proxy_ports.unwrap_or(listen.ip().is_loopback());
        let access = settings.access();
        Ok((Config { state_dir, runtimes, access, push, proxy_ports, usage_interval }, listen, log))
    }

    fn push(&self, from_file: Option<String>) -> anyhow::Result<PushConfig> {
        let mut push = PushConfig { loopback: self.push_loopback, ..PushConfig::default() };
        if let Some(contact) = self.push_contact.clone().or(from_file) {
            let fits = contact.starts_with("mailto:") || contact.starts_with("https://");
            ensure!(
                fits,
                "the contact for push services is `mailto:ADDRESS` or an `https` address, not `{contact}`"
            );
            push.contact = contact;
        }
        Ok(push)
    }

    fn runtimes(
        &self,
        file: File,
        variable: impl Fn(&str) -> Option<String>,
    ) -> anyhow::Result<Vec<RuntimeSpec>> {
        let shared = variable("PARALLAX_RUNTIME_TOKEN").or_else(|| variable("PARALLAX_API_TOKEN"));
        let by_url = [
            (RuntimeKind::Local, self.local_runtime_url.clone().or(file.local_runtime_url)),
            (RuntimeKind::Docker, self.docker_runtime_url.clone().or(file.docker_runtime_url)),
            (RuntimeKind::Kubernetes, self.k8s_runtime_url.clone().or(file.k8s_runtime_url)),
        ];
        let by_url = by_url.into_iter().filter_map(|(kind, url)| {
            let spec = RuntimeSpec::of_kind(kind, url.filter(|url| !url.trim().is_empty())?);
            Some(match &shared {
                Some(token) => spec.with_token(SecretString::from(token.as_str())),
                None => spec,
            })
        });
        let given = if self.runtime.is_empty() { &file.runtime } else { &self.runtime };
        let given = given.iter().enumerate().map(|(index, text)| {
            let mut spec: RuntimeSpec =
                text.parse().with_context(|| format!("runtime number {}", index + 1))?;
            if let Some(Credential::Variable(name)) = &spec.token {
                let secret = variable(name)
                    .with_context(|| format!("{name} is not set, the token of `{}`", spec.name))?;
                spec = spec.with_token(SecretString::from(secret));
            }
            Ok(spec)
        });
        by_url.map(Ok).chain(given).collect()
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn names(args: &ControlPlaneArgs, file: File) -> anyhow::Result<Vec<String>> {
        let environment = |name: &str| match name {
            "PARALLAX_API_TOKEN" => Some("shared".to_owned()),
            "EAST" => Some("eastern".to_owned()),
            _ => None,
        };
        let describe = |spec: RuntimeSpec| match spec.token {
            Some(Credential::Secret(token)) => {
                format!("{} {} {}", spec.name, spec.url, token.expose_secret())
            }
            _ => format!("{} {}", spec.name, spec.url),
        };
        Ok(args.runtimes(file, environment)?.into_iter().map(describe).collect())
    }

    #[test]
    fn flags_win_over_the_file() {
        let args = ControlPlaneArgs {
            local_runtime_url: Some("http://l".into()),
            runtime: vec!["name=east,kind=docker,url=http://e,token-env=EAST".into()],
            ..ControlPlaneArgs::default()
        };
        let file = File {
            local_runtime_url: Some("http://other".into()),
            docker_runtime_url: Some("http://d".into()),
            runtime: vec!["kind=kubernetes,url=http://k".into()],
            ..File::default()
        };
        let expected = ["local http://l shared", "docker http://d shared", "east http://e eastern"];
        assert_eq!(names(&args, file).unwrap(), expected);
    }

    #[test]
    fn a_token_that_is_not_set_is_an_error() {
        let args = ControlPlaneArgs {
            runtime: vec!["kind=local,url=x,token-env=NOWHERE".into()],
            ..Default::default()
        };
        assert!(names(&args, File::default()).unwrap_err().to_string().contains("NOWHERE"));
    }
}
