//! Configuration of the local runtime, and this backend in a runtime server.

use std::collections::BTreeMap;
use std::env;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use parallax_api::runtime::RuntimeKind;
use parallax_runtime_core::args::{CommandWords, flags_or_file, workspace_policy};
use parallax_runtime_core::policy::{Amount, NoPlace, PolicySection, PolicyTraits};
use parallax_runtime_core::{
    Environment, Policy, PortSpace, Repositories, RuntimeConfig, RuntimeServer, Workdirs, find_host_program,
};
use parallax_service::args::Settings;
use parallax_service::shutdown::Shutdown;
use serde::Deserialize;

use crate::LocalBackend;

/// The flags a local runtime has beside every server's. The configuration file has the same names.
#[derive(Args, Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct LocalArgs {
    /// Directory under which agents may work, besides this one and the home of the user; repeatable
    #[arg(long, value_name = "DIR")]
    pub allow_workdir: Vec<PathBuf>,
    /// Host (or HOST:PORT) that repositories may be cloned from; repeatable [default: any]
    #[arg(long, value_name = "HOST")]
    pub allow_repo_host: Vec<String>,
    /// Bytes that the checkouts of agents may take together, such as 20Gi: then no more are made [default: no limit]
    #[arg(long, value_name = "BYTES")]
    pub workspaces_max_bytes: Option<String>,
    /// Command that makes pull requests: words with {branch}, {base}, {title}, {body}, {body-file}, {repo}, {draft:WORD}; no shell
    #[arg(long, env = "PARALLAX_PULL_REQUEST_COMMAND", value_name = "WORDS")]
    pub pull_request_command: Option<CommandWords>,
    /// Variable of this server that this command gets; repeatable [default: those of gh and glab]
    #[arg(long, value_name = "NAME")]
    pub pull_request_env: Vec<String>,
    /// The agent host's program [default: beside this one, then on the PATH]
    #[arg(long, env = "PARALLAX_AGENT_HOST", value_name = "FILE")]
    pub agent_host: Option<PathBuf>,
    /// Ports of this machine that agents get when they ask for some [default: 20000-24095]
    #[arg(long, env = "PARALLAX_AGENT_PORTS", value_name = "FIRST-LAST")]
    pub agent_ports: Option<String>,
    /// What agents may ask for, and what they have that ask for nothing.
    #[command(flatten)]
    pub policy: PolicySection<NoPlace>,
    /// The same by class.
    #[arg(skip)]
    pub classes: BTreeMap<String, PolicySection<NoPlace>>,
}

impl LocalArgs {
    /// These flags, and what the configuration file says where they say nothing.
    #[must_use]
    pub fn or(self, file: Self) -> Self {
        let Self {
            allow_workdir,
            allow_repo_host,
            workspaces_max_bytes,
            pull_request_command,
            pull_request_env,
            agent_host,
            agent_ports,
            policy,
            classes: _,
        } = self;
        Self {
            policy: PolicySection { rules: policy.rules.or(file.policy.rules), place: NoPlace {} },
            classes: file.classes,
            allow_workdir: flags_or_file(allow_workdir, file.allow_workdir),
            allow_repo_host: flags_or_file(allow_repo_host, file.allow_repo_host),
            workspaces_max_bytes: workspaces_max_bytes.or(file.workspaces_max_bytes),
            pull_request_command: pull_request_command.or(file.pull_request_command),
            pull_request_env: flags_or_file(pull_request_env, file.pull_request_env),
            agent_host: agent_host.or(file.agent_host),
            agent_ports: agent_ports.or(file.agent_ports),
        }
    }
}

/// Configuration of the local runtime.
#[derive(Clone)]
pub struct LocalConfig {
    /// What every runtime server has.
    pub runtime: RuntimeConfig,
    /// The agent host's program.
    pub host_program: PathBuf,
}

impl LocalConfig {
    /// A server's settings and the local runtime's own flags, in this process's directory and environment. For a `main`.
    ///
    /// # Errors
    /// When there is no agent host to run, a profile is not valid, or this directory cannot be found.
    pub fn resolve(settings: &Settings, args: LocalArgs) -> anyhow::Result<Self> {
        let LocalArgs {
            allow_workdir,
            allow_repo_host,
            workspaces_max_bytes,
            pull_request_command,
            pull_request_env,
            agent_host,
            agent_ports,
            policy,
            classes,
        } = args;
        // Processes of this machine are held to times only, by their hosts.
        let traits = PolicyTraits { holds: &Amount::TIMES, ..PolicyTraits::default() };
        let default = env::current_dir().context("failed to find the directory this was started in")?;
        let home = env::var_os("HOME").map(PathBuf::from);
        let roots = [default.clone()].into_iter().chain(home).chain(allow_workdir).collect();
        let variables = env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        let workdirs = Workdirs::Here { default, roots };
        let environment = Environment::of(variables);
        let workspace_policy = workspace_policy(
            workspaces_max_bytes.as_deref(),
            pull_request_command.as_ref(),
            &pull_request_env,
            &environment,
        )?;
        Ok(Self {
            runtime: RuntimeConfig {
                environment,
                workspace_policy,
                ports: agent_ports.as_deref().map_or(Ok(PortSpace::MACHINE), PortSpace::parse)?,
                policy: Policy::new(&policy, &classes, traits)?,
                // Agents here reach what the server reaches.
                repositories: match allow_repo_host.as_slice() {
                    [] => Repositories::Any,
                    hosts => Repositories::named(hosts),
                },
                ..RuntimeConfig::from_server(settings, RuntimeKind::Local, workdirs)?
            },
            host_program: find_host_program(agent_host)?,
        })
    }

    /// The backend of this configuration.
    ///
    /// # Errors
    /// When the state directory cannot be used.
    pub fn backend(&self) -> anyhow::Result<Arc<LocalBackend>> {
        let runtime = &self.runtime;
        let path = runtime.environment.get("PATH").unwrap_or_default().to_owned();
        LocalBackend::new(&runtime.state_dir, self.host_program.clone(), runtime.profiles.clone(), path)
            .map(Arc::new)
    }
}

/// The local runtime, ready to serve: its agents are adopted and followed.
///
/// # Errors
/// When the state directory cannot be used (another server may have it).
pub async fn build(config: LocalConfig, shutdown: Shutdown) -> anyhow::Result<RuntimeServer> {
    let backend = config.backend()?;
    RuntimeServer::build(config.runtime, backend, shutdown).await
}
