//! Which agent types can be run here.

use std::path::Path;

use parallax_api::runtime::TypeInfo;
use parallax_profile::program::on_path;
use parallax_profile::{Profile, Profiles};
use serde::Deserialize;

/// How far above a program its package's description may stand.
const PACKAGE_DEPTH: usize = 4;

/// Every type, and whether its program is on `path`.
pub(crate) fn types(profiles: &Profiles, path: &str) -> Vec<TypeInfo> {
    profiles.iter().map(|profile| info(profile, path)).collect()
}

fn info(profile: &Profile, path: &str) -> TypeInfo {
    let program = on_path(&profile.start.program, path);
    let reason = match program {
        Some(_) => None,
        None => Some(format!("`{}` is not on the PATH; {}", profile.start.program, profile.install())),
    };
    TypeInfo {
        name: profile.name.clone(),
        available: program.is_some(),
        reason,
        version: program.and_then(|program| package_version(&program)),
    }
}

/// The version in the description of the npm package that a program belongs to. Running the program to ask it would
/// take a second, and might do more than answer.
fn package_version(program: &Path) -> Option<String> {
    #[derive(Deserialize)]
    struct Package {
        version: String,
        bin: serde_json::Value,
    }
    let program = program.canonicalize().ok()?;
    let described = program.ancestors().skip(1).take(PACKAGE_DEPTH).find_map(|dir| {
        let text = std::fs::read_to_string(dir.join("package.json")).ok()?;
        serde_json::from_str::<Package>(&text).ok()
    })?;
    (!described.bin.is_null()).then_some(described.version)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn says_what_is_there_and_what_to_do_about_the_rest() {
        let dir = tempfile::tempdir().unwrap();
        let package = dir.path().join("lib/node_modules/@x/here");
        std::fs::create_dir_all(package.join("dist")).unwrap();
        std::fs::create_dir_all(dir.path().join("bin")).unwrap();
        std::fs::write(
            package.join("package.json"),
            r#"{"name": "@x/here", "version": "1.2.3", "bin": {"here": "x"}}"#,
        )
        .unwrap();
        let program = package.join("dist/cli.js");
        std::fs::write(&program, "").unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        symlink(&program, dir.path().join("bin/here")).unwrap();
        let mut profiles = Profiles::default();
        for name in ["here", "gone"] {
            let text =
                format!("name = '{name}'\ntitle = 'T'\n[start]\nprogram = '{name}'\ninstall = 'get it'\n");
            profiles.add(Profile::parse(&text).unwrap());
        }
        let path = format!("relative:/nowhere:{}", dir.path().join("bin").display());
        let [gone, here] = types(&profiles, &path).try_into().unwrap();
        assert_eq!((here.available, here.reason, here.version.as_deref()), (true, None, Some("1.2.3")));
        assert_eq!((gone.available, gone.version), (false, None));
        assert_eq!(gone.reason.unwrap(), "`gone` is not on the PATH; get it");
    }
}
