//! What an installed `parallax` has beside it: `PREFIX/share/parallax`, for a program in `PREFIX/bin`.

use std::path::{Path, PathBuf};

/// The directory with the agent types that are installed with this program, such as `shell`. None: it was built, and not installed.
pub(crate) fn profiles() -> Option<PathBuf> {
    profiles_of(&std::env::current_exe().ok()?)
}

fn profiles_of(program: &Path) -> Option<PathBuf> {
    let bin = program.parent().filter(|dir| dir.ends_with("bin"))?;
    Some(bin.parent()?.join("share/parallax/profiles")).filter(|dir| dir.is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_installed_has_profiles_beside_it() {
        let prefix = tempfile::tempdir().unwrap();
        let profiles = prefix.path().join("share/parallax/profiles");
        let program = prefix.path().join("bin/parallax");
        assert_eq!(profiles_of(&program), None, "there is no such directory");
        std::fs::create_dir_all(&profiles).unwrap();
        assert_eq!(profiles_of(&program), Some(profiles));
        assert_eq!(
            profiles_of(&prefix.path().join("release/parallax")),
            None,
            "no place of installed programs"
        );
        assert_eq!(profiles_of(Path::new("parallax")), None);
    }
}
