//! What is asked about the clone that the agent works in.

use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use parallax_api::host::WorkspaceCall;
use parallax_api::{Code, Problem};
use tokio_util::io::ReaderStream;

use super::{Host, parsed};

/// Does it, and hands on what git's program said.
pub(super) async fn call(
    State(host): State<Host>,
    body: super::Body<WorkspaceCall>,
) -> Result<Response, Problem> {
    let call = parsed(body)?;
    let workspace = host.workspace.as_ref();
    let workspace = workspace.ok_or_else(|| Problem::new(Code::NotFound, "the agent has no workspace"))?;
    let said = tokio::fs::File::from_std(workspace.call(&call).await?);
    let body = Body::from_stream(ReaderStream::new(said));
    Ok(([(CONTENT_TYPE, "application/octet-stream")], body).into_response())
}
