//! Files of an agent's working directory.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::Time;

/// The longest file that can be written, in bytes: as long as the body of a request.
pub const MAX_FILE: usize = 8 * 1024 * 1024;

/// How many files and directories an archive holds.
pub const ARCHIVE_ENTRIES: usize = 20_000;
/// How many bytes the files in an archive have together, as it is read; one that is sent is as long as a body: [`MAX_FILE`].
pub const ARCHIVE_BYTES: u64 = 256 * 1024 * 1024;
/// The header that says how much in a directory is not in its archive: links, pipes, devices, and what could not be looked at.
pub const OMITTED_HEADER: &str = "parallax-archive-omitted";

/// The form of an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ArchiveFormat {
    /// tar, not compressed.
    Tar,
}

/// Whether a directory is meant as an archive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ArchiveQuery {
    /// The directory as an archive, with everything below it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive: Option<ArchiveFormat>,
}

/// What was in an archive that was unpacked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Unpacked {
    /// How many files.
    pub files: u64,
    /// How many directories.
    pub directories: u64,
}

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
    /// A directory as an archive.
    // Left out where it says nothing: older hosts refuse fields they do not know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive: Option<ArchiveFormat>,
}
