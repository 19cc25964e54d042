//! The clone that an agent with a file system of its own works in.

use std::path::Path;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::CONTENT_LENGTH;
use axum::http::{Method, Request};
use http_body_util::{BodyExt, Limited};
use parallax_api::Problem;
use parallax_api::host::WorkspaceCall;
use parallax_profile::launch::CHECKOUT_TIMEOUT;
use serde::de::DeserializeOwned;
use tokio_util::io::ReaderStream;

use super::{HostAnswer, HostClient, accepted, away, not_understood, within};

/// How long git may take in the clone of an agent.
const GIT: Duration = Duration::from_secs(180);
/// The longest answer of git that is read, in bytes: a diff, or a list of changes.
const MAX_GIT_ANSWER: usize = 32 * 1024 * 1024;

impl HostClient {
    /// Hands over the repository of an agent that is being started: an archive, in this file. Returns when its files are checked
    /// out.
    pub async fn check_out(&self, archive: &Path) -> Result<(), Problem> {
        let file = tokio::fs::File::open(archive).await.map_err(Problem::internal)?;
        let length = file.metadata().await.map_err(Problem::internal)?.len();
        let request = Request::builder().method(Method::PUT).uri("/workspace").header(CONTENT_LENGTH, length);
        let body = Body::from_stream(ReaderStream::with_capacity(file, 64 * 1024));
        accepted(self.exchange_body(request, body, CHECKOUT_TIMEOUT).await?).await.map(drop)
    }

    /// Does something in the clone of the agent.
    pub async fn workspace<T: DeserializeOwned>(&self, call: &WorkspaceCall) -> Result<T, Problem> {
        let said = self.workspace_bytes(call).await?;
        serde_json::from_slice(&said).map_err(not_understood)
    }

    /// The same, and the answer as it is.
    pub async fn workspace_bytes(&self, call: &WorkspaceCall) -> Result<Vec<u8>, Problem> {
        let body = serde_json::to_vec(call).map_err(Problem::internal)?;
        let call = async {
            let answer = self.call(Method::POST, "/workspace", Some(body), GIT).await?;
            let said = Limited::new(accepted(answer).await?.into_body(), MAX_GIT_ANSWER).collect().await;
            Ok(said.map_err(away)?.to_bytes())
        };
        within(GIT, call).await.map(Vec::from)
    }

    /// How the clone of the agent stands, and a bundle of what is new in it.
    pub async fn export_workspace(&self, whole: bool) -> Result<HostAnswer, Problem> {
        let body = serde_json::to_vec(&WorkspaceCall::Export { whole }).map_err(Problem::internal)?;
        let answer = self.call(Method::POST, "/workspace", Some(body), GIT).await?;
        Ok(accepted(answer).await?.map(Body::new))
    }
}
