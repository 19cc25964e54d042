//! The state from which the next host of the same directory goes on: the conversation's id, and its messages. The
//! messages are complete when the host ended well; otherwise [`crate::message_log`] has the rest.

use std::fs;
use std::io;
use std::path::Path;

use parallax_api::observe::Tokens;
use serde::{Deserialize, Serialize};

use crate::inbox::KeptMessages;
use crate::regular_file;

/// The file in the host's directory.
const FILE: &str = "resume.json";
/// The name that earlier hosts gave it.
const OLD_FILE: &str = "memory.json";
/// A host keeps less of a conversation, every character escaped.
const MAX_BYTES: u64 = 512 * 1024 * 1024;

/// Written when a conversation begins and when the agent has ended, read when it comes back.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResumeState {
    /// The id of the conversation, as the CLI calls it.
    pub conversation: String,
    /// A prompt was taken, so the CLI has a conversation to resume.
    pub has_conversed: bool,
    /// The messages of the conversation.
    pub messages: KeptMessages,
    /// Tokens that the agent has used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<Tokens>,
}

impl ResumeState {
    /// What the last host in `dir` left; `None` when there was no host before.
    pub fn read(dir: &Path) -> io::Result<Option<Self>> {
        for name in [FILE, OLD_FILE] {
            match regular_file::read(&dir.join(name), MAX_BYTES) {
                Ok(bytes) => match serde_json::from_slice(&bytes) {
                    Ok(state) => return Ok(Some(state)),
                    Err(error) => set_aside(&dir.join(name), &error)?,
                },
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Writes the state into `dir`, whole or not at all.
    pub fn write(&self, dir: &Path) -> io::Result<()> {
        let path = dir.join(FILE);
        let partial = path.with_extension("partial");
        regular_file::write(&partial, &serde_json::to_vec(self)?)?;
        fs::rename(partial, path)
    }
}

/// A damaged file is kept for a person, and otherwise as good as none.
fn set_aside(path: &Path, error: &serde_json::Error) -> io::Result<()> {
    tracing::error!(path = %path.display(), %error, "a damaged file is set aside");
    fs::rename(path, path.with_extension("json.damaged"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_old_name_is_read_and_the_new_one_wins() {
        let dir = tempfile::tempdir().unwrap();
        assert!(ResumeState::read(dir.path()).unwrap().is_none());
        let old = r#"{"conversation":"old","hasConversed":true,"messages":{"messages":[],"accepted":2,"answered":1}}"#;
        fs::write(dir.path().join(OLD_FILE), old).unwrap();
        let read = ResumeState::read(dir.path()).unwrap().unwrap();
        assert_eq!((read.conversation.as_str(), read.has_conversed), ("old", true));
        fs::write(dir.path().join(FILE), "{\"conv").unwrap();
        assert_eq!(ResumeState::read(dir.path()).unwrap().unwrap().conversation, "old");
        assert!(dir.path().join("resume.json.damaged").exists(), "set aside");
        let state = ResumeState { conversation: "new".into(), ..ResumeState::default() };
        state.write(dir.path()).unwrap();
        assert_eq!(ResumeState::read(dir.path()).unwrap().unwrap().conversation, "new");
    }
}
