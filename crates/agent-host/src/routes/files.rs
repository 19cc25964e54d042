//! Files of the agent's working directory. The runtime server bounds what is sent.

use std::ops::Range;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, RANGE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use parallax_api::files::{FileQuery, OMITTED_HEADER, Unpacked};
use parallax_api::{Code, Problem};
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio::sync::Semaphore;
use tokio_util::io::ReaderStream;

use super::Host;
use crate::files::{Found, Packing};
use crate::tar_stream;

type Asked = Result<Query<FileQuery>, QueryRejection>;

/// Archives that are read at the same time: each has a thread until its reader has all of it, or goes.
const MAX_ARCHIVES: usize = 4;
/// A host has one agent.
static ARCHIVES: Semaphore = Semaphore::const_new(MAX_ARCHIVES);

/// A directory as a list, a file as its bytes; with `Range`, some of them.
pub(super) async fn get(
    State(host): State<Host>,
    query: Asked,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let FileQuery { path, archive } = asked(query)?;
    let files = host.session.files().clone();
    if archive.is_some() {
        return packed(blocking(move || files.packing(&path)).await?);
    }
    let (mut file, size) = match blocking(move || files.get(&path)).await? {
        Found::Directory(list) => return Ok(Json(list).into_response()),
        Found::File(file, size) => (tokio::fs::File::from_std(file), size),
    };
    let asked = headers.get(RANGE).and_then(|value| value.to_str().ok()).and_then(|value| range(value, size));
    let (status, part) = match &asked {
        None => (StatusCode::OK, 0..size),
        Some(Some(part)) => (StatusCode::PARTIAL_CONTENT, part.clone()),
        Some(None) => {
            let range = [(CONTENT_RANGE, format!("bytes */{size}"))];
            return Ok((StatusCode::RANGE_NOT_SATISFIABLE, range).into_response());
        }
    };
    file.seek(std::io::SeekFrom::Start(part.start)).await.map_err(Problem::internal)?;
    let length = part.end - part.start;
    let body = Body::from_stream(ReaderStream::new(file.take(length)));
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, "application/octet-stream".parse().expect("it is a header's value"));
    headers.insert(ACCEPT_RANGES, "bytes".parse().expect("it is a header's value"));
    headers.insert(CONTENT_LENGTH, length.into());
    if status == StatusCode::PARTIAL_CONTENT {
        let range = format!("bytes {}-{}/{size}", part.start, part.end.saturating_sub(1));
        headers.insert(CONTENT_RANGE, range.parse().map_err(Problem::internal)?);
    }
    Ok(response)
}

/// Unpacks an archive into a directory.
pub(super) async fn unpack(
    State(host): State<Host>,
    query: Asked,
    content: Bytes,
) -> Result<Json<Unpacked>, Problem> {
    let FileQuery { path, archive } = asked(query)?;
    if archive.is_none() {
        return Err(Problem::invalid("archive", "say what is sent: `archive=tar`"));
    }
    let files = host.session.files().clone();
    blocking(move || files.unpack(&path, &content)).await.map(Json)
}

/// A directory as an archive that is made while it is read.
fn packed(packing: Packing) -> Result<Response, Problem> {
    let permit = ARCHIVES.try_acquire().map_err(|_| {
        let detail =
            format!("{MAX_ARCHIVES} archives of this agent are being read; try again when one is done");
        Problem::new(Code::ResourceLimit, detail)
    })?;
    let omitted = packing.omitted;
    let mut response = tar_stream::response(move |out| {
        let _permit = permit;
        packing.write(out)
    });
    let headers = response.headers_mut();
    headers.insert(OMITTED_HEADER, omitted.into());
    Ok(response)
}

/// Makes or replaces a file.
pub(super) async fn put(
    State(host): State<Host>,
    query: Asked,
    content: Bytes,
) -> Result<StatusCode, Problem> {
    let path = asked(query)?.path;
    let files = host.session.files().clone();
    let is_new = blocking(move || files.put(&path, &content)).await?;
    Ok(if is_new { StatusCode::CREATED } else { StatusCode::NO_CONTENT })
}

/// Removes a file or an empty directory.
pub(super) async fn delete(State(host): State<Host>, query: Asked) -> Result<StatusCode, Problem> {
    let path = asked(query)?.path;
    let files = host.session.files().clone();
    blocking(move || files.delete(&path)).await.map(|()| StatusCode::NO_CONTENT)
}

fn asked(query: Asked) -> Result<FileQuery, Problem> {
    query.map(|Query(query)| query).map_err(|error| Problem::invalid("path", error.body_text()))
}

/// A disk may be slow: it holds up nobody else.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|cause| Err(Problem::internal(cause)))
}

/// One range of bytes (RFC 9110, 14.1.2), as far as the file has it. Outer `None`: none that is understood, so all is meant. Inner
/// `None`: the file has nothing of it.
fn range(value: &str, size: u64) -> Option<Option<Range<u64>>> {
    let (first, last) = value.strip_prefix("bytes=")?.trim().split_once('-')?;
    let part = match (first, last) {
        ("", suffix) => {
            let length: u64 = suffix.parse().ok()?;
            size.saturating_sub(length)..size
        }
        (first, "") => first.parse().ok()?..size,
        (first, last) => {
            let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
            if last < first {
                return None;
            }
            first..last.saturating_add(1).min(size)
        }
    };
    Some(if part.start < part.end { Some(part) } else { None })
}

#[cfg(test)]
mod tests {
    use super::range;

    #[test]
    fn ranges_are_those_of_http() {
        for (value, expected) in [
            ("bytes=0-0", Some(Some(0..1))),
            ("bytes=2-", Some(Some(2..10))),
            ("bytes=2-5", Some(Some(2..6))),
            ("bytes=8-99", Some(Some(8..10))),
            ("bytes=-3", Some(Some(7..10))),
            ("bytes=-99", Some(Some(0..10))),
            ("bytes=10-", Some(None)),
            ("bytes=-0", Some(None)),
            ("bytes=5-2", None),
            ("bytes=0-1,3-4", None),
            ("lines=0-1", None),
            ("bytes=a-b", None),
        ] {
            assert_eq!(range(value, 10), expected, "{value}");
        }
        assert_eq!(range("bytes=0-", 0), Some(None), "an empty file has no range");
    }
}
