//! `parallax-agent-host export`: hands out what a dead host wrote into its directory, in a pod that has nothing else to do.
//!
//! The agent could write there as well: nothing but plain files is opened, and no link is followed.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::Router;
use axum::response::IntoResponse;
use axum::routing::get;
use parallax_api::agent::EnvValue;
use rustix::fs::{Mode, OFlags};
use tokio_util::sync::CancellationToken;

use crate::tar_stream;
use crate::tcp::TokenListener;

/// How long the files can be asked for.
const TIME: Duration = Duration::from_secs(600);
/// How many files are handed out.
const MAX_FILES: usize = 10_000;
/// The agent's home, which may be in the directory: not the host's.
const HOME: &str = "home";

/// Serves `GET /export`, the files of `dir` as an archive (tar), to callers with the token that `verifier` stands for.
///
/// # Errors
/// When the address is not available.
pub fn run(dir: &Path, listen: SocketAddr, verifier: EnvValue) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TokenListener::bind(listen, Some(verifier)).await?;
        let dir = dir.to_owned();
        let routes = Router::new().route("/export", get(move || async move { export(dir) }));
        let closing = CancellationToken::new();
        let closer = closing.clone();
        tokio::spawn(async move {
            tokio::time::sleep(TIME).await;
            closer.cancel();
        });
        listener.serve(routes, closing).await?;
        anyhow::Ok(())
    })
}

fn export(dir: PathBuf) -> impl IntoResponse {
    tar_stream::response(move |archive| pack(&dir, archive))
}

/// Packs the plain files below `dir`, as `host/…`.
fn pack(dir: &Path, archive: impl Write) -> io::Result<()> {
    let mut archive = tar::Builder::new(archive);
    let mut left = vec![PathBuf::new()];
    let mut files = 0;
    while let Some(inside) = left.pop() {
        for entry in fs::read_dir(dir.join(&inside))? {
            let entry = entry?;
            let kind = entry.file_type()?;
            let path = inside.join(entry.file_name());
            if kind.is_dir() && path != Path::new(HOME) {
                left.push(path);
            } else if kind.is_file() && files < MAX_FILES {
                files += 1;
                append(&mut archive, &entry.path(), &Path::new("host").join(path))?;
            }
        }
    }
    archive.into_inner()?.flush()
}

fn append(archive: &mut tar::Builder<impl Write>, file: &Path, name: &Path) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(file, flags, Mode::empty())?);
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Ok(());
    }
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Regular);
    header.set_size(metadata.len());
    header.set_mode(0o600);
    // Just as long as the header says, even if somebody cuts it meanwhile.
    let content = file.chain(io::repeat(0)).take(metadata.len());
    archive.append_data(&mut header, name, content)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn plain_files_alone() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir_all(at("log")).unwrap();
        fs::create_dir_all(at("home")).unwrap();
        fs::write(at("journal"), "events").unwrap();
        fs::write(at("log/0"), "bytes").unwrap();
        fs::write(at("home/secret"), "the agent's").unwrap();
        symlink("/etc/passwd", at("link")).unwrap();
        symlink("/etc", at("directory")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, at("pipe"), Mode::RUSR).unwrap();
        let mut packed = Vec::new();
        pack(dir.path(), &mut packed).unwrap();
        let mut archive = tar::Archive::new(packed.as_slice());
        let mut found = BTreeMap::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut content = String::new();
            entry.read_to_string(&mut content).unwrap();
            found.insert(entry.path().unwrap().display().to_string(), content);
        }
        let expected = [("host/journal", "events"), ("host/log/0", "bytes")];
        assert_eq!(found, expected.map(|(name, content)| (name.to_owned(), content.to_owned())).into());
    }
}
