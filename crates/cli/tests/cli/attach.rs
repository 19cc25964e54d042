//! `parallax attach` in a real terminal.

use std::sync::Arc;

use axum::Router;
use axum::extract::RawQuery;
use axum::extract::ws::{Message, WebSocketUpgrade};
use axum::routing::get;
use parallax_api::TerminalSize;
use parallax_api::terminal::{LeaseHolder, ServerFrame, TERMINAL_V1, TerminalMode};
use parallax_screen::Screen;
use parallax_testkit::parallax::{parallax, program};
use parallax_testkit::pty::Terminal;
use parallax_testkit::wait::PATIENCE;
use serde_json::json;
use tokio::sync::mpsc;

use super::{ID, agent, serve};

/// A viewer as the scripted server sees it: its query, then what it sends.
#[derive(Debug, PartialEq)]
enum Seen {
    Connected(String),
    Sent(Message),
}

/// What to do next on the connection.
enum Do {
    Send(Message),
    Drop,
}

/// A control plane with one agent, whose terminal is driven by the test.
async fn scripted() -> (String, mpsc::Receiver<Seen>, mpsc::Sender<Do>) {
    let (seen_tx, seen) = mpsc::channel(64);
    let (do_tx, do_rx) = mpsc::channel::<Do>(64);
    let script = Arc::new(tokio::sync::Mutex::new(do_rx));
    let terminal = async move |RawQuery(query): RawQuery, up: WebSocketUpgrade| {
        up.protocols([TERMINAL_V1]).on_upgrade(async move |mut socket| {
            seen_tx.send(Seen::Connected(query.unwrap_or_default())).await.ok();
            let mut script = script.lock().await;
            loop {
                tokio::select! {
                    next = script.recv() => match next {
                        Some(Do::Send(message)) => socket.send(message).await.expect("sent"),
                        Some(Do::Drop) | None => return,
                    },
                    message = socket.recv() => match message {
                        Some(Ok(message)) => { seen_tx.send(Seen::Sent(message)).await.ok(); }
                        _ => return,
                    },
                }
            }
        })
    };
    let one = agent(ID, "one", "ready");
    let router = Router::new()
        .route("/api/managed-agents", get(async move || axum::Json(json!({"agents": [one], "count": 1}))))
        .route(&format!("/api/managed-agents/{ID}/terminal"), get(terminal));
    (serve(router).await, seen, do_tx)
}

fn control(frame: &ServerFrame) -> Do {
    Do::Send(Message::Text(serde_json::to_string(frame).expect("json").into()))
}

fn hello(offset: u64) -> Do {
    let size = TerminalSize { cols: 120, rows: 40 };
    let (epoch, mode) = ("e".into(), TerminalMode::Interactive);
    control(&ServerFrame::Hello { offset, epoch, size, mode, lease: Some(LeaseHolder::None) })
}

fn output(offset: u64, text: &str) -> Do {
    Do::Send(Message::Binary([&offset.to_be_bytes(), text.as_bytes()].concat().into()))
}

async fn next(seen: &mut mpsc::Receiver<Seen>) -> Seen {
    tokio::time::timeout(PATIENCE, seen.recv()).await.expect("something is sent").expect("the server runs")
}

fn resize(cols: u16, rows: u16) -> Seen {
    let text = json!({"type": "resize", "cols": cols, "rows": rows}).to_string();
    Seen::Sent(Message::Text(text.into()))
}

fn lease(cols: u16, rows: u16) -> Seen {
    let text = json!({"type": "lease", "cols": cols, "rows": rows}).to_string();
    Seen::Sent(Message::Text(text.into()))
}

fn typed(bytes: &'static [u8]) -> Seen {
    Seen::Sent(Message::Binary(bytes.into()))
}

/// The terminal after the screen was painted; what the agent's size became was seen.
async fn attached(args: &[&str]) -> (Terminal, mpsc::Receiver<Seen>, mpsc::Sender<Do>) {
    let (url, mut seen, script) = scripted().await;
    let args = [&["attach", "one", "-q"], args].concat();
    let terminal = Terminal::run(&program(&url, &args));
    assert!(matches!(next(&mut seen).await, Seen::Connected(_)));
    script.send(hello(100)).await.ok();
    let screen = "\u{1b}[?1049h\u{1b}[?1000h\u{1b}[?2004h\u{1b}[>7uSCREEN";
    script.send(control(&ServerFrame::Snapshot { offset: 100, data: screen.into(), more: false })).await.ok();
    terminal.shows("SCREEN").await;
    (terminal, seen, script)
}

