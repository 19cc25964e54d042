//! The terminal WebSocket, plain and `parallax.terminal.v1`, and the log behind it.

use std::time::Duration;

use futures::StreamExt;
use parallax_api::client::{Retry, TerminalItem, TerminalOptions, TerminalSocket};
use parallax_api::observe::{LogFormat, LogsQuery};
use parallax_api::terminal::{CLOSE_AGENT_ENDED, CLOSE_UNKNOWN_AGENT, LeaseHolder};
use parallax_api::{AgentId, Problem, TerminalSize};

use crate::backend::{TestBackend, fake};
use crate::user::Spawned;
use crate::viewer::Viewer;
use crate::wait::{PATIENCE, until, within};

/// Output in text frames, keys in text frames, a resize in a text frame, JSON that is none is typed.
pub async fn the_five_lines(backend: &impl TestBackend) {
    let agent = backend.user().spawn_ready(fake("watched", &[])).await;
    let mut viewer = Viewer::connect(&backend.url(), &agent.id, "").await;
    viewer.next().await;
    assert!(
        viewer.text().contains("❯") && viewer.text().contains("ready"),
        "the first frame paints the screen"
    );

    viewer.send("typed by hand").await;
    viewer.until("what was typed to be echoed", |screen| screen.contains("❯ typed by hand")).await;
    viewer.send("\r").await;
    viewer.until("the answer", |screen| screen.contains("* echo: typed by hand")).await;

    // A resize to no size that makes sense is no keyboard input either.
    for insane in [
        r#"{"type":"resize"}"#,
        r#"{"type":"resize","cols":"91","rows":31}"#,
        r#"{"type":"resize","cols":80,"rows":0}"#,
    ] {
        viewer.send(insane).await;
    }
    viewer.send(r#"{"type":"other"}"#).await;
    viewer
        .until("JSON that is no resize to be typed", |screen| screen.contains(r#"❯ {"type":"other"}"#))
        .await;
    viewer.send_binary(br#"{"type":"resize","cols":50,"rows":20}"#).await;
    viewer.until("a binary frame to be typed", |screen| screen.contains(r#""cols":50"#)).await;
    assert!(!viewer.text().contains(r#""rows":0"#) && !viewer.text().contains("91"));
    viewer.send_binary(b"\x15").await;

    viewer.send(r#"{"type":"resize","cols":100,"rows":30}"#).await;
    has_size(&agent, TerminalSize { cols: 100, rows: 30 }).await;
    viewer.resize(TerminalSize { cols: 100, rows: 30 });
    assert_eq!(agent.say("do size").await, "100x30");
    viewer.until("the answer", |screen| screen.contains("* 100x30")).await;
}

/// A late viewer sees what the others see.
pub async fn a_late_viewer_sees_the_same(backend: &impl TestBackend) {
    let agent = backend.user().spawn_ready(fake("watched", &[])).await;
    let mut early = Viewer::connect(&backend.url(), &agent.id, "").await;
    agent.say("do lines 60 && say the end 🦀 日本").await;
    early.until("the end", |screen| screen.contains("line 60") && screen.contains("ready")).await;
    let mut late = Viewer::connect(&backend.url(), &agent.id, "").await;
    late.next().await;
    let shown = agent.client.screen(&agent.id).await.expect("a screen");
    assert_eq!(late.lines(), shown.lines);
    assert_eq!(early.lines(), shown.lines);
}

/// `?mode=view` types nothing and resizes nothing.
pub async fn a_viewer_only_watches(backend: &impl TestBackend) {
    let agent = backend.user().spawn_ready(fake("watched", &[])).await;
    let mut watcher = Viewer::connect(&backend.url(), &agent.id, "?mode=view").await;
    watcher.next().await;
    watcher.send("sneaked in\r").await;
    watcher.send(r#"{"type":"resize","cols":100,"rows":30}"#).await;
    // What a person types afterwards has come; what the watcher sent before has not.
    assert_eq!(agent.say("do size").await, "120x40");
    assert!(!agent.screen().await.contains("sneaked"));
    watcher.until("the answer", |screen| screen.contains("* 120x40")).await;
}

/// A program resumes at the byte it left at, and has what the log has.
pub async fn resumes_by_offset(backend: &impl TestBackend) {
    let agent = backend.user().spawn_ready(fake("watched", &[])).await;
    let options = TerminalOptions { since: Some(0), retry: Retry::NEVER, ..TerminalOptions::default() };
    agent.say("do lines 100").await;
    let mut first = agent.client.terminal(&agent.id, options).await.expect("a terminal");
    let mut bytes = collect(&mut first, 1000).await;
    drop(first);
    agent.say("do lines 200").await;
    let options = TerminalOptions { since: Some(bytes.len() as u64), ..options };
    let mut second = agent.client.terminal(&agent.id, options).await.expect("a terminal");
    agent.stop().await;
    let rest = within("the terminal to end", PATIENCE, async {
        let mut rest = Vec::new();
        while let Some(item) = second.next().await.expect("the connection holds") {
            match item {
                TerminalItem::Output { offset, bytes: more } => {
                    assert_eq!(offset, (bytes.len() + rest.len()) as u64);
                    rest.extend_from_slice(&more);
                }
                TerminalItem::Skip { .. } | TerminalItem::Snapshot { .. } => {
                    panic!("nothing is passed over: {item:?}")
                }
                _ => {}
            }
        }
        rest
    })
    .await;
    bytes.extend(rest);
    assert_eq!(String::from_utf8_lossy(&bytes), String::from_utf8_lossy(&raw_log(&agent).await));
}

/// One viewer holds the size; when it leaves, the size from before comes back. Who looks resizes nothing.
pub async fn the_size_is_held_and_comes_back(backend: &impl TestBackend) {
    let agent = backend.user().spawn_ready(fake("watched", &[])).await;
    let size = |cols, rows| TerminalSize { cols, rows };
    let mut watcher = Program::watch(&agent).await;
    assert_eq!(watcher.holder, LeaseHolder::None);
    // A page that lays itself out, on a phone.
    watcher.socket.input().resize(size(45, 60)).await;
    watcher.until("a refusal", |program| program.refused.take().map(|problem| problem.code)).await;

    let mut one = Viewer::connect(&backend.url(), &agent.id, "").await;
    one.send(r#"{"type":"resize","cols":90,"rows":25}"#).await;
    watcher.sees(LeaseHolder::Other, size(90, 25)).await;
    let mut two = Viewer::connect(&backend.url(), &agent.id, "").await;
    two.send(r#"{"type":"resize","cols":140,"rows":50}"#).await;
    watcher.sees(LeaseHolder::Other, size(140, 50)).await;
    assert_eq!(agent.say("do size").await, "140x50");
    drop(two);
    watcher.sees(LeaseHolder::Other, size(90, 25)).await;

    watcher.socket.input().lease(size(20, 5)).await;
    watcher.sees(LeaseHolder::You, size(40, 10)).await;
    watcher.socket.input().resize(size(80, 24)).await;
    watcher.sees(LeaseHolder::You, size(80, 24)).await;
    watcher.socket.input().release().await;
    watcher.sees(LeaseHolder::Other, size(90, 25)).await;
    drop(one);
    watcher.sees(LeaseHolder::None, size(120, 40)).await;
    assert_eq!(agent.say("do size").await, "120x40");
}

/// A program that watches, and what it was told.
struct Program {
    socket: TerminalSocket,
    holder: LeaseHolder,
    size: TerminalSize,
    refused: Option<Problem>,
}

impl Program {
    async fn watch(agent: &Spawned) -> Self {
        let options = TerminalOptions { retry: Retry::NEVER, ..TerminalOptions::default() };
        let mut socket = agent.client.terminal(&agent.id, options).await.expect("a terminal");
        match within("a hello", PATIENCE, socket.next()).await {
            Ok(Some(TerminalItem::Hello { lease: Some(holder), size, .. })) => {
                Self { socket, holder, size, refused: None }
            }
            other => panic!("{other:?} instead of a hello that names the holder"),
        }
    }

    async fn until<T>(&mut self, what: &str, mut found: impl FnMut(&mut Self) -> Option<T>) -> T {
        let search = async {
            loop {
                if let Some(found) = found(self) {
                    return found;
                }
                match self.socket.next().await.expect("the connection holds").expect("the agent lives") {
                    TerminalItem::Resize(size) => self.size = size,
                    TerminalItem::Lease(holder) => self.holder = holder,
                    TerminalItem::Refused(problem) => self.refused = Some(problem),
                    _ => {}
                }
            }
        };
        within(what, PATIENCE, search).await
    }

    async fn sees(&mut self, holder: LeaseHolder, size: TerminalSize) {
        let what = format!("{holder:?} to hold {size:?}");
        self.until(&what, |program| (program.holder == holder && program.size == size).then_some(())).await;
    }
}

/// Queries get one answer: from the host, with no viewer and with viewers whose terminals answer as well.
pub async fn queries_are_answered_once(backend: &impl TestBackend) {
    let agent = backend.user().spawn_ready(fake("asking", &[])).await;
    let once = "device 1, cursor 1, colour 1";
    assert_eq!(agent.say("do queries").await, once);
    let mut viewer = Viewer::connect(&backend.url(), &agent.id, "").await;
    viewer.next().await;
    let id = agent.tell("do wait 300 && queries").await;
    // What a terminal that saw the queries would answer. It sees none, but may have been asked by others before.
    for reply in ["\x1b[?62;22c", "\x1b[12;5R", "\x1b]11;rgb:1e1e/1e1e/2e2e\x1b\\"] {
        viewer.send(reply).await;
    }
    let mut agent = agent;
    assert_eq!(agent.answer_to(&id).await.content, once);
    let received = viewer.received.as_str();
    for query in ["\x1b[c", "\x1b[6n", "\x1b]11;?"] {
        assert!(!received.contains(query), "the viewer got the query {query:?}");
    }
    assert!(agent.say("do recall").await.starts_with("2 before"), "nothing else was typed");
}

/// A viewer that reads nothing does not slow the others, and gets the current screen when it reads again.
pub async fn a_slow_viewer_slows_nobody(backend: &impl TestBackend) {
    let agent = backend.user().spawn_ready(fake("loud", &[])).await;
    let mut slow = Viewer::connect(&backend.url(), &agent.id, "").await;
    let mut fast = Viewer::connect(&backend.url(), &agent.id, "").await;
    let flood = 20_000_000;
    let (answer, ()) = tokio::join!(
        agent.say(format!("do flood {flood} && say the very end")),
        fast.until("the end of the flood", |screen| screen.contains("the very end")),
    );
    assert!(answer.ends_with("the very end"), "{answer}");
    slow.until("the slow viewer to see the present", |screen| screen.contains("the very end")).await;
    assert!(slow.received.len() < flood * 3 / 4, "{} bytes were kept for it", slow.received.len());
    slow.settle(Duration::from_millis(300)).await;
    let shown = agent.client.screen(&agent.id).await.expect("a screen");
    assert_eq!(slow.lines(), shown.lines);
}

/// 4404
pub async fn an_unknown_agent_is_closed(backend: &impl TestBackend) {
    let mut viewer = Viewer::connect(&backend.url(), &AgentId::generate(), "").await;
    assert_eq!(viewer.closed().await.0, CLOSE_UNKNOWN_AGENT);
}

/// 4000, after everything that was printed; also for a viewer that comes afterwards.
pub async fn everything_comes_before_the_end(backend: &impl TestBackend) {
    let mut agent = backend.user().spawn_ready(fake("leaving", &[])).await;
    let mut viewer = Viewer::connect(&backend.url(), &agent.id, "").await;
    agent.tell("do flood 300000 && print the last words && crash 0").await;
    let (code, reason) = viewer.closed().await;
    assert_eq!(code, CLOSE_AGENT_ENDED);
    assert!(!reason.is_empty());
    assert!(viewer.text().contains("the last words"), "{}", viewer.text());
    agent.ends().await;
    let mut late = Viewer::connect(&backend.url(), &agent.id, "").await;
    assert_eq!(late.closed().await.0, CLOSE_AGENT_ENDED);
    assert!(late.text().contains("the last words"), "{}", late.text());
}

/// `format`, `tail` and `follow`.
pub async fn logs_in_every_format(backend: &impl TestBackend) {
    let agent = backend.user().spawn_ready(fake("logged", &[])).await;
    agent.say("do lines 50").await;
    let tail = LogsQuery { tail: Some(5), ..LogsQuery::default() };
    let logs = agent.client.logs(&agent.id, &tail).await.expect("logs");
    assert_eq!((logs.count, logs.logs.len()), (5, 5));
    let all = LogsQuery { tail: Some(10_000), ..LogsQuery::default() };
    let logs = agent.client.logs(&agent.id, &all).await.expect("logs").logs;
    let numbered = logs.iter().filter(|line| line.contains("line ")).count();
    assert!(numbered >= 50, "what scrolled off the screen is in the log: {logs:#?}");

    let cast = body(&agent, LogFormat::Asciicast).await;
    let header: serde_json::Value =
        serde_json::from_slice(cast.split(|byte| *byte == b'\n').next().expect("a line"))
            .expect("an asciicast begins with a JSON header");
    assert_eq!(
        (&header["version"], &header["width"], &header["height"]),
        (&2.into(), &120.into(), &40.into())
    );
    records_from_anywhere(&agent).await;
    let raw = raw_log(&agent).await;
    assert!(raw.starts_with(b"\x1b[?2004h"), "the first bytes are kept, without the queries");
    assert!(String::from_utf8_lossy(&body(&agent, LogFormat::Ansi).await).contains("line 50"));

    let follow = LogsQuery { follow: Some(true), format: Some(LogFormat::Raw), ..LogsQuery::default() };
    let mut stream = agent.client.log_stream(&agent.id, &follow).await.expect("a stream");
    agent.say("followed to the end").await;
    agent.stop().await;
    let followed = within("the followed log to end with the agent", PATIENCE, async {
        let mut followed = Vec::new();
        while let Some(part) = stream.next().await {
            followed.extend_from_slice(&part.expect("the connection holds"));
        }
        followed
    })
    .await;
    assert!(String::from_utf8_lossy(&followed).contains("echo: followed to the end"));
    records_from_anywhere(&agent).await;
}

/// Every byte of a terminal that was opened at its beginning, to its end, over connections that break.
pub async fn every_byte(mut terminal: TerminalSocket) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some(item) = terminal.next().await.expect("the connection is made again") {
        match item {
            TerminalItem::Output { offset, bytes: more } => {
                assert_eq!(offset, bytes.len() as u64, "no gap and no double");
                bytes.extend_from_slice(&more);
            }
            TerminalItem::Skip { from, to } => panic!("{from} to {to} were passed over"),
            _ => {}
        }
    }
    bytes
}

/// The log's bytes from the first on.
pub async fn raw_log(agent: &Spawned) -> Vec<u8> {
    body(agent, LogFormat::Raw).await
}

async fn body(agent: &Spawned, format: LogFormat) -> Vec<u8> {
    let query = LogsQuery {
        format: Some(format),
        since: (format == LogFormat::Raw).then(|| "0".into()),
        ..LogsQuery::default()
    };
    let mut stream = agent.client.log_stream(&agent.id, &query).await.expect("a log");
    within("the log", PATIENCE, async {
        let mut body = Vec::new();
        while let Some(part) = stream.next().await {
            body.extend_from_slice(&part.expect("the connection holds"));
        }
        body
    })
    .await
}

/// At least `count` bytes of output from the beginning.
async fn collect(terminal: &mut TerminalSocket, count: usize) -> Vec<u8> {
    within("output", PATIENCE, async {
        let mut collected = Vec::new();
        while collected.len() < count {
            match terminal.next().await.expect("the connection holds").expect("the agent runs") {
                TerminalItem::Output { offset, bytes } => {
                    assert_eq!(offset, collected.len() as u64);
                    collected.extend_from_slice(&bytes);
                }
                TerminalItem::Hello { .. } => {}
                other => panic!("nothing but output was expected, not {other:?}"),
            }
        }
        collected
    })
    .await
}

/// A recording from a byte, or of the last lines, begins with the screen as it was there.
async fn records_from_anywhere(agent: &Spawned) {
    let raw = raw_log(agent).await;
    let whole = played(&recorded(agent, LogFormat::AsciicastV3, &LogsQuery::default()).await);
    for format in [LogFormat::Asciicast, LogFormat::AsciicastV3] {
        let since = LogsQuery { since: Some((raw.len() / 2).to_string()), ..LogsQuery::default() };
        let tail = LogsQuery { tail: Some(3), ..LogsQuery::default() };
        for query in [since, tail] {
            let cast = recorded(agent, format, &query).await;
            let opening = cast[1][2].as_str().expect("an event");
            assert!(opening.starts_with("\u{1b}c"), "{query:?} begins with {opening:?}");
            assert_eq!(played(&cast), whole, "{query:?}");
        }
    }
    let tail = LogsQuery { tail: Some(3), format: Some(LogFormat::Raw), ..LogsQuery::default() };
    let parts: Vec<_> = agent.client.log_stream(&agent.id, &tail).await.expect("a log").collect().await;
    let last: Vec<u8> = parts.into_iter().flat_map(|part| part.expect("a log to its end").to_vec()).collect();
    let lines = |bytes: &[u8]| {
        bytes.strip_suffix(b"\n").unwrap_or(bytes).iter().filter(|byte| **byte == b'\n').count()
    };
    assert!(raw.ends_with(&last) && lines(&last) == 2, "{:?}", String::from_utf8_lossy(&last));
}

async fn recorded(agent: &Spawned, format: LogFormat, query: &LogsQuery) -> Vec<serde_json::Value> {
    let query = LogsQuery { format: Some(format), ..query.clone() };
    let parts: Vec<_> = agent.client.log_stream(&agent.id, &query).await.expect("a log").collect().await;
    let bytes: Vec<u8> =
        parts.into_iter().flat_map(|part| part.expect("a log to its end").to_vec()).collect();
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).expect("JSON lines")).collect()
}

/// What the terminal shows after a recording.
fn played(cast: &[serde_json::Value]) -> Vec<String> {
    let number =
        |value: &serde_json::Value| u16::try_from(value.as_u64().expect("a number")).expect("a size");
    let (cols, rows) = match cast[0]["version"].as_u64() {
        Some(3) => (&cast[0]["term"]["cols"], &cast[0]["term"]["rows"]),
        _ => (&cast[0]["width"], &cast[0]["height"]),
    };
    let mut screen = parallax_screen::Screen::new(TerminalSize { cols: number(cols), rows: number(rows) }, 0);
    for event in cast[1..].iter().filter(|event| event[1] == "o") {
        screen.feed(event[2].as_str().expect("text").as_bytes());
    }
    screen.view(0).lines
}

async fn has_size(agent: &Spawned, size: TerminalSize) {
    until(&format!("the terminal to have {size:?}"), PATIENCE, async || {
        let now = agent.client.screen(&agent.id).await.expect("a screen").size;
        if now == size { Ok(()) } else { Err(now) }
    })
    .await;
}
