//! The example page with the seed's lines of xterm.js, in headless Chromium: `make test-browser`.

use std::path::{Path, PathBuf};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use parallax_testkit::backend::{TestBackend, fake};
use parallax_testkit::docker::DockerBackend;
use parallax_testkit::local::LocalBackend;
use parallax_testkit::wait::{PATIENCE, within};
use tokio::net::TcpListener;

use crate::script::{self, modules};

/// A process of this machine.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a browser: make test-browser"]
async fn the_example_page_works() {
    let page = serve_page().await;
    use_page(&page, LocalBackend::start_with_args(&["--allow-origin", &page]).await).await;
}

/// A container.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a browser and a Docker engine: make test-docker-browser"]
async fn the_example_page_works_with_docker() {
    let page = serve_page().await;
    use_page(&page, DockerBackend::start_with(&["--allow-origin", &page], &[]).await).await;
}

/// Types, is painted, comes late, resizes.
async fn use_page(page: &str, backend: impl TestBackend) {
    let agent = backend.user().spawn_ready(fake("watched", &[])).await;
    let args = [page, &backend.url(), agent.id.as_str()];
    within("the browser", PATIENCE * 3, script::run("terminal.mjs", &args, async |_| ())).await;
    agent.stop().await;
    backend.end_server().await;
}

/// Serves the example, and xterm.js from where npm put it; gives its origin.
async fn serve_page() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("the loopback interface has a free port");
    let origin = format!("http://{}", listener.local_addr().expect("a listener has an address"));
    let router = Router::new().fallback(file).with_state(modules());
    tokio::spawn(async move { axum::serve(listener, router).await });
    origin
}

async fn file(State(modules): State<PathBuf>, uri: Uri) -> Response {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/terminal.html");
    let (path, kind) = match uri.path().strip_prefix("/node_modules/") {
        Some(path) if path.ends_with(".css") => (modules.join(path), "text/css"),
        Some(path) => (modules.join(path), "text/javascript"),
        None if uri.path() == "/" => (example, "text/html"),
        None => return StatusCode::NOT_FOUND.into_response(),
    };
    match tokio::fs::read(&path).await {
        Ok(contents) => ([(header::CONTENT_TYPE, kind)], contents).into_response(),
        Err(error) => (StatusCode::NOT_FOUND, format!("{}: {error}", path.display())).into_response(),
    }
}
