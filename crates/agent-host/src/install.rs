//! `parallax-agent-host install`: copies this program into a volume, so that an agent can use any image.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// Copies this program to `to`, executable by all users, and creates the directories `make_dirs` for the agent.
///
/// # Errors
/// When something cannot be written.
pub fn run(to: &Path, make_dirs: &[PathBuf]) -> anyhow::Result<()> {
    let this = std::env::current_exe().context("finding this program")?;
    // Renamed into place: the file is never seen half written.
    let partial = to.with_extension("partial");
    fs::copy(&this, &partial).with_context(|| format!("writing {}", partial.display()))?;
    fs::set_permissions(&partial, fs::Permissions::from_mode(0o755))?;
    fs::rename(&partial, to).with_context(|| format!("writing {}", to.display()))?;
    for dir in make_dirs {
        let made = DirBuilder::new().recursive(true).mode(0o755).create(dir);
        made.with_context(|| format!("creating {}", dir.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_copy_can_be_run() {
        let dir = tempfile::tempdir().unwrap();
        let (to, made) = (dir.path().join("host"), dir.path().join("a/b"));
        for _ in 0..2 {
            run(&to, std::slice::from_ref(&made)).unwrap();
        }
        assert_eq!(fs::metadata(&to).unwrap().permissions().mode() & 0o777, 0o755);
        assert_eq!(
            fs::metadata(&to).unwrap().len(),
            fs::metadata(std::env::current_exe().unwrap()).unwrap().len()
        );
        assert!(made.is_dir());
    }
}
