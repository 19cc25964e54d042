//! What is long comes compressed to who takes that; what comes in pieces comes as it is.

use std::convert::Infallible;
use std::io::Read;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{StatusCode, header};
use axum::routing::get;
use futures::StreamExt;
use parallax_service::access::AccessConfig;
use parallax_service::extract::Json;
use serde_json::json;

use crate::server::Server;

fn words() -> String {
    "words and more words ".repeat(100)
}

/// A piece, and then nothing for as long as the test likes.
fn pieces(kind: &'static str) -> ([(header::HeaderName, &'static str); 1], Body) {
    let first = futures::stream::once(async { Ok::<_, Infallible>(Bytes::from(words())) });
    ([(header::CONTENT_TYPE, kind)], Body::from_stream(first.chain(futures::stream::pending())))
}

async fn start() -> Server {
    Server::start(AccessConfig::default(), |_| {
        Router::new()
            .route("/long", get(|| async { Json(json!({"text": words()})) }))
            .route("/short", get(|| async { Json(json!({"text": "words"})) }))
            .route(
                "/binary",
                get(|| async { ([(header::CONTENT_TYPE, "application/octet-stream")], words()) }),
            )
            .route(
                "/part",
                get(|| async {
                    let part =
                        [(header::CONTENT_TYPE, "text/plain"), (header::CONTENT_RANGE, "bytes 0-2099/9999")];
                    (StatusCode::PARTIAL_CONTENT, part, words())
                }),
            )
            .route("/log", get(async || pieces("text/plain; charset=utf-8")))
            .route("/events", get(async || pieces("text/event-stream")))
            .route(
                "/relayed",
                get(|| async {
                    let whole = futures::stream::once(async { Ok::<_, Infallible>(Bytes::from(words())) });
                    let length = words().len().to_string();
                    (
                        [(header::CONTENT_LENGTH, length)],
                        [(header::CONTENT_TYPE, "text/plain")],
                        Body::from_stream(whole),
                    )
                }),
            )
    })
    .await
}

#[tokio::test]
async fn texts_of_known_length_are_compressed() {
    let server = start().await;
    for path in ["/long", "/relayed"] {
        let answer = server.get(path).header("accept-encoding", "br, gzip").send().await.unwrap();
        assert_eq!(answer.headers()["content-encoding"], "gzip", "{path}");
        assert_eq!(answer.headers()["vary"], "accept-encoding", "{path}");
        let bytes = answer.bytes().await.unwrap();
        let mut text = String::new();
        flate2::read::GzDecoder::new(bytes.as_ref()).read_to_string(&mut text).unwrap();
        assert!(text.contains(&words()) && bytes.len() * 5 < text.len(), "{path}: {} bytes", bytes.len());
        let plain = server.get(path).send().await.unwrap();
        assert!(plain.headers().get("content-encoding").is_none(), "{path}");
        assert_eq!(plain.text().await.unwrap(), text, "{path}");
    }
    for path in ["/short", "/binary", "/part"] {
        let answer = server.get(path).header("accept-encoding", "gzip").send().await.unwrap();
        assert!(answer.headers().get("content-encoding").is_none(), "{path}");
    }
    server.stop().await;
}

#[tokio::test]
async fn pieces_arrive_when_they_are_written() {
    let server = start().await;
    for path in ["/log", "/events"] {
        let mut answer = server.get(path).header("accept-encoding", "gzip").send().await.unwrap();
        assert!(answer.headers().get("content-encoding").is_none(), "{path}");
        let first = answer.chunk().await.unwrap().expect("the client waits only so long");
        assert_eq!(first, words().as_bytes(), "{path}");
    }
    server.stop().await;
}
