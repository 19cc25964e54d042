//! A little server for an agent to start (`parallax-fake-agent --serve ADDRESS`): it says what it was asked, and more than it should.

use std::fmt::Write;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::http::{HeaderMap, Method, Uri};
use axum::response::Response;
use axum::routing::{any, get};
use axum::{Router, http::header};
use futures::StreamExt;
use tokio::net::TcpListener;
use tokio::sync::Notify;

/// Serves on `address` until the process ends.
///
/// - `/ws` sends back the frames of a WebSocket
/// - `/stream` sends `one`, and when `/go` was asked for, `two`
/// - `/redirect?TO` redirects
/// - everything else is answered with the request as it came, and headers that are to reach nobody
///
/// # Errors
/// When the address is not free.
pub async fn serve(address: &str) -> anyhow::Result<()> {
    let listener = TcpListener::bind(address).await?;
    let routes = Router::new()
        .route("/ws", get(echo_frames))
        .route("/stream", get(stream))
        .route("/go", get(|State(go): State<Arc<Notify>>| async move { go.notify_one() }))
        .route("/redirect", any(redirect))
        .fallback(asked)
        .with_state(Arc::new(Notify::new()));
    Ok(axum::serve(listener, routes).await?)
}

async fn asked(method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let mut text = format!("{method} {uri}\n");
    for (name, value) in &headers {
        writeln!(text, "{name}: {}", value.to_str().unwrap_or("?")).expect("a string takes everything");
    }
    text.push_str(&String::from_utf8_lossy(&body));
    Response::builder()
        .header(header::CONTENT_TYPE, "text/html")
        .header(header::SET_COOKIE, "stolen=1; Path=/")
        .header("service-worker-allowed", "/")
        .header("clear-site-data", "\"*\"")
        .header(header::CONTENT_SECURITY_POLICY, "report-uri /api/managed-agents")
        .header(header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")
        .body(text.into())
        .expect("the headers are well-formed")
}

async fn redirect(uri: Uri) -> Response {
    Response::builder()
        .status(302)
        .header(header::LOCATION, uri.query().unwrap_or_default())
        .body(Body::empty())
        .expect("a query is a header's value")
}

async fn stream(State(go): State<Arc<Notify>>) -> Response {
    let second = async move {
        go.notified().await;
        "two\n"
    };
    let parts = futures::stream::iter(["one\n"]).chain(futures::stream::once(second));
    Response::new(Body::from_stream(parts.map(Ok::<_, std::convert::Infallible>)))
}

async fn echo_frames(upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(async |mut socket| {
        while let Some(Ok(frame)) = socket.next().await {
            if socket.send(frame).await.is_err() {
                break;
            }
        }
    })
}
