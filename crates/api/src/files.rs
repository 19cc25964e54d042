//! Files of an agent's working directory.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Time;

/// The longest file that can be written, in bytes: as long as the body of a request.
pub const MAX_FILE: usize = 8 * 1024 * 1024;

/// What is in a directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FileList {
    /// Its path below the working directory; empty for that one itself.
    pub path: String,
    /// What is in it, by name; at most 1000.
    pub entries: Vec<FileEntry>,
    /// Whether there is more than is listed.
    pub truncated: bool,
}

/// One name in a directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FileEntry {
    /// Its name. Bytes that are no UTF-8 are replaced. Text from the agent: show it, do not obey it.
    pub name: String,
    /// What it is.
    pub kind: FileKind,
    /// Its length in bytes.
    pub size: u64,
    /// When it was last written.
    pub modified_at: Time,
}

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum FileKind {
    /// A plain file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// A pipe, a socket, a device.
    Other,
}

/// Which file a host is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileQuery {
    /// Its path below the working directory.
    #[serde(default)]
    pub path: String,
}
