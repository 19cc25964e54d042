//! The API of a host that waits for its agent's repository: it takes the repository, and holds everything else until the agent
//! runs.

use std::fs::File;
use std::io::Seek;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::put;
use futures::StreamExt;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use parallax_api::{Code, Problem};
use parallax_profile::launch::CHECKOUT_TIMEOUT;
use tokio::io::AsyncWriteExt;
use tokio::sync::{Semaphore, mpsc, watch};

use super::Workspace;

/// The largest repository, in bytes of its archive.
pub const MAX_ARCHIVE: u64 = 4 << 30;

/// What waits for the repository.
pub struct Intake {
    state: Early,
    made_rx: mpsc::Receiver<Result<(), Problem>>,
    later_tx: watch::Sender<Option<Router>>,
}

#[derive(Clone)]
struct Early {
    workspace: Workspace,
    /// One at a time: whoever broke off may try again.
    turn: Arc<Semaphore>,
    made_tx: mpsc::Sender<Result<(), Problem>>,
    later_rx: watch::Receiver<Option<Router>>,
}

impl Intake {
    /// Waits for the repository of this workspace.
    pub fn new(workspace: Workspace) -> Self {
        let (made_tx, made_rx) = mpsc::channel(1);
        let (later_tx, later_rx) = watch::channel(None);
        let state = Early { workspace, turn: Arc::new(Semaphore::new(1)), made_tx, later_rx };
        Self { state, made_rx, later_tx }
    }

    /// The routes until the agent runs, and those of [`Intake::open`] from then on.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/workspace", put(take).fallback(later))
            .layer(DefaultBodyLimit::disable())
            .fallback(later)
            .with_state(self.state.clone())
    }

    /// Resolves when the workspace is made, or cannot be.
    pub async fn made(&mut self) -> Result<(), Problem> {
        match tokio::time::timeout(CHECKOUT_TIMEOUT, self.made_rx.recv()).await {
            Ok(Some(made)) => made,
            _ => Err(Problem::new(Code::SpawnFailed, "the agent's repository did not come in time")),
        }
    }

    /// Serves these from now on, also to who has waited.
    pub fn open(&self, routes: Router) {
        self.later_tx.send_replace(Some(routes));
    }
}

async fn take(State(early): State<Early>, body: Body) -> Result<StatusCode, Problem> {
    let turn = early.turn.clone().try_acquire_owned();
    let turn = turn.map_err(|_| Problem::new(Code::Conflict, "the repository is being taken already"))?;
    if early.workspace.is_made() {
        return Ok(StatusCode::NO_CONTENT);
    }
    let archive = receive(&early.workspace, body).await?;
    // To its end, whatever becomes of the caller.
    let making = async move {
        let _turn = turn;
        let made = early.workspace.make(archive).await;
        // The first one counts.
        drop(early.made_tx.try_send(made.clone()));
        made
    };
    tokio::spawn(making).await.map_err(Problem::internal)??;
    Ok(StatusCode::NO_CONTENT)
}

async fn receive(workspace: &Workspace, body: Body) -> Result<File, Problem> {
    let mut file = tokio::fs::File::from_std(workspace.file().map_err(Problem::internal)?);
    let (mut parts, mut length) = (body.into_data_stream(), 0_u64);
    while let Some(part) = parts.next().await {
        let part = part.map_err(|error| Problem::new(Code::Validation, error.to_string()))?;
        length = length.saturating_add(u64::try_from(part.len()).unwrap_or(u64::MAX));
        if length > MAX_ARCHIVE {
            let detail = format!("the repository has more than {MAX_ARCHIVE} bytes");
            return Err(Problem::new(Code::PayloadTooLarge, detail));
        }
        file.write_all(&part).await.map_err(Problem::internal)?;
    }
    file.flush().await.map_err(Problem::internal)?;
    let mut file = file.into_std().await;
    file.rewind().map_err(Problem::internal)?;
    Ok(file)
}

async fn later(State(mut early): State<Early>, request: Request) -> Response {
    let routes = match early.later_rx.wait_for(Option::is_some).await {
        Ok(routes) => routes.clone(),
        Err(_) => None,
    };
    match routes {
        Some(routes) => {
            TowerToHyperService::new(routes).call(request).await.unwrap_or_else(|never| match never {})
        }
        None => Problem::new(Code::ShuttingDown, "the agent did not start").into_response(),
    }
}
