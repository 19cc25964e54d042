//! The typed client against a scripted server: what it sends, what it makes of answers, and how it resumes.

mod events;
mod requests;
mod terminal;

use axum::Router;
use parallax_api::client::Client;

/// Serves the routes on a free port for the rest of the test.
async fn serve(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("address"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

async fn control_plane(router: Router) -> Client {
    Client::control_plane(&serve(router).await, None).expect("client")
}

fn agent(id: &str) -> serde_json::Value {
    serde_json::json!({
        "id": id, "name": "one", "type": "shell", "status": "ready", "runtime": "local", "queued": 0,
        "createdAt": "2026-01-01T00:00:00.000Z", "updatedAt": "2026-01-01T00:00:00.000Z",
    })
}
