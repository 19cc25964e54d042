//! Finding programs.

use std::env;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

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

/// The program of that name in the directories of `path`; a name with a slash is a path itself.
pub(crate) fn on_path(name: &str, path: &str) -> Option<PathBuf> {
    if name.contains('/') {
        return Some(PathBuf::from(name)).filter(|path| is_program(path));
    }
    // Relative directories would depend on where the host happens to stand.
    env::split_paths(path)
        .filter(|dir| dir.is_absolute())
        .map(|dir| dir.join(name))
        .find(|path| is_program(path))
}

fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}
