//! What differs when the host is the first process of a container: the agent inherits the image's environment, and its
//! memory limit is the container's.

use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use parallax_api::agent::EnvValue;
use parallax_profile::Launch;
use rustix::fs::{Access, access};

/// Variables of the servers, which no agent inherits.
const OWN_PREFIX: &str = "PARALLAX_";
/// Where the kernel counts its out-of-memory kills: control groups version 2 and 1, as a container sees its own.
const MEMORY_EVENTS: [&str; 2] = ["/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control"];

/// Adds the image's environment, which the request's overrides, and a home directory that the agent can write to.
///
/// # Errors
/// When there is no such home and none can be created beside `dir`.
pub fn inherit(launch: &mut Launch, dir: &Path) -> std::io::Result<()> {
    let variables = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    add(launch, variables);
    // An engine sets the home of the user's entry in the image; a user without an entry gets the root directory.
    let home = launch.env.get("HOME").map(|home| PathBuf::from(home.expose()));
    if !home.is_some_and(|home| home.is_dir() && access(&home, Access::WRITE_OK).is_ok()) {
        let home = dir.with_file_name("home");
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&home)?;
        launch.env.insert("HOME".into(), EnvValue::from(home.to_string_lossy().into_owned()));
    }
    Ok(())
}

fn add(launch: &mut Launch, variables: impl Iterator<Item = (String, String)>) {
    for (name, value) in variables.filter(|(name, _)| !name.starts_with(OWN_PREFIX)) {
        launch.env.entry(name).or_insert_with(|| value.into());
    }
}

/// How often the kernel has killed a process of this container for want of memory; `None` when it keeps no count.
pub fn out_of_memory_kills() -> Option<u64> {
    MEMORY_EVENTS.iter().find_map(|file| kills(&fs::read_to_string(file).ok()?))
}

fn kills(events: &str) -> Option<u64> {
    events.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_kills_in_the_format_of_both_versions() {
        assert_eq!(kills("low 0\nhigh 0\nmax 7\noom 2\noom_kill 1\noom_group_kill 0\n"), Some(1));
        assert_eq!(kills("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"), Some(3));
        assert_eq!(kills("low 0\n"), None);
    }
}
