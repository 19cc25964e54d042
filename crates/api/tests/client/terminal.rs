use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::RawQuery;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::response::IntoResponse;
use axum::routing::get;
use parallax_api::agent::AgentExit;
use parallax_api::client::{Client, TerminalItem, TerminalOptions};
use parallax_api::terminal::{
    CLOSE_AGENT_ENDED, CLOSE_UNKNOWN_AGENT, LeaseHolder, ServerFrame, TERMINAL_V1, TerminalMode,
};
use parallax_api::{AgentId, Code, TerminalSize, Time};

use super::serve;

const SIZE: TerminalSize = TerminalSize { cols: 80, rows: 24 };

fn control(frame: &ServerFrame) -> Message {
    Message::Text(serde_json::to_string(frame).expect("json").into())
}

fn hello(offset: u64, epoch: &str) -> Message {
    let (epoch, mode) = (epoch.into(), TerminalMode::Interactive);
    control(&ServerFrame::Hello { offset, epoch, size: SIZE, mode, lease: Some(LeaseHolder::None) })
}

fn output(offset: u64, bytes: &str) -> Message {
    Message::Binary([&offset.to_be_bytes(), bytes.as_bytes()].concat().into())
}

fn exit() -> AgentExit {
    AgentExit {
        code: Some(0),
        signal: None,
        reason: "exited".into(),
        at: Time::from_millis(0),
        workspace: None,
    }
}

async fn send(socket: &mut WebSocket, frames: impl IntoIterator<Item = Message>) {
    for frame in frames {
        socket.send(frame).await.expect("sent");
    }
}

/// A server whose nth connection is told by `script(n, query)` what to send before it drops the connection.
async fn scripted(script: fn(usize, Option<String>) -> Vec<Message>) -> Client {
    let connections = Arc::new(AtomicUsize::new(0));
    let handler = async move |RawQuery(query): RawQuery, up: WebSocketUpgrade| {
        let frames = script(connections.fetch_add(1, Ordering::SeqCst), query);
        up.protocols([TERMINAL_V1])
            .on_upgrade(async |mut socket| send(&mut socket, frames).await)
            .into_response()
    };
    let url = serve(Router::new().route("/ws/agents/{id}/terminal", get(handler))).await;
    Client::runtime(&url, None).expect("client")
}

fn id() -> AgentId {
    "a1".parse().expect("id")
}

