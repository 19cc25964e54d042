//! The `parallax` program as a person runs it, against a scripted control plane.

mod attach;
mod commands;
mod following;
mod patterns;
mod questions;

use axum::Router;
use serde_json::{Value, json};

const ID: &str = "01900000-0000-7000-8000-00000000000a";

fn agent(id: &str, name: &str, status: &str) -> Value {
    json!({
        "id": id, "name": name, "type": "claude", "status": status, "runtime": "local", "queued": 0,
        "createdAt": "2026-01-01T00:00:00.000Z", "updatedAt": "2026-01-01T00:00:00.000Z",
    })
}

/// Serves the routes on a free port for the rest of the test.
async fn serve(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("address"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}
