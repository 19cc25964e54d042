//! Terminals, passed on frame by frame.

use crate::plane::{Plane, one_runtime, within};
use futures::{SinkExt, StreamExt};
use parallax_api::AgentStatus;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn open(plane: &Plane, path: &str, protocol: Option<&str>) -> Socket {
    let mut request = plane.socket_url(path).into_client_request().unwrap();
    if let Some(protocol) = protocol {
        request.headers_mut().insert("sec-websocket-protocol", protocol.parse().unwrap());
    }
    let (socket, answer) = connect_async(request).await.unwrap();
    assert!(!answer.headers().contains_key("content-security-policy"), "it is no page in any case");
    assert_eq!(
        answer.headers().get("sec-websocket-protocol").map(|chosen| chosen.to_str().unwrap()),
        protocol
    );
    socket
}

async fn next(socket: &mut Socket) -> Message {
    loop {
        match within("a frame comes", socket.next()).await.unwrap().unwrap() {
            Message::Ping(_) | Message::Pong(_) => {}
            message => return message,
        }
    }
}

async fn close_code(socket: &mut Socket) -> u16 {
    match next(socket).await {
        Message::Close(Some(close)) => close.code.into(),
        message => panic!("not closed but {message}"),
    }
}

fn json_of(message: &Message) -> Value {
    serde_json::from_str(message.to_text().unwrap()).unwrap()
}

#[tokio::test]
async fn frames_pass_both_ways_as_they_are() {
    let (_dir, runtime, plane) = one_runtime().await;
    runtime.has("a1", AgentStatus::Ready);
    let doors = [
        ("/api/managed-agents/a1/terminal?mode=view&since=7", None),
        ("/ws/agents/a1/terminal?mode=view&since=7", Some("parallax.terminal.v1")),
    ];
    for (path, protocol) in doors {
        let mut socket = open(&plane, path, protocol).await;
        let hello = json_of(&next(&mut socket).await);
        assert_eq!(hello, json!({"protocol": protocol, "query": "mode=view&since=7"}));
        let large = "x".repeat(60_000);
        for message in [
            Message::text("\u{1b}[31m🙂\u{0}"),
            Message::text(r#"{"type":"resize","cols":120,"rows":40}"#),
            Message::binary(vec![0, 255, 27]),
            Message::text(large),
        ] {
            socket.send(message.clone()).await.unwrap();
            assert_eq!(next(&mut socket).await, message);
        }
        socket.send(Message::text("end")).await.unwrap();
        assert_eq!(close_code(&mut socket).await, 4000);
    }
}

#[tokio::test]
async fn every_end_has_its_code() {
    let (_dir, mut runtime, plane) = one_runtime().await;
    runtime.has("a1", AgentStatus::Ready);
    let path = "/api/managed-agents/a1/terminal";
    assert_eq!(close_code(&mut open(&plane, "/api/managed-agents/nobody/terminal", None).await).await, 4404);

    let mut socket = open(&plane, path, None).await;
    next(&mut socket).await;
    runtime.kill().await;
    assert_eq!(close_code(&mut socket).await, 4503, "the runtime died");
    assert_eq!(close_code(&mut open(&plane, path, None).await).await, 4503, "and is away");

    runtime.revive().await;
    let mut socket = open(&plane, path, None).await;
    next(&mut socket).await;
    plane.stop().await;
    assert_eq!(close_code(&mut socket).await, 1001);
}

#[tokio::test]
async fn a_viewer_that_does_not_read_holds_up_nobody_else() {
    let (_dir, runtime, plane) = one_runtime().await;
    runtime.has("a1", AgentStatus::Ready);
    let path = "/api/managed-agents/a1/terminal";
    let mut stuck = open(&plane, path, None).await;
    // The echo goes nowhere: after what the sockets between hold, neither does what is sent.
    let flood = async {
        loop {
            if stuck.send(Message::text("y".repeat(100_000))).await.is_err() {
                return;
            }
        }
    };
    let other = async {
        let mut socket = open(&plane, path, None).await;
        next(&mut socket).await;
        for number in 0..100 {
            let message = Message::text(number.to_string());
            socket.send(message.clone()).await.unwrap();
            assert_eq!(next(&mut socket).await, message);
        }
    };
    tokio::select! {
        () = flood => panic!("the flooding viewer was dropped"),
        () = other => {}
    }
}