#[tokio::test]
async fn typing_resizing_and_detaching() {
    let (mut terminal, mut seen, script) = attached(&[]).await;
    assert_eq!(next(&mut seen).await, lease(80, 24));
    assert!(!terminal.is_cooked());

    // Control characters are the agent's, also those that would be signals.
    terminal.types(b"\x03\x1a\x04 \xc3\xbc\r");
    assert_eq!(next(&mut seen).await, typed(b"\x03\x1a\x04 \xc3\xbc\r"));
    terminal.resize(100, 30);
    assert_eq!(next(&mut seen).await, resize(100, 30));
    script.send(output(100, "more \u{1b}[31mred")).await.ok();
    terminal.shows("more \u{1b}[31mred").await;

    terminal.types(b"last\x1dnever");
    assert_eq!(next(&mut seen).await, typed(b"last"));
    terminal.shows("[detached").await;
    let text = terminal.text();
    assert_eq!(terminal.ends().await, 0);
    let end = &text[text.rfind("red").expect("output")..];
    for undone in ["\u{1b}[<1u", "\u{1b}[?1049l", "\u{1b}[?1000l", "\u{1b}[?2004l", "\u{1b}[0m"] {
        assert!(end.contains(undone), "{undone:?} in {end:?}");
    }
}

#[tokio::test]
async fn another_detach_key_in_another_encoding() {
    let (mut terminal, mut seen, _script) = attached(&["--detach-key", "ctrl-q"]).await;
    assert_eq!(next(&mut seen).await, lease(80, 24));
    terminal.types(b"\x1d");
    assert_eq!(next(&mut seen).await, typed(b"\x1d"), "the usual key is the agent's now");
    terminal.types(b"\x1b[113;5u");
    terminal.shows("[detached").await;
    assert_eq!(terminal.ends().await, 0);
}

#[tokio::test]
async fn the_key_is_told_first() {
    let (url, mut seen, script) = scripted().await;
    let mut terminal = Terminal::run(&program(&url, &["attach", "one"]));
    terminal.shows("attached to one (claude); Ctrl-] detaches").await;
    assert!(matches!(next(&mut seen).await, Seen::Connected(_)));
    script.send(hello(0)).await.ok();
    // A key ends the wait, and is not lost.
    terminal.types(b"x");
    assert_eq!(next(&mut seen).await, typed(b"x"));
    terminal.types(b"\x1d");
    assert_eq!(terminal.ends().await, 0);
}

#[tokio::test]
async fn watching_changes_nothing() {
    let (mut terminal, mut seen, script) = attached(&["--view"]).await;
    terminal.types(b"typed");
    terminal.resize(100, 30);
    script.send(output(100, "still here")).await.ok();
    terminal.shows("still here").await;
    terminal.types(b"\x1d");
    terminal.shows("[detached").await;
    assert_eq!(terminal.ends().await, 0);
    assert_eq!(next(&mut seen).await, Seen::Sent(Message::Close(None)), "nothing was sent before");
}

/// What the person's terminal shows of all that was written to it.
fn shown(terminal: &Terminal, cols: u16, rows: u16) -> Vec<String> {
    let mut screen = Screen::new(TerminalSize { cols, rows }, 0);
    screen.feed(terminal.text().as_bytes());
    screen.view(0).lines
}

