//! Directories, ports, and who answers there.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use futures::future::join_all;
use parallax_api::Code;
use parallax_api::check::Check;
use parallax_api::client::Client;
use parallax_api::runtime::{RuntimeInfo, RuntimeKind, StorageStatus};
use parallax_profile::Profiles;
use parallax_service::args::{ArgsEnvironment, parse_listen, state_dir};
use secrecy::SecretString;
use tokio::net::TcpListener;

use crate::error::CliError;
use crate::installed;

/// Where `parallax up` would be, given the same arguments.
#[derive(Args, Debug)]
pub(crate) struct ServerArgs {
    /// Directory for what outlives the servers [default: under the XDG state directory]
    #[arg(long, env = "PARALLAX_STATE_DIR", value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// Directory with more agent profiles [default: the one that is installed with the program]
    #[arg(long, env = "PARALLAX_PROFILES", value_name = "DIR")]
    profiles: Option<PathBuf>,
    /// The agent host's program [default: beside this one, then on the PATH]
    #[arg(long, env = "PARALLAX_AGENT_HOST", value_name = "FILE")]
    pub(super) agent_host: Option<PathBuf>,
}

impl ServerArgs {
    pub(super) fn profiles(&self) -> Result<Profiles, CliError> {
        let builtin = Profiles::builtin();
        match self.profiles.clone().or_else(installed::profiles) {
            Some(directory) => {
                builtin.with_directory(&directory).map_err(|error| CliError::Usage(error.to_string()))
            }
            None => Ok(builtin),
        }
    }

    /// Whether the state directory, or the first directory above it that exists, can be written to.
    pub(super) fn state_directory(&self) -> Result<Check, CliError> {
        let directory = match &self.state_dir {
            Some(directory) => directory.clone(),
            None => {
                state_dir(&ArgsEnvironment::read(), "x")?.parent().map_or_else(PathBuf::new, PathBuf::from)
            }
        };
        let shown = directory.display();
        let existing = directory.ancestors().find(|ancestor| ancestor.exists());
        Ok(match existing.map(|existing| (existing, writable(existing))) {
            Some((existing, Ok(()))) if existing == directory => Check::good("state", shown.to_string()),
            Some((_, Ok(()))) => Check::good("state", format!("{shown} (not made yet)")),
            Some((existing, Err(error))) => {
                Check::bad("state", format!("{shown}: cannot write to {}: {error}", existing.display()))
                    .advise("choose another with --state-dir or PARALLAX_STATE_DIR")
            }
            None => Check::bad("state", format!("{shown}: no directory above it exists")),
        })
    }
}

/// Writing is the only sure test of whether one may.
fn writable(directory: &Path) -> std::io::Result<()> {
    let probe = directory.join(format!(".parallax-doctor-{}", std::process::id()));
    std::fs::create_dir(&probe)?;
    std::fs::remove_dir(&probe)
}

/// The control plane and its runtimes, or, when there is none on this machine, the ports it would take.
pub(super) async fn control_plane(url: &str, token: Option<SecretString>) -> Vec<Check> {
    const WHAT: &str = "control plane";
    let client = match Client::control_plane(url, token) {
        Ok(client) => client,
        Err(problem) => return vec![Check::bad(WHAT, problem.detail)],
    };
    match client.runtimes().await {
        Ok(list) => {
            let mut checks = vec![Check::good(WHAT, client.url())];
            checks.extend(access(&client).await);
            checks.extend(storage("- storage", client.storage().await.ok().flatten()));
            for runtime in &list.runtimes {
                checks.extend(storage(
                    &format!("- storage of {}", runtime.name),
                    runtime.status.storage.clone(),
                ));
            }
            for examined in join_all(list.runtimes.iter().map(|info| runtime(&client, info))).await {
                checks.extend(examined);
            }
            checks
        }
        Err(problem) if problem.code == Code::RuntimeUnavailable => {
            let mut checks = vec![
                Check::note(WHAT, format!("none at {}", client.url())).advise("`parallax up` starts one"),
            ];
            for (what, port) in [("port 3000", 3000), ("port 3100", 3100)] {
                checks.extend(port_check(what, port).await);
            }
            checks
        }
        Err(problem) if problem.code == Code::Unauthorized => {
            let mut checks =
                vec![Check::bad(WHAT, problem.detail).advise("set PARALLAX_API_TOKEN to its token")];
            checks.extend(access(&client).await);
            checks
        }
        Err(problem) => vec![Check::bad(WHAT, problem.detail)],
    }
}

/// How a runtime is, and what it finds when it looks at what it needs. One of a local kind has nothing beyond what is looked at here.
async fn runtime(client: &Client, info: &RuntimeInfo) -> Vec<Check> {
    let what = format!("- {}", info.name);
    let room = format!("{} of {} agents, {}", info.status.agents, info.status.capacity, info.url);
    let mut checks = vec![match (&info.status.reason, info.status.healthy) {
        (_, true) => Check::good(&what, room),
        // It is there because somebody configured it.
        (reason, false) => Check::bad(&what, reason.clone().unwrap_or_else(|| "not healthy".into())),
    }];
    if info.status.kind == RuntimeKind::Local || info.status.version.is_empty() {
        return checks;
    }
    let named = |check: Check| Check { what: format!("- {}: {}", info.name, check.what), ..check };
    match client.check_runtime(&info.name).await {
        Ok(list) => checks.extend(list.checks.into_iter().map(named)),
        // A server of an earlier version, or a token that may only look.
        Err(problem) if matches!(problem.code, Code::NotFound | Code::MethodNotAllowed | Code::Forbidden) => {
        }
        Err(problem) => checks.push(named(Check::note("checks", problem.detail))),
    }
    checks
}

/// Who may use the server; a server of an older version does not say.
async fn access(client: &Client) -> Option<Check> {
    const WHAT: &str = "access";
    let rule = client.access_rule().await.ok().flatten()?;
    Some(match rule.as_str() {
        "token" => Check::good(WHAT, "by token"),
        "own-account" => Check::good(WHAT, "without a token: programs of the server's own account, and root"),
        "open" => Check::note(WHAT, "whoever reaches the server may do everything (--insecure-no-auth)"),
        _ => Check::note(WHAT, rule),
    })
}

/// What is wrong with the disk or the database of a server.
fn storage(what: &str, status: Option<StorageStatus>) -> Vec<Check> {
    let StorageStatus { full, damaged } = status.unwrap_or_default();
    let full = full.map(|why| {
        Check::bad(what, format!("the disk takes no writes: {why}"))
            .advise("free some space; it goes on by itself")
    });
    let damaged = damaged.into_iter().map(|found| Check::note(what, format!("damaged: {found}")));
    full.into_iter().chain(damaged).collect()
}

/// Whether `parallax up` could listen there.
async fn port_check(what: &str, port: u16) -> Option<Check> {
    let address: SocketAddr = parse_listen(&port.to_string()).ok()?;
    Some(match TcpListener::bind(address).await {
        Ok(_) => Check::good(what, "free"),
        Err(error) => Check::note(what, error.to_string())
            .advise("somebody else has it: `parallax up --listen ADDR:PORT --runtime-listen ADDR:PORT`"),
    })
}
