//! Terminals: relayed, and shown after the end.

use futures::{SinkExt, StreamExt};
use parallax_api::AgentId;
use parallax_api::terminal::{ServerFrame, TERMINAL_V1};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::server::{TestServer, eventually, within};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn open(server: &TestServer, id: &str, query: &str, v1: bool) -> Socket {
    let url = format!("{}/ws/agents/{id}/terminal{query}", server.url().replace("http", "ws"));
    let mut request = url.into_client_request().unwrap();
    if v1 {
        request.headers_mut().insert("sec-websocket-protocol", TERMINAL_V1.parse().unwrap());
    }
    within("the terminal to open", connect_async(request)).await.unwrap().0
}

/// What comes until `end` has come, or the socket is closed.
async fn read_until(socket: &mut Socket, end: &str) -> String {
    let mut text = String::new();
    while !text.ends_with(end) {
        match within(end, socket.next()).await.unwrap().unwrap() {
            Message::Text(more) => text += &more,
            other => panic!("{other:?} after {text:?}"),
        }
    }
    text
}

async fn closed(socket: &mut Socket) -> (u16, String) {
    match within("the close", socket.next()).await.unwrap().unwrap() {
        Message::Close(Some(frame)) => (frame.code.into(), frame.reason.to_string()),
        other => panic!("{other:?} instead of a close"),
    }
}

#[tokio::test]
async fn frames_go_both_ways() {
    let server = TestServer::new().await;
    let agent = server.ready_agent().await;
    let host = server.backend.host(&agent.id);
    host.print("hello ");
    let mut types = open(&server, agent.id.as_str(), "", false).await;
    let mut views = open(&server, agent.id.as_str(), "?mode=view", false).await;
    assert_eq!(read_until(&mut types, "hello ").await, "hello ");
    types.send(Message::text("ls")).await.unwrap();
    types.send(Message::binary("raw")).await.unwrap();
    assert_eq!(read_until(&mut types, "<raw>").await, "[ls]<raw>");
    views.send(Message::text("no")).await.unwrap();
    assert_eq!(read_until(&mut views, "<raw>").await, "hello [ls]<raw>");
    let metrics = server.get("/metrics").await.text().await.unwrap();
    assert!(metrics.contains("parallax_terminal_viewers 2"));
    host.print("bye");
    host.exit(0);
    assert_eq!(read_until(&mut types, "bye").await, "bye");
    assert_eq!(closed(&mut types).await, (4000, "exited".into()));
    assert_eq!(read_until(&mut views, "bye").await, "bye");
    assert_eq!(closed(&mut views).await, (4000, "exited".into()));
}

#[tokio::test]
async fn an_ended_agent_shows_what_it_printed() {
    let server = TestServer::new().await;
    let agent = server.ready_agent().await;
    let host = server.backend.host(&agent.id);
    let printed: String = (0..20_000).map(|n| format!("{n} é🦀\r\n")).collect();
    host.print(&printed);
    host.exit(1);
    eventually("its slot is given back", || server.backend.count() == 0).await;
    let mut plain = open(&server, agent.id.as_str(), "", false).await;
    assert!(read_until(&mut plain, "19999 é🦀\r\n").await == printed, "every byte, cut between characters");
    assert_eq!(closed(&mut plain).await, (4000, "exited".into()));

    let since = printed.len() - 100;
    let mut v1 = open(&server, agent.id.as_str(), &format!("?since={since}"), true).await;
    let control = async |socket: &mut Socket| match within("a frame", socket.next()).await.unwrap().unwrap() {
        Message::Text(text) => serde_json::from_str::<ServerFrame>(&text).unwrap(),
        other => panic!("{other:?}"),
    };
    let hello = control(&mut v1).await;
    assert!(
        matches!(&hello, ServerFrame::Hello { offset, epoch, .. } if *offset == since as u64 && epoch == "e1"),
        "{hello:?}"
    );
    let Message::Binary(output) = within("output", v1.next()).await.unwrap().unwrap() else {
        panic!("no output")
    };
    assert_eq!(output[..8], (since as u64).to_be_bytes());
    assert_eq!(&output[8..], &printed.as_bytes()[since..]);
    assert!(matches!(control(&mut v1).await, ServerFrame::Exit { exit } if exit.code == Some(1)));
    assert_eq!(closed(&mut v1).await.0, 4000);
}

#[tokio::test]
async fn closes_say_why() {
    let mut server = TestServer::new().await;
    for unknown in [AgentId::generate().to_string(), "Not%20An%20Id".into()] {
        let mut socket = open(&server, &unknown, "", false).await;
        assert_eq!(closed(&mut socket).await.0, 4404, "{unknown}");
    }
    let agent = server.ready_agent().await;
    let mut lost = open(&server, agent.id.as_str(), "", false).await;
    server.backend.host(&agent.id).print("x");
    read_until(&mut lost, "x").await;
    server.backend.host(&agent.id).die();
    assert_eq!(closed(&mut lost).await, (4000, "host_lost".into()));

    let agent = server.ready_agent().await;
    let mut live = open(&server, agent.id.as_str(), "", false).await;
    server.backend.host(&agent.id).print("x");
    read_until(&mut live, "x").await;
    let ending = tokio::spawn(async move { closed(&mut live).await });
    server.end().await;
    assert_eq!(ending.await.unwrap().0, 1001);
}