#[tokio::test]
async fn watching_from_a_smaller_terminal() {
    let (mut terminal, mut seen, script) = attached(&["--view"]).await;
    let rows: String = (1..=40).map(|n| format!("\u{1b}[{n};1H\u{1b}[Krow {n}")).collect();
    script.send(output(100, &rows)).await.ok();
    terminal.shows("row 40").await;
    let lines = shown(&terminal, 80, 24);
    assert_eq!((&*lines[0], &*lines[23]), ("row 17", "row 40"), "the part with the cursor");

    // The keys scroll, and what is printed meanwhile moves nothing.
    terminal.types(b"\x1b[H");
    terminal.shows(" rows 1-23 of 40, columns 1-80 of 120; End follows the cursor ").await;
    assert_eq!(shown(&terminal, 80, 24)[0], "row 1");
    terminal.types(b"\x1b[C\x1b[B");
    terminal.shows(" rows 2-24 of 40, columns 41-120 of 120").await;
    script.send(output(100 + rows.len() as u64, "\u{1b}[40;41Hbelow\u{1b}[3;41Hin sight")).await.ok();
    terminal.shows("in sight").await;
    assert_eq!(shown(&terminal, 80, 24)[1], "in sight");
    assert!(!terminal.text().contains("below"));
    terminal.types(b"\x1b[F");
    terminal.shows("row 3").await;

    // A window of another size shows another part.
    terminal.resize(30, 12);
    terminal.shows("\u{1b}[12;1H").await;
    terminal.types(b"\x1d");
    terminal.shows("[detached").await;
    assert_eq!(terminal.ends().await, 0);
    assert_eq!(next(&mut seen).await, Seen::Sent(Message::Close(None)), "nothing was sent before");
}

#[tokio::test]
async fn a_lost_connection_goes_on_where_it_stopped() {
    let (mut terminal, mut seen, script) = attached(&[]).await;
    assert_eq!(next(&mut seen).await, lease(80, 24));
    script.send(output(100, "before|")).await.ok();
    script.send(Do::Drop).await.ok();
    assert_eq!(next(&mut seen).await, Seen::Connected("since=107".into()));
    script.send(hello(107)).await.ok();
    script.send(output(107, "after")).await.ok();
    terminal.shows("before|after").await;
    assert_eq!(next(&mut seen).await, lease(80, 24), "the size may have changed meanwhile");
    terminal.types(b"x");
    assert_eq!(next(&mut seen).await, typed(b"x"));
    terminal.types(b"\x1d");
    assert_eq!(terminal.ends().await, 0);
}

#[tokio::test]
async fn a_long_loss_is_told_and_the_screen_painted_anew() {
    let (mut terminal, mut seen, script) = attached(&[]).await;
    assert_eq!(next(&mut seen).await, lease(80, 24));
    script.send(Do::Drop).await.ok();
    // Connected, but the server says nothing yet.
    assert_eq!(next(&mut seen).await, Seen::Connected("since=100".into()));
    terminal.shows("connecting again, Ctrl-] detaches: ").await;
    script.send(hello(100)).await.ok();
    assert_eq!(next(&mut seen).await, Seen::Connected(String::new()), "a new screen is asked for");
    assert_eq!(next(&mut seen).await, lease(80, 24));
    script.send(hello(120)).await.ok();
    script.send(control(&ServerFrame::Snapshot { offset: 120, data: "ANEW".into(), more: false })).await.ok();
    terminal.shows("ANEW").await;
    terminal.types(b"\x1d");
    assert_eq!(terminal.ends().await, 0);
}

#[tokio::test]
async fn the_agents_end_is_the_end() {
    let (terminal, _seen, script) = attached(&[]).await;
    let exit = json!({"type": "exit", "exit": {"code": 3, "reason": "exited", "at": "2026-01-01T00:00:00Z"}});
    script.send(Do::Send(Message::Text(exit.to_string().into()))).await.ok();
    terminal.shows("[one ended: exited with code 3]").await;
    assert_eq!(terminal.ends().await, 0);
}

#[tokio::test]
async fn a_signal_restores_the_terminal() {
    let (terminal, mut seen, _script) = attached(&[]).await;
    assert_eq!(next(&mut seen).await, lease(80, 24));
    terminal.signal("TERM");
    terminal.shows("\u{1b}[?1049l").await;
    terminal.shows("\u{1b}[?1000l").await;
    assert_eq!(terminal.ends().await, 143);
}

#[tokio::test]
async fn without_a_terminal_it_says_what_else() {
    let (url, ..) = scripted().await;
    let run = parallax(&url, &["attach", "one"]).await;
    assert_eq!(run.code, 2);
    assert!(run.err.contains("parallax logs -f"), "{}", run.err);
}
