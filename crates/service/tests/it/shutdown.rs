//! Ending: what is under way gets the grace, nothing gets more.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use parallax_service::access::AccessConfig;
use parallax_service::extract::Upgrade;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::server::{LIMIT, Server};

#[tokio::test]
async fn a_request_under_way_is_answered_and_new_ones_are_not_taken() {
    let (arrived, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (told, wait) = (arrived.clone(), go.clone());
    let server = Server::start(AccessConfig::default(), |_| {
        Router::new().route(
            "/slow",
            get(|| async move {
                told.notify_one();
                wait.notified().await;
                "answered"
            }),
        )
    })
    .await;
    let request = tokio::spawn(server.get("/slow").send());
    arrived.notified().await;
    let (address, shutdown) = (server.address, server.shutdown.clone());
    let stopping = tokio::spawn(server.stop());
    shutdown.begun().await;
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    go.notify_one();
    let answer = request.await.unwrap().unwrap();
    assert_eq!(
        answer.headers()["connection"],
        "close",
        "whoever keeps connections is told that this one ends"
    );
    assert_eq!(answer.text().await.unwrap(), "answered");
    stopping.await.unwrap();
}

#[tokio::test]
async fn what_does_not_end_is_dropped_after_the_grace() {
    let server = Server::start(AccessConfig::default(), |shutdown| {
        let socket = move |Upgrade(upgrade): Upgrade| async move {
            upgrade.on_upgrade(move |socket| {
                shutdown.tracker().clone().track_future(async move {
                    let _held = socket;
                    std::future::pending::<()>().await;
                })
            })
        };
        Router::new().route("/never", get(std::future::pending::<()>)).route("/ws", get(socket))
    })
    .await;
    let _idle = TcpStream::connect(server.address).await.unwrap();
    let request = tokio::spawn(server.get("/never").send());
    let (_socket, _) = tokio_tungstenite::connect_async(format!("ws://{}/ws", server.address)).await.unwrap();
    let began = Instant::now();
    server.stop().await;
    assert!(began.elapsed() < Duration::from_secs(6), "the grace is 2 s, it took {:?}", began.elapsed());
    assert!(request.await.unwrap().is_err());
}

#[tokio::test]
async fn an_idle_connection_does_not_hold_the_server() {
    let server = Server::start(AccessConfig::default(), |_| Router::new()).await;
    let mut idle = TcpStream::connect(server.address).await.unwrap();
    let mut kept = TcpStream::connect(server.address).await.unwrap();
    kept.write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut head = vec![0; 4096];
    let length = kept.read(&mut head).await.unwrap();
    assert!(head[..length].starts_with(b"HTTP/1.1 "), "it was answered, and is kept");
    let began = Instant::now();
    server.shutdown.begin();
    // At once, and not when the grace is over: its owner asks the next server.
    for stream in [&mut idle, &mut kept] {
        let read = tokio::time::timeout(LIMIT, stream.read_to_end(&mut Vec::new())).await.unwrap();
        assert!(read.is_ok(), "{read:?}");
    }
    server.stop().await;
    assert!(began.elapsed() < Duration::from_millis(1500), "took {:?}", began.elapsed());
}
