//! Files of an agent's working directory.

use std::time::Duration;

use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Method, Response, StatusCode, header};

use super::Client;
use crate::files::{ArchiveFormat, ArchiveQuery, FileList, OMITTED_HEADER, Unpacked};
use crate::{AgentId, Problem};

/// How long a file or an archive may take on its way.
const FILE_TIMEOUT: Duration = Duration::from_secs(600);
/// What does not stand in a path as it is.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'~').remove(b'/').remove(b'.');

/// Bytes as they come. A lost connection is the last item.
pub type FileStream = BoxStream<'static, Result<Bytes, Problem>>;

/// What a path is.
pub enum FileContent {
    /// A directory, and what is in it.
    Directory(FileList),
    /// A file's bytes.
    File(FileStream),
}

impl Client {
    /// `GET …/:id/files/PATH`: a directory as a list, a file as its bytes.
    pub async fn file(&self, id: &AgentId, path: &str) -> Result<FileContent, Problem> {
        let response = self.succeed(self.below(Method::GET, id, path)?).await?;
        let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        if kind.is_some_and(|kind| kind.starts_with("application/json")) {
            let body = self.body(response).await?;
            return self.json(&body).map(FileContent::Directory);
        }
        Ok(FileContent::File(self.stream(response)))
    }

    /// `PUT …/:id/files/PATH`: makes or replaces a file; whether it is new.
    pub async fn put_file(
        &self,
        id: &AgentId,
        path: &str,
        content: impl Into<Bytes>,
    ) -> Result<bool, Problem> {
        let request = self.below(Method::PUT, id, path)?.body(content.into());
        Ok(self.succeed(request).await?.status() == StatusCode::CREATED)
    }

    /// `DELETE …/:id/files/PATH`: removes a file, a link, or an empty directory.
    pub async fn delete_file(&self, id: &AgentId, path: &str) -> Result<(), Problem> {
        self.succeed(self.below(Method::DELETE, id, path)?).await.map(drop)
    }

    /// `GET …/:id/files/PATH?archive=tar`: a directory as an archive, and how much of it is not in it. An archive that breaks off
    /// is an error.
    pub async fn archive(&self, id: &AgentId, path: &str) -> Result<(FileStream, u64), Problem> {
        let response = self.succeed(self.below(Method::GET, id, path)?.query(&TAR)).await?;
        let omitted = response.headers().get(OMITTED_HEADER).and_then(|count| count.to_str().ok());
        let omitted = omitted.and_then(|count| count.parse().ok()).unwrap_or_default();
        Ok((self.stream(response), omitted))
    }

    /// `POST …/:id/files/PATH?archive=tar`: unpacks an archive into a directory, which is made where it is not there.
    pub async fn unpack(
        &self,
        id: &AgentId,
        path: &str,
        archive: impl Into<Bytes>,
    ) -> Result<Unpacked, Problem> {
        self.fetch(self.below(Method::POST, id, path)?.query(&TAR).body(archive.into())).await
    }

    fn below(&self, method: Method, id: &AgentId, path: &str) -> Result<reqwest::RequestBuilder, Problem> {
        // A URL with `..` in it is another one before it is sent.
        if path.split('/').any(|part| part == "..") {
            return Err(Problem::invalid(
                "path",
                "a path leads to something below the agent's working directory",
            ));
        }
        let parts = path.split('/').filter(|part| !part.is_empty() && *part != ".");
        let mut rest = String::from("/files");
        for part in parts {
            rest.push('/');
            rest.extend(utf8_percent_encode(part, ESCAPED));
        }
        Ok(self.agent(method, id, &rest).timeout(FILE_TIMEOUT))
    }

    fn stream(&self, response: Response) -> FileStream {
        let client = self.clone();
        response.bytes_stream().map(move |part| part.map_err(|error| client.unreachable(&error))).boxed()
    }
}

const TAR: ArchiveQuery = ArchiveQuery { archive: Some(ArchiveFormat::Tar) };
