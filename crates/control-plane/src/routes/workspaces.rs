//! The workspaces of all runtimes. Calls to that of one agent are proxied: `calls.rs`.

use std::sync::Arc;

use axum::extract::State;
use futures::future::join_all;
use parallax_api::client::Client;
use parallax_api::workspace::{WorkspaceCleanup, WorkspaceInfo, WorkspaceList};
use parallax_api::{Code, Problem};
use parallax_service::extract::Json;

use crate::app::App;
use crate::runtimes::Runtime;

/// Every workspace of every runtime, also of agents that are forgotten.
#[utoipa::path(get, path = "/api/workspaces", tag = "workspaces", responses((status = 200, body = WorkspaceList)))]
pub async fn list(State(app): State<App>) -> Json<WorkspaceList> {
    let mut all = WorkspaceList::default();
    for (runtime, list) in ask_all(&app, |client| async move { client.workspaces().await }).await {
        match list {
            Some(list) => {
                let space = list.space.into_values().next();
                all.space.extend(space.map(|space| (runtime.name().to_owned(), space)));
                all.workspaces.extend(named(&runtime, list.workspaces));
            }
            None => all.runtimes_away.push(runtime.name().to_owned()),
        }
    }
    Json(all)
}

/// Removes the workspaces of agents that have ended in which nothing would be lost.
#[utoipa::path(
    post, path = "/api/workspaces/gc", tag = "workspaces",
    responses((status = 200, body = WorkspaceCleanup))
)]
pub async fn gc(State(app): State<App>) -> Json<WorkspaceCleanup> {
    let mut all = WorkspaceCleanup::default();
    for (runtime, done) in ask_all(&app, |client| async move { client.clean_workspaces().await }).await {
        match done {
            Some(done) => {
                all.removed.extend(named(&runtime, done.removed));
                all.kept.extend(named(&runtime, done.kept));
            }
            None => all.runtimes_away.push(runtime.name().to_owned()),
        }
    }
    Json(all)
}

/// Each runtime's answer; none of one that is away, or fails: what the others answered, or did, is told all the same. One that has
/// no workspaces, or is older than they are, is left out.
async fn ask_all<T, F: Future<Output = Result<T, Problem>>>(
    app: &App,
    ask: impl Fn(Client) -> F,
) -> Vec<(Arc<Runtime>, Option<T>)> {
    let ask = &ask;
    let asked = app.runtimes.iter().cloned().map(|runtime| async move {
        if !runtime.is_reachable() {
            return Some((runtime, None));
        }
        match ask(runtime.client().clone()).await {
            Ok(answer) => Some((runtime, Some(answer))),
            Err(problem) if matches!(problem.code, Code::Unsupported | Code::NotFound) => None,
            Err(problem) => {
                tracing::warn!(runtime.name = runtime.name(), code = %problem.code, "a runtime did not answer for its workspaces");
                Some((runtime, None))
            }
        }
    });
    join_all(asked).await.into_iter().flatten().collect()
}

/// A runtime may have another name for itself.
fn named(runtime: &Runtime, mut workspaces: Vec<WorkspaceInfo>) -> Vec<WorkspaceInfo> {
    for workspace in &mut workspaces {
        runtime.name().clone_into(&mut workspace.runtime);
    }
    workspaces
}
