//! Credentials: what is mounted into the home of every agent of a type.

use std::str::FromStr;

use anyhow::ensure;
use parallax_profile::MountSource;

use crate::layout::HOME_DIR;

/// What is mounted into the home of every agent of a type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// A directory or a file of the engine's machine, or a volume.
    pub source: MountSource,
    /// Where in the home; empty is the home itself.
    pub target: String,
    /// The agent may not write there.
    pub read_only: bool,
}

impl Credential {
    /// Where it is mounted in the container.
    pub(crate) fn path(&self) -> String {
        format!("{HOME_DIR}/{}", self.target).trim_end_matches('/').to_owned()
    }
}

impl FromStr for Credential {
    type Err = anyhow::Error;

    /// `SOURCE`, `SOURCE:PATH`, and either with `:ro` at the end.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (rest, read_only) = text.strip_suffix(":ro").map_or((text, false), |rest| (rest, true));
        let (source, target) = rest.split_once(':').unwrap_or((rest, ""));
        let inside = !target.starts_with('/') && target.split('/').all(|part| part != "..");
        ensure!(inside, "credentials go to a path in the agent's home, not to `{target}`");
        ensure!(!source.is_empty(), "credentials come from a directory or a volume");
        let source = match source.starts_with('/') {
            true => MountSource::Directory(source.into()),
            false => MountSource::Volume(source.into()),
        };
        Ok(Self { source, target: target.into(), read_only })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_go_into_the_home() {
        let credential = |text: &str| text.parse::<Credential>().ok();
        let of =
            |source, target: &str, read_only| Some(Credential { source, target: target.into(), read_only });
        let dir = || MountSource::Directory("/home/me/.claude".into());
        assert_eq!(credential("/home/me/.claude:.claude:ro"), of(dir(), ".claude", true));
        assert_eq!(credential("/home/me/.claude:.claude"), of(dir(), ".claude", false));
        assert_eq!(credential("logins"), of(MountSource::Volume("logins".into()), "", false));
        for bad in ["", ":.claude", "logins:/etc", "logins:../x", "logins:a/../../b"] {
            assert_eq!(credential(bad), None, "{bad}");
        }
    }
}
