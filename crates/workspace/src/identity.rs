//! Who makes a commit.

use crate::error::WorkspaceError;
use crate::git::Git;

/// A name and an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    name: String,
    address: String,
}

impl Identity {
    /// Of commits that nobody sees.
    pub(crate) fn of_server() -> Self {
        Self { name: "Parallax".into(), address: "parallax@localhost".into() }
    }

    /// The author that was asked for (`Name <address>`), else the one that git is configured with, else the agent.
    pub(crate) async fn choose(git: &Git, author: Option<&str>, agent: &str) -> Result<Self, WorkspaceError> {
        if let Some((name, address)) =
            author.and_then(|author| author.strip_suffix('>')).and_then(|author| author.split_once(" <"))
        {
            return Ok(Self { name: name.trim().into(), address: address.into() });
        }
        let configured = async |key: &str| {
            let value = git.answer(["config", "--get", key]).await?;
            let value = String::from_utf8_lossy(&value.stdout).trim().to_owned();
            Ok::<_, WorkspaceError>(Some(value).filter(|value| !value.is_empty()))
        };
        match (configured("user.name").await?, configured("user.email").await?) {
            (Some(name), Some(address)) => Ok(Self { name, address }),
            _ => Ok(Self { name: agent.into(), ..Self::of_server() }),
        }
    }

    /// Makes this one the author of what is committed in a repository by others.
    pub(crate) async fn configure(&self, git: &Git) -> Result<(), WorkspaceError> {
        git.run(["config", "--local", "user.name", &self.name]).await?;
        git.run(["config", "--local", "user.email", &self.address]).await.map(drop)
    }

    /// Git that commits as this one.
    pub(crate) fn applied(&self, git: Git) -> Git {
        git.with_variable("GIT_AUTHOR_NAME", &self.name)
            .with_variable("GIT_AUTHOR_EMAIL", &self.address)
            .with_variable("GIT_COMMITTER_NAME", &self.name)
            .with_variable("GIT_COMMITTER_EMAIL", &self.address)
    }
}
