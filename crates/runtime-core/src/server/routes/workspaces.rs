//! What was changed in the checkout of an agent, and what is done with it.

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use parallax_api::Problem;
use parallax_api::workspace::{
    Changes, CommitRequest, Committed, Conflicts, ConflictsQuery, DiffFormat, DiffQuery, MergeRequest,
    Merged, PullRequest, PullRequestRequest, PushRequest, Pushed, WorkspaceCleanup, WorkspaceList,
};
use parallax_service::extract::{Json, Query};
use parallax_workspace::hunks;

use super::{App, Id};

/// What was changed since the workspace was made.
pub(super) async fn changes(State(app): State<App>, Id(id): Id) -> Result<Json<Changes>, Problem> {
    app.core.changes(&id).await.map(Json)
}

/// The difference, as a unified diff or by its hunks.
pub(super) async fn diff(
    State(app): State<App>,
    Id(id): Id,
    Query(query): Query<DiffQuery>,
) -> Result<Response, Problem> {
    let diff = app.core.diff(&id, &query).await?;
    if query.format == Some(DiffFormat::Json) {
        // Off the async threads: it may be long.
        let diff =
            tokio::task::spawn_blocking(move || hunks::parse(&diff)).await.map_err(Problem::internal)?;
        return Ok(Json(diff).into_response());
    }
    Ok(([(CONTENT_TYPE, "text/x-diff")], diff).into_response())
}

/// The files that would conflict.
pub(super) async fn conflicts(
    State(app): State<App>,
    Id(id): Id,
    Query(query): Query<ConflictsQuery>,
) -> Result<Json<Conflicts>, Problem> {
    app.core.conflicts(&id, &query).await.map(Json)
}

/// Commit everything.
pub(super) async fn commit(
    State(app): State<App>,
    Id(id): Id,
    Json(request): Json<CommitRequest>,
) -> Result<Json<Committed>, Problem> {
    app.core.commit(&id, &request).await.map(Json)
}

/// Push what is committed. No body means the defaults.
pub(super) async fn push(
    State(app): State<App>,
    Id(id): Id,
    request: Option<Json<PushRequest>>,
) -> Result<Json<Pushed>, Problem> {
    let request = request.map(|Json(request)| request).unwrap_or_default();
    app.core.push(&id, &request).await.map(Json)
}

/// Push what is committed, and make a pull request of it. No body means the defaults.
pub(super) async fn pull_request(
    State(app): State<App>,
    Id(id): Id,
    request: Option<Json<PullRequestRequest>>,
) -> Result<Json<PullRequest>, Problem> {
    let request = request.map(|Json(request)| request).unwrap_or_default();
    app.core.pull_request(&id, &request).await.map(Json)
}

/// Merge what is committed into a branch.
pub(super) async fn merge(
    State(app): State<App>,
    Id(id): Id,
    Json(request): Json<MergeRequest>,
) -> Result<Json<Merged>, Problem> {
    app.core.merge(&id, &request).await.map(Json)
}

/// Every workspace here, also of agents that are forgotten.
#[utoipa::path(
    get, path = "/api/workspaces", tag = "workspaces",
    responses((status = 200, body = WorkspaceList), (status = "4XX", body = Problem))
)]
pub(super) async fn list(State(app): State<App>) -> Result<Json<WorkspaceList>, Problem> {
    app.core.list_workspaces().await.map(Json)
}

/// Removes the workspaces of agents that have ended in which nothing would be lost.
#[utoipa::path(
    post, path = "/api/workspaces/gc", tag = "workspaces",
    responses((status = 200, body = WorkspaceCleanup), (status = "4XX", body = Problem))
)]
pub(super) async fn gc(State(app): State<App>) -> Result<Json<WorkspaceCleanup>, Problem> {
    app.core.clean_workspaces().await.map(Json)
}
