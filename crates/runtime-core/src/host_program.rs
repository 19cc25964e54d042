//! Finding the host's program.

use std::env;
use std::path::PathBuf;

use anyhow::{Context, ensure};
use parallax_profile::program::{is_program, on_path};

/// The program that owns an agent.
const HOST: &str = "parallax-agent-host";

/// The agent host's program: the one that is named, or the one beside this program, or the one on the PATH.
///
/// # Errors
/// When there is none, saying where it was looked for.
pub fn find_host_program(named: Option<PathBuf>) -> anyhow::Result<PathBuf> {
    if let Some(path) = named {
        ensure!(is_program(&path), "PARALLAX_AGENT_HOST names {}, which is not a program", path.display());
        return Ok(std::path::absolute(path)?);
    }
    let this = env::current_exe().context("failed to find this program's own file")?;
    // Tests run from `deps`, one below the programs.
    let beside = this.ancestors().skip(1).take(2).map(|dir| dir.join(HOST)).find(|path| is_program(path));
    let path = env::var("PATH").unwrap_or_default();
    beside.or_else(|| on_path(HOST, &path)).with_context(|| {
        format!(
            "there is no {HOST} beside {} and none on the PATH; build it (`cargo build -p {HOST}`) or name it in \
             PARALLAX_AGENT_HOST",
            this.display()
        )
    })
}