#[tokio::test]
async fn every_byte_comes_once_across_losses() {
    let client = scripted(|connection, query| match connection {
        0 => {
            assert_eq!(query.unwrap_or_default(), "");
            let snapshot = ServerFrame::Snapshot { offset: 100, data: "SCREEN".into(), more: false };
            vec![hello(100, "e1"), control(&snapshot), output(100, "abc")]
        }
        // Overlaps with what was seen, then skips ahead without saying so.
        1 => {
            assert_eq!(query.as_deref(), Some("since=103"));
            vec![hello(102, "e1"), output(102, "cde"), output(110, "lost")]
        }
        _ => {
            assert_eq!(query.as_deref(), Some("since=105"));
            vec![hello(105, "e1"), output(105, "f"), control(&ServerFrame::Exit { exit: exit() })]
        }
    })
    .await;
    let mut terminal = client.terminal(&id(), TerminalOptions::default()).await.expect("terminal");
    let (mut text, mut losses, mut ended) = (String::new(), 0, None);
    while let Some(item) = terminal.next().await.expect("goes on") {
        match item {
            TerminalItem::Hello { size, .. } => assert_eq!(size, SIZE),
            TerminalItem::Snapshot { data, .. } => text.push_str(&data),
            TerminalItem::Output { bytes, .. } => text.push_str(std::str::from_utf8(&bytes).expect("text")),
            TerminalItem::Lost(_) => losses += 1,
            TerminalItem::Exit(exit) => ended = Some(exit),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((text.as_str(), losses, ended), ("SCREENabcdef", 2, Some(exit())));
}

#[tokio::test]
async fn a_large_screen_is_one_whatever_its_frames() {
    let client = scripted(|connection, query| {
        let begun = control(&ServerFrame::Snapshot { offset: 9, data: "one ".into(), more: true });
        let goes_on = |data: &str, more| control(&ServerFrame::Continued { data: data.into(), more });
        match connection {
            0 => vec![hello(9, "e1"), begun, goes_on("lost", true)],
            _ => {
                assert_eq!(query.unwrap_or_default(), "", "half a screen is none");
                let exit = control(&ServerFrame::Exit { exit: exit() });
                vec![
                    hello(9, "e1"),
                    begun,
                    goes_on("two ", true),
                    goes_on("three", false),
                    output(9, "!"),
                    exit,
                ]
            }
        }
    })
    .await;
    let mut terminal = client.terminal(&id(), TerminalOptions::default()).await.expect("terminal");
    let mut screens = Vec::new();
    while let Some(item) = terminal.next().await.expect("goes on") {
        if let TerminalItem::Snapshot { offset, data } = item {
            screens.push((offset, data));
        }
    }
    assert_eq!(screens, [(9, "one two three".to_owned())]);
}

#[tokio::test]
async fn another_log_begins_with_its_screen() {
    let client = scripted(|connection, query| match connection {
        0 => vec![hello(5, "e1"), output(5, "old")],
        1 => vec![hello(8, "e2"), output(8, "?")],
        _ => {
            assert_eq!(query.unwrap_or_default(), "", "an offset of the old log means nothing");
            let snapshot = ServerFrame::Snapshot { offset: 3, data: "new".into(), more: false };
            vec![hello(3, "e2"), control(&snapshot), control(&ServerFrame::Exit { exit: exit() })]
        }
    })
    .await;
    let mut terminal = client.terminal(&id(), TerminalOptions::default()).await.expect("terminal");
    let mut text = String::new();
    while let Some(item) = terminal.next().await.expect("goes on") {
        match item {
            TerminalItem::Snapshot { data, .. } => text.push_str(&data),
            TerminalItem::Output { bytes, .. } => text.push_str(std::str::from_utf8(&bytes).expect("text")),
            _ => {}
        }
    }
    assert_eq!(text, "oldnew");
}

#[tokio::test]
async fn typing_and_resizing_arrive() {
    let (seen_tx, mut seen) = tokio::sync::mpsc::channel(8);
    let handler = async move |up: WebSocketUpgrade| {
        up.protocols([TERMINAL_V1]).on_upgrade(async move |mut socket| {
            send(&mut socket, [hello(0, "e")]).await;
            while let Some(Ok(message)) = socket.recv().await {
                seen_tx.send(message).await.expect("seen");
            }
        })
    };
    let url = serve(Router::new().route("/api/managed-agents/{id}/terminal", get(handler))).await;
    let client = Client::control_plane(&url, None).expect("client");
    let terminal = client.terminal(&id(), TerminalOptions::default()).await.expect("terminal");
    terminal.input().resize(TerminalSize { cols: 100, rows: 30 }).await;
    terminal.input().send("{\"type\":\"resize\"}".as_bytes()).await;
    assert_eq!(seen.recv().await, Some(Message::Text(r#"{"type":"resize","cols":100,"rows":30}"#.into())));
    terminal.input().send("last words").await;
    terminal.close().await;
    // What is typed is binary: never taken for control.
    assert_eq!(seen.recv().await, Some(Message::Binary("{\"type\":\"resize\"}".into())));
    assert_eq!(seen.recv().await, Some(Message::Binary("last words".into())));
    assert_eq!(seen.recv().await, Some(Message::Close(None)));
}

#[tokio::test]
async fn close_codes_are_problems() {
    for (code, expected) in
        [(CLOSE_UNKNOWN_AGENT, Code::AgentNotFound), (CLOSE_AGENT_ENDED, Code::AgentStopped)]
    {
        let handler = async move |up: WebSocketUpgrade| {
            up.protocols([TERMINAL_V1]).on_upgrade(async move |mut socket| {
                let frame = CloseFrame { code, reason: "so it is".into() };
                send(&mut socket, [Message::Close(Some(frame))]).await;
            })
        };
        let url = serve(Router::new().route("/ws/agents/{id}/terminal", get(handler))).await;
        let client = Client::runtime(&url, None).expect("client");
        let mut terminal = client.terminal(&id(), TerminalOptions::default()).await.expect("terminal");
        let problem = terminal.next().await.expect_err("closed");
        assert_eq!((problem.code, problem.detail.as_str()), (expected, "so it is"));
    }
}
