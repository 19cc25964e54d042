//! The name by which runtimes tell control planes apart: of one state directory, and the same after a restart.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use parallax_api::runtime::CONTROL_PLANE_FILE;

/// The name of the control plane with this state directory. It is made the first time; where it cannot be kept, the next server has
/// another one and waits until the runtimes have forgotten this.
pub fn of(state_dir: &Path) -> String {
    let path = state_dir.join(CONTROL_PLANE_FILE);
    if let Ok(text) = fs::read_to_string(&path)
        && let Ok(name) = text.trim().parse::<uuid::Uuid>()
    {
        return name.to_string();
    }
    let name = uuid::Uuid::new_v4().to_string();
    let mut options = OpenOptions::new();
    let opened = options.write(true).create(true).truncate(true).mode(0o600).open(&path);
    if let Err(error) = opened.and_then(|mut file| writeln!(file, "{name}")) {
        tracing::warn!(path = %path.display(), %error, "the name of this control plane cannot be kept");
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stays_and_is_made_anew_when_it_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let name = of(dir.path());
        assert_eq!(of(dir.path()), name);
        fs::write(dir.path().join(CONTROL_PLANE_FILE), "not one\n").unwrap();
        let another = of(dir.path());
        assert_ne!(another, name);
        assert_eq!(of(dir.path()), another);
        assert_ne!(of(&dir.path().join("none")), of(&dir.path().join("none")));
    }
}
