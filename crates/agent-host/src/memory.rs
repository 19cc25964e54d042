//! What an agent's next host goes on from, when its directory outlives this one: which conversation it was, and what was said.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::inbox::KeptMessages;

/// Written when the agent has ended, read when it comes back.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Memory {
    /// The conversation, as the CLI calls it.
    pub conversation: String,
    /// A prompt was taken: there is something to go on with.
    pub has_conversed: bool,
    /// What was said.
    pub messages: KeptMessages,
}

impl Memory {
    /// What the last host in `dir` left. None: there was none.
    pub fn read(dir: &Path) -> io::Result<Option<Self>> {
        match fs::read(file(dir)) {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Leaves it in `dir`, whole or not at all.
    pub fn write(&self, dir: &Path) -> io::Result<()> {
        let partial = file(dir).with_extension("partial");
        fs::write(&partial, serde_json::to_vec(self)?)?;
        fs::rename(partial, file(dir))
    }
}

fn file(dir: &Path) -> PathBuf {
    dir.join("memory.json")
}
