//! `parallax up`: the control plane and a local runtime in this process.
//!
//! Both are the same servers as the programs of their own, with the same state, so one may take over from the other.
//! [`announce`] says where everything is; [`stop`] is what a signal sets off. Agents belong to neither: each has
//! its host, which goes on when this process ends.

mod announce;
mod stop;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::Context;
use clap::Args;
use parallax_api::client::Client;
use parallax_api::runtime::RuntimeKind;
use parallax_control_plane::{Config, ControlPlane, ControlPlaneArgs, RuntimeSpec};
use parallax_runtime_local::{LocalArgs, LocalConfig};
use parallax_service::access::{Scope, Token};
use parallax_service::args::Settings;
use parallax_service::serve::DEFAULT_GRACE;
use parallax_service::shutdown::Shutdown;
use parallax_service::telemetry;
use secrecy::SecretString;
use serde::de::IgnoredAny;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::error::CliError;
use crate::installed;
use crate::output::Output;
use stop::{Signals, StopSignal};

#[derive(Args, Debug)]
pub(crate) struct UpArgs {
    #[command(flatten)]
    control_plane: ControlPlaneArgs,
    #[command(flatten)]
    local: LocalArgs,
    /// Address and port of the local runtime
    #[arg(long, env = "PARALLAX_RUNTIME_LISTEN", value_name = "ADDR:PORT", default_value = "127.0.0.1:3100")]
    runtime_listen: String,
    /// Leave the agents running at Ctrl-C; the next `up` has them again
    #[arg(long)]
    detach: bool,
}

impl UpArgs {
    pub(crate) async fn run(self, output: &Output) -> Result<(), CliError> {
        let detach = self.detach;
        let up = Up::start(self).await?;
        up.run(detach, output).await
    }

    /// The configuration of the two servers.
    fn resolve(mut self) -> anyhow::Result<(Config, SocketAddr, Settings)> {
        let server = &mut self.control_plane.server;
        if server.log.is_none() && server.config.is_none() {
            // A person is at the terminal: what goes well need not be said.
            server.log = Some("warn".into());
        }
        let mut for_runtime = server.clone();
        for_runtime.listen = Some(self.runtime_listen);
        let (mut runtime, IgnoredAny) = for_runtime.resolve_with("runtime-local", 3100)?;
        runtime.profiles = runtime.profiles.or_else(installed::profiles);
        let (mut config, listen, _) = self.control_plane.resolve()?;
        if config.state_dir == runtime.state_dir {
            // One directory was named for both.
            config.state_dir.push("control-plane");
            runtime.state_dir.push("runtime-local");
        }
        Ok((config, listen, runtime))
    }
}

/// Both servers, listening and not yet serving.
struct Up {
    control_plane: (ControlPlane, TcpListener),
    runtime: (parallax_runtime_core::RuntimeServer, TcpListener),
    settings: Settings,
    shutdown: Shutdown,
    /// Asks the runtime.
    client: Client,
    url: String,
}

impl Up {
    async fn start(args: UpArgs) -> anyhow::Result<Self> {
        let local = args.local.clone();
        let (mut config, listen, mut settings) = args.resolve()?;
        let token = own_token(&mut settings.tokens);
        telemetry::init(&settings.log)?;
        let local = LocalConfig::resolve(&settings, local)?;
        // Both ports first: nothing is touched when one of them is taken.
        let runtime_listener = bind(settings.listen, "--runtime-listen").await?;
        let listener = bind(listen, "--listen").await?;
        let url = format!("http://{}", reachable(listener.local_addr()?));
        let runtime_url = format!("http://{}", reachable(runtime_listener.local_addr()?));

        let shutdown = Shutdown::new();
        let runtime = parallax_runtime_local::build(local, shutdown.clone()).await?;
        let mut spec = RuntimeSpec::of_kind(RuntimeKind::Local, runtime_url.clone());
        spec = spec.in_process(runtime.viewers());
        if let Some(token) = &token {
            spec = spec.with_token(token.clone());
        }
        config.runtimes.retain(|other| other.name != spec.name);
        config.runtimes.insert(0, spec);
        let control_plane = ControlPlane::build(config, shutdown.clone()).await?;
        let client = Client::runtime(&runtime_url, token)?;
        Ok(Self {
            control_plane: (control_plane, listener),
            runtime: (runtime, runtime_listener),
            settings,
            shutdown,
            client,
            url,
        })
    }

    async fn run(self, detach: bool, output: &Output) -> Result<(), CliError> {
        let Self { control_plane, runtime, settings, shutdown, client, url } = self;
        let mut signals = Signals::new()?;
        let mut servers = JoinSet::new();
        servers.spawn(runtime.0.serve(runtime.1, DEFAULT_GRACE));
        servers.spawn(control_plane.0.serve(control_plane.1));

        announce::announce(output, &client, &url, &settings).await?;
        let ending = tokio::select! {
            ending = signals.next() => ending,
            // A server that ends by itself takes the other along.
            Some(ended) = servers.join_next() => {
                shutdown.begin();
                return Ok(ended.context("a server panicked")??);
            }
        };
        if ending == StopSignal::Interrupt && !detach {
            stop::stop_agents(output, &client, &mut signals).await?;
        }
        shutdown.begin();
        let all_ended = async {
            while let Some(ended) = servers.join_next().await {
                ended.context("a server panicked")??;
            }
            Ok(())
        };
        tokio::select! {
            ended = all_ended => ended,
            // A second signal ends it at once.
            _ = signals.next() => Err(CliError::Silent(130)),
        }
    }
}

/// The token with which this process asks its own runtime; none where the runtime has no tokens. Where no token of the
/// person's does everything, one is made for this process alone.
fn own_token(tokens: &mut Vec<Token>) -> Option<SecretString> {
    if tokens.is_empty() {
        return None;
    }
    if let Some(admin) = tokens.iter().find(|token| token.scope == Scope::Admin) {
        return Some(admin.secret.clone());
    }
    // 244 random bits of the system's generator.
    let secret = format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
    let secret = SecretString::from(secret);
    tokens.push(Token { scope: Scope::Admin, secret: secret.clone() });
    Some(secret)
}

async fn bind(address: SocketAddr, flag: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!("cannot listen on {address}; is another one up? `parallax ls` shows its agents, {flag} takes another port")
    })
}

/// The address under which this machine reaches itself there.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    address
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn tokens_without_an_admin_get_one_for_this_process() {
        assert!(own_token(&mut Vec::new()).is_none());
        let token = |scope, secret: &str| Token { scope, secret: secret.into() };
        let mut tokens = vec![token(Scope::View, "look"), token(Scope::Admin, "own")];
        assert_eq!(own_token(&mut tokens).expect("a token").expose_secret(), "own");
        assert_eq!(tokens.len(), 2);
        let mut tokens = vec![token(Scope::View, "look"), token(Scope::Operate, "drive")];
        let made = own_token(&mut tokens).expect("a token");
        assert_eq!((tokens[2].scope, tokens[2].secret.expose_secret()), (Scope::Admin, made.expose_secret()));
        assert!(made.expose_secret().len() >= 32);
    }
}
