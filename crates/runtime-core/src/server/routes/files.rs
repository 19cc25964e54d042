//! Files of an agent's working directory, read and written by its host. Reading needs more than the scope that watches: what lies
//! there was shown to nobody.

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::RANGE;
use axum::http::{HeaderMap, Method, Response};
use parallax_api::{AgentId, Problem};
use parallax_service::access::Operator;
use parallax_service::extract::Path;

use super::{App, Id};

/// What is in the working directory.
pub(super) async fn root(State(app): State<App>, _: Operator, Id(id): Id) -> Result<Response<Body>, Problem> {
    app.core.file(&id, Method::GET, "", None, Bytes::new()).await
}

/// A directory as a list, a file as its bytes.
pub(super) async fn get(
    State(app): State<App>,
    _: Operator,
    Path((id, path)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response<Body>, Problem> {
    app.core.file(&agent(&id)?, Method::GET, &path, headers.get(RANGE), Bytes::new()).await
}

/// Makes or replaces a file.
pub(super) async fn put(
    State(app): State<App>,
    _: Operator,
    Path((id, path)): Path<(String, String)>,
    content: Bytes,
) -> Result<Response<Body>, Problem> {
    app.core.file(&agent(&id)?, Method::PUT, &path, None, content).await
}

/// Removes a file or an empty directory.
pub(super) async fn delete(
    State(app): State<App>,
    _: Operator,
    Path((id, path)): Path<(String, String)>,
) -> Result<Response<Body>, Problem> {
    app.core.file(&agent(&id)?, Method::DELETE, &path, None, Bytes::new()).await
}

fn agent(id: &str) -> Result<AgentId, Problem> {
    id.parse()
}
