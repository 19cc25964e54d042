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
