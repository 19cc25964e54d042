//! The programs that agents and runtimes need.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use futures::future::join_all;
use parallax_api::check::{Check, CheckState};
use parallax_profile::profile::credentials::Login;
use parallax_profile::{Profile, Profiles};
use parallax_runtime_core::find_host_program;
use tokio::process::Command;

use crate::output::{one_line, without_sequences};

/// How long a program may take to tell its version. Gemini takes seconds on a busy machine.
const VERSION_TIMEOUT: Duration = Duration::from_secs(20);
/// The oldest Node.js that npm installs the current Claude Code with.
const NODE: u32 = 22;

/// The CLI of each profile, and the login of those that are installed. One missing CLI is worth a note; when all are missing,
/// that is bad.
pub(super) async fn agents(profiles: Profiles) -> Vec<Check> {
    let mut checks = join_all(profiles.iter().map(|profile| agent(profile))).await;
    if checks.iter().all(|check| check.state != CheckState::Good) {
        checks.iter_mut().for_each(|check| check.state = CheckState::Bad);
        return checks;
    }
    let with_logins = checks.into_iter().zip(profiles.iter()).flat_map(|(check, profile)| {
        let login = (check.state == CheckState::Good).then(|| login(profile));
        std::iter::once(check).chain(login)
    });
    with_logins.collect()
}

/// Whether a CLI is logged in. Only its variables and files are looked at: asking the CLI would need the network.
fn login(profile: &Profile) -> Check {
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let what = format!("- {} login", profile.name);
    match profile.credentials.find(&home, |name| std::env::var(name).ok()) {
        Login::Variable(name) => Check::good(&what, format!("{name} is set")),
        Login::File(path) => Check::good(&what, path.display().to_string()),
        Login::Missing => Check::note(&what, "none found").advise(format!(
            "log in once with `{}`, or in `parallax attach` when the agent asks, or set {}",
            profile.start.program,
            profile.credentials.env.join(" or ")
        )),
        Login::Unknown => Check::note(&what, "unknown: the profile does not say where it is kept"),
    }
}

async fn agent(profile: &Profile) -> Check {
    let name = &profile.name;
    let Some(path) = find(&profile.start.program) else {
        let check = Check::note(name, format!("{} is not on PATH", profile.start.program));
        return if profile.install().is_empty() { check } else { check.advise(profile.install()) };
    };
    let found = match version(&path, &["--version"]).await {
        Ok(version) => format!("{version}  {}", path.display()),
        Err(why) => return Check::note(name, format!("{} {why}", path.display())).advise("try it by hand"),
    };
    let checked = profile.checked_versions();
    if checked.is_empty() || checked.iter().any(|version| found.contains(version.as_str())) {
        return Check::good(name, found);
    }
    // Newer versions mostly work: it is good, and good to know.
    Check::good(name, found).advise(format!(
        "its profile was checked with {}; if a state is told wrongly, that may be why",
        checked.join(", ")
    ))
}

/// The program that stands beside each agent.
pub(super) fn host(named: Option<PathBuf>) -> Check {
    match find_host_program(named) {
        Ok(path) => Check::good("agent host", path.display().to_string()),
        Err(error) => Check::bad("agent host", format!("{error:#}")).advise("`make build` builds everything"),
    }
}

/// Node.js, which npm needs to install the CLIs.
pub(super) async fn node() -> Check {
    let Some(path) = find("node") else {
        return Check::note("node", "not on PATH")
            .advise("needed to install the CLIs with npm, and to run Gemini CLI");
    };
    match version(&path, &["--version"]).await {
        Ok(found) if major(&found).is_some_and(|major| major < NODE) => Check::note("node", found)
            .advise(format!("with Node.js below {NODE}, npm installs an old Claude Code without saying so")),
        Ok(found) => Check::good("node", found),
        Err(why) => Check::note("node", why),
    }
}

/// Docker, for agents in containers.
pub(super) async fn docker() -> Check {
    optional("docker", &["version", "--format", "server {{.Server.Version}}"], "agents in containers").await
}

/// A cluster, for agents in pods.
pub(super) async fn kubernetes() -> Check {
    let check =
        optional("kubectl", &["version", "-o", "yaml", "--request-timeout=3s"], "agents in Kubernetes").await;
    match check.state {
        // Which version is not on the first line.
        CheckState::Good => Check { found: "the cluster of the kubeconfig answers".into(), ..check },
        _ => check,
    }
}

async fn optional(program: &str, args: &[&str], purpose: &str) -> Check {
    let Some(path) = find(program) else {
        return Check::note(program, format!("not on PATH; only for {purpose}"));
    };
    match version(&path, args).await {
        Ok(found) => Check::good(program, found),
        Err(why) => Check::note(program, format!("{why}; only for {purpose}")),
    }
}

/// The first line of what the program says when it succeeds; otherwise why not.
async fn version(path: &Path, args: &[&str]) -> Result<String, String> {
    let mut command = Command::new(path);
    command.args(args).stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(VERSION_TIMEOUT, command.output())
        .await
        .map_err(|_| format!("said nothing within {} seconds", VERSION_TIMEOUT.as_secs()))?
        .map_err(|error| format!("cannot be run: {error}"))?;
    let first = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes).into_owned();
        one_line(&without_sequences(text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default()))
    };
    match output.status.success() {
        true => Ok(first(&output.stdout)),
        false => Err(format!("failed ({}): {}", output.status, first(&output.stderr))),
    }
}

/// The program's path, as PATH has it.
fn find(program: &str) -> Option<PathBuf> {
    if program.contains('/') {
        return Some(PathBuf::from(program)).filter(|path| is_program(path));
    }
    std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|dir| dir.join(program))
        .find(|path| is_program(path))
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

/// 22 of `v22.4.1`.
fn major(version: &str) -> Option<u32> {
    version.trim_start_matches('v').split('.').next()?.parse().ok()
}
