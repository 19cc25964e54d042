//! Connections: idle and slow ones do not keep others out.

use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::response::sse::{Event, Sse};
use axum::routing::{get, post};
use futures::stream;
use parallax_api::Code;
use parallax_service::access::{Access, AccessConfig};
use parallax_service::metrics::Metrics;
use parallax_service::middleware;
use parallax_service::serve::serve_at_most;
use parallax_service::shutdown::Shutdown;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::server::{LIMIT, Server, refusal};

fn routes() -> Router {
    Router::new()
        .route("/health", get(|| async { "well" }))
        .route("/take", post(|body: Bytes| async move { body.len().to_string() }))
        .route("/stream", get(|| async { Sse::new(stream::pending::<Result<Event, axum::Error>>()) }))
}

async fn send(socket: &mut TcpStream, text: &str) -> String {
    socket.write_all(text.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(LIMIT, socket.read_to_end(&mut answer)).await.unwrap().unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn idle_connections_make_room_the_oldest_first() {
    const MAX: usize = 20;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = Shutdown::new();
    let router = middleware::with_middleware(
        routes(),
        Access::new(AccessConfig::default()),
        &Metrics::new("test", "1"),
    );
    let serving =
        tokio::spawn(serve_at_most(MAX, listener, router, shutdown.clone(), Duration::from_millis(100)));
    // One that works on a request is older than all of them.
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut head = [0; 12];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");
    let mut idle = Vec::new();
    for _ in 0..MAX * 5 {
        idle.push(TcpStream::connect(address).await.unwrap());
    }
    let mut client = TcpStream::connect(address).await.unwrap();
    let began = Instant::now();
    let answer =
        send(&mut client, "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await;
    assert!(answer.ends_with("well"), "{answer}");
    assert!(began.elapsed() < Duration::from_secs(5), "it took {:?}", began.elapsed());
    // The oldest are gone, without an answer; the stream is not.
    let read = tokio::time::timeout(LIMIT, idle[0].read(&mut [0; 16])).await.unwrap();
    assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
    let mut rest = [0; 4096];
    let still = tokio::time::timeout(Duration::from_millis(50), async {
        loop {
            let read = stream.read(&mut rest).await.unwrap();
            assert!(read > 0, "the stream was dropped");
        }
    });
    assert!(still.await.is_err());
    shutdown.begin();
    serving.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_head_has_ten_seconds() {
    let server = Server::start(AccessConfig::default(), |_| routes()).await;
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    socket.write_all(b"GET /health HTTP/1.1\r\nHost: loc").await.unwrap();
    let began = tokio::time::Instant::now();
    let read = socket.read(&mut [0; 16]).await;
    assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
    let took = began.elapsed();
    assert!((10..=13).contains(&took.as_secs()), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_body_has_a_least_rate() {
    let server = Server::start(AccessConfig::default(), |_| routes()).await;
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    let began = tokio::time::Instant::now();
    let answer = send(
        &mut socket,
        "POST /take HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\nConnection: close\r\n\r\nabc",
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
}

/// Whoever reads may be slow; whoever takes nothing is not kept.
#[tokio::test(start_paused = true)]
async fn a_response_that_nobody_takes_is_given_up() {
    const PIECE: usize = 256 * 1024;
    let given_up = CancellationToken::new();
    let guard = given_up.clone();
    let flood = move || {
        let guard = guard.clone().drop_guard();
        async move {
            Body::from_stream(stream::repeat_with(move || {
                let _until_dropped = &guard;
                Ok::<_, axum::Error>(Bytes::from(vec![b'x'; PIECE]))
            }))
        }
    };
    let server = Server::start(AccessConfig::default(), |_| Router::new().route("/flood", get(flood))).await;
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    socket.write_all(b"GET /flood HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    // Less than the system waits for before it says that there is room again.
    let mut some = vec![0; 1024 * 1024];
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_secs(50)).await;
        socket.read_exact(&mut some).await.unwrap();
    }
    assert!(!given_up.is_cancelled(), "it was read");
    let began = tokio::time::Instant::now();
    given_up.cancelled().await;
    // It was looked at less than a minute before.
    let took = began.elapsed();
    assert!((60..=120).contains(&took.as_secs()), "{took:?}");
}

#[tokio::test]
async fn what_the_http_library_refuses_says_what_to_do() {
    let server = Server::start(AccessConfig::default(), |_| routes()).await;
    let long = "x".repeat(70_000);
    let many: String = (0..200).map(|n| format!("X-{n}: 1\r\n")).collect();
    for (request, status) in [
        ("nonsense\r\n\r\n".to_owned(), "400"),
        (format!("GET /{long} HTTP/1.1\r\nHost: localhost\r\n\r\n"), "414"),
        (format!("GET / HTTP/1.1\r\nHost: localhost\r\n{many}\r\n"), "431"),
    ] {
        let mut socket = TcpStream::connect(server.address).await.unwrap();
        let answer = send(&mut socket, &request).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert!(answer.contains("content-type: application/problem+json\r\n"), "{answer}");
        let body: serde_json::Value = serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap();
        assert_eq!(body["status"].to_string(), status);
        assert!(body["detail"].is_string());
    }
}

#[tokio::test]
async fn streams_of_one_client_are_bounded() {
    const MAX: usize = 512;
    let server = Server::start(AccessConfig::default(), |_| routes()).await;
    let mut held = Vec::new();
    for _ in 0..MAX {
        let response = server.get("/stream").send().await.unwrap();
        assert!(response.status().is_success(), "{}", response.status());
        held.push(response);
    }
    refusal(server.get("/stream").send().await.unwrap(), Code::ResourceLimit).await;
    // A WebSocket is let in and closed: a browser cannot read why an upgrade was refused.
    let (mut socket, _) =
        tokio_tungstenite::connect_async(format!("ws://{}/stream", server.address)).await.unwrap();
    let close = futures::StreamExt::next(&mut socket).await.unwrap().unwrap();
    let tokio_tungstenite::tungstenite::Message::Close(Some(close)) = close else { panic!("{close:?}") };
    assert_eq!(u16::from(close.code), 1013, "{}", close.reason);
    // One that does not close does not keep its connection.
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    let upgrade = "GET /stream HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
    assert!(send(&mut silent, upgrade).await.starts_with("HTTP/1.1 101"));
    // A log that is followed is a stream, however that is written.
    refusal(server.get("/take?follow=%74rue").send().await.unwrap(), Code::ResourceLimit).await;
    // Other requests are answered, and a stream that ends gives its place to another.
    assert!(server.get("/health").send().await.unwrap().status().is_success());
    held.pop();
    let deadline = Instant::now() + LIMIT;
    while !server.get("/stream").send().await.unwrap().status().is_success() {
        assert!(Instant::now() < deadline, "the place of a stream that ended is free again");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
