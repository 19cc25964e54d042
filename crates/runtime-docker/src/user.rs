//! The user that an agent runs as.

use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::str::FromStr;

use anyhow::ensure;
use bollard::models::ImageInspect;
use parallax_api::{Code, Problem};
use parallax_profile::{Launch, MountSource};

/// A user and a group, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// The first user of most systems.
const FIRST: User = User { uid: 1000, gid: 1000 };

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.uid, self.gid)
    }
}

impl FromStr for User {
    type Err = anyhow::Error;

    /// `UID` or `UID:GID`, but not root.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (uid, gid) = text.split_once(':').unwrap_or((text, text));
        let number =
            |text: &str| text.parse().map_err(|_| anyhow::anyhow!("a user is UID or UID:GID, in numbers"));
        let user = Self { uid: number(uid)?, gid: number(gid)? };
        ensure!(user.uid != 0, "agents do not run as root");
        Ok(user)
    }
}

impl User {
    /// The first that applies: the operator's choice; the owner of the directory that the agent works in, so that files made
    /// there belong to them; the image's user; 1000. Never root.
    ///
    /// # Errors
    /// `WORKDIR_FORBIDDEN` for a directory that the agent should write in and cannot.
    pub(crate) fn choose(
        chosen: Option<Self>,
        launch: &Launch,
        image: &ImageInspect,
    ) -> Result<Self, Problem> {
        let of_image = || image.config.as_ref()?.user.as_ref()?.parse().ok();
        let Some(mount) = &launch.mount else { return Ok(chosen.or_else(of_image).unwrap_or(FIRST)) };
        let MountSource::Directory(path) = &mount.source else {
            return Ok(chosen.or_else(of_image).unwrap_or(FIRST));
        };
        let dir = path.metadata().map_err(|cause| {
            Problem::new(Code::WorkdirNotFound, format!("{} cannot be worked in: {cause}", path.display()))
        })?;
        let of_dir = (dir.uid() != 0).then(|| Self { uid: dir.uid(), gid: dir.gid() });
        let user = chosen.or(of_dir).or_else(of_image).unwrap_or(FIRST);
        if mount.read_only || user.may_write(dir.uid(), dir.gid(), dir.mode()) {
            return Ok(user);
        }
        Err(Problem::new(
            Code::WorkdirForbidden,
            format!(
                "{path} belongs to user {owner}, and the agent, user {user}, may not write there; give it to that user \
                 (`chown {user} {path}`), or ask for `{path}:ro`",
                path = path.display(),
                owner = dir.uid(),
            ),
        )
        .with("field", "workdir"))
    }

    /// Whether this user may create files in a directory of this owner, group and mode.
    pub(crate) fn may_write(self, uid: u32, gid: u32, mode: u32) -> bool {
        let bits = match () {
            () if self.uid == uid => mode >> 6,
            () if self.gid == gid => mode >> 3,
            () => mode,
        };
        bits & 0o3 == 0o3
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_numbers_and_never_root() {
        assert_eq!("1000".parse::<User>().unwrap(), FIRST);
        assert_eq!("7:8".parse::<User>().unwrap().to_string(), "7:8");
        for bad in ["", "root", "0", "0:0", "node", "1:", "-1"] {
            assert!(bad.parse::<User>().is_err(), "{bad}");
        }
    }

    #[test]
    fn writing_takes_the_bits_of_who_one_is() {
        let user = User { uid: 5, gid: 6 };
        assert!(user.may_write(5, 0, 0o700));
        assert!(!user.may_write(5, 6, 0o577), "the owner's bits count for the owner");
        assert!(user.may_write(0, 6, 0o770));
        assert!(!user.may_write(0, 6, 0o707));
        assert!(user.may_write(0, 0, 0o777));
        assert!(!user.may_write(0, 0, 0o755));
    }
}
