//! Ending: what is under way gets the grace, nothing gets more.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use parallax_service::access::AccessConfig;
use parallax_service::extract::Upgrade;
use tokio::io::AsyncReadExt;
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
    assert_eq!(request.await.unwrap().unwrap().text().await.unwrap(), "answered");
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
    server.get("/health").send().await.unwrap(); // kept alive by the client
    let began = Instant::now();
    server.stop().await;
    assert!(began.elapsed() < Duration::from_millis(1500), "took {:?}", began.elapsed());
    let read = tokio::time::timeout(LIMIT, idle.read(&mut [0])).await.unwrap();
    assert!(matches!(read, Ok(0) | Err(_)));
}
