//! Files of an agent's working directory, read and written by its host. Reading needs more than the scope that watches: what lies
//! there was shown to nobody.

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::RANGE;
use axum::http::{HeaderMap, Method, Response};
use parallax_api::Problem;
use parallax_api::files::{ArchiveQuery, FileQuery};
use parallax_service::access::Operator;
use parallax_service::extract::{Path, Query};

use super::{App, Id};

type Asked = Path<(String, String)>;

/// What is in the working directory.
pub(super) async fn root(
    State(app): State<App>,
    _: Operator,
    Id(id): Id,
    Query(query): Query<ArchiveQuery>,
) -> Result<Response<Body>, Problem> {
    app.core.file(&id, Method::GET, &whole("", query), None, Bytes::new()).await
}

/// A directory as a list or an archive, a file as its bytes.
pub(super) async fn get(
    State(app): State<App>,
    _: Operator,
    Path((id, path)): Asked,
    Query(query): Query<ArchiveQuery>,
    headers: HeaderMap,
) -> Result<Response<Body>, Problem> {
    app.core.file(&id.parse()?, Method::GET, &whole(&path, query), headers.get(RANGE), Bytes::new()).await
}

/// Makes or replaces a file.
pub(super) async fn put(
    State(app): State<App>,
    _: Operator,
    Path((id, path)): Asked,
    content: Bytes,
) -> Result<Response<Body>, Problem> {
    app.core.file(&id.parse()?, Method::PUT, &whole(&path, ArchiveQuery::default()), None, content).await
}

/// Unpacks an archive into the working directory.
pub(super) async fn unpack(
    State(app): State<App>,
    _: Operator,
    Id(id): Id,
    Query(query): Query<ArchiveQuery>,
    content: Bytes,
) -> Result<Response<Body>, Problem> {
    app.core.file(&id, Method::POST, &whole("", query), None, content).await
}

/// Unpacks an archive into a directory below it.
pub(super) async fn unpack_below(
    State(app): State<App>,
    _: Operator,
    Path((id, path)): Asked,
    Query(query): Query<ArchiveQuery>,
    content: Bytes,
) -> Result<Response<Body>, Problem> {
    app.core.file(&id.parse()?, Method::POST, &whole(&path, query), None, content).await
}

/// Removes a file or an empty directory.
pub(super) async fn delete(
    State(app): State<App>,
    _: Operator,
    Path((id, path)): Asked,
) -> Result<Response<Body>, Problem> {
    let query = whole(&path, ArchiveQuery::default());
    app.core.file(&id.parse()?, Method::DELETE, &query, None, Bytes::new()).await
}

fn whole(path: &str, query: ArchiveQuery) -> FileQuery {
    FileQuery { path: path.to_owned(), archive: query.archive }
}
