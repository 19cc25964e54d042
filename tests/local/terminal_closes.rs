//! How a socket is closed when its client breaks the protocol: with the code that says what was wrong (RFC 6455, 7.4.1).

use parallax_api::AgentStatus;
use parallax_api::terminal::MAX_VIEWER_MESSAGE;
use parallax_testkit::backend::fake;
use parallax_testkit::local::Directory;
use parallax_testkit::up::Up;
use parallax_testkit::wait::{PATIENCE, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

const FIN: u8 = 0x80;
const TEXT: u8 = 1;
const CLOSE: u8 = 8;
/// A client's frames are masked (5.3); with zeros that changes nothing.
const MASKED: u8 = 0x80;
const MASK: [u8; 4] = [0; 4];

/// A frame of a client with this first byte. A length past `payload` announces more than comes.
fn frame(first: u8, payload: &[u8], length: u64) -> Vec<u8> {
    let mut frame = vec![first];
    match length {
        0..126 => frame.push(MASKED | u8::try_from(length).expect("it is small")),
        _ => {
            frame.push(MASKED | 127);
            frame.extend(length.to_be_bytes());
        }
    }
    frame.extend(MASK);
    frame.extend(payload);
    frame
}

fn whole(first: u8, payload: &[u8]) -> Vec<u8> {
    frame(first, payload, payload.len() as u64)
}

/// Opens a socket at `path`, sends `sent` as it is, and reads until the server closes it: with which code.
async fn close_code(address: &str, path: &str, sent: &[u8]) -> u16 {
    let mut socket = BufReader::new(TcpStream::connect(address).await.expect("it listens"));
    let head = format!(
        "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).await.expect("it reads");
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(socket.read_u8().await.expect("it answers"));
    }
    assert!(answer.starts_with(b"HTTP/1.1 101"), "{path}: {}", String::from_utf8_lossy(&answer));
    // Nobody reads to the end of what is too long.
    drop(socket.write_all(sent).await);
    loop {
        let first = socket.read_u8().await.expect("a socket is closed with a code");
        let length = match socket.read_u8().await.expect("a frame has a length") {
            126 => u64::from(socket.read_u16().await.expect("a frame has a length")),
            127 => socket.read_u64().await.expect("a frame has a length"),
            length => u64::from(length),
        };
        let mut payload = vec![0; usize::try_from(length).expect("a frame fits into memory")];
        socket.read_exact(&mut payload).await.expect("a frame is whole");
        if first & 0x0f == CLOSE {
            return u16::from_be_bytes([payload[0], payload[1]]);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_frames_are_told_by_their_code() {
    let directory = Directory::new();
    let mut up = Up::start(&directory, &[]).await;
    let agent = up.user().spawn_ready(fake("watched", &[])).await;
    let id = agent.id.clone();
    let long = vec![b'x'; MAX_VIEWER_MESSAGE + 1];
    let table = [
        ("text that is not UTF-8", whole(FIN | TEXT, b"\xff\xfe"), 1007),
        ("a message that is too long", whole(FIN | TEXT, &long), 1009),
        ("the announcement of an endless one", frame(FIN | TEXT, b"x", u64::MAX >> 1), 1009),
        ("a reserved bit", whole(FIN | TEXT | 0x40, b"x"), 1002),
        ("an opcode that is none", whole(FIN | 3, b"x"), 1002),
        ("a frame without a mask", vec![FIN | TEXT, 1, b'x'], 1002),
        ("a ping in parts", whole(9, b"x"), 1002),
    ];
    let runtime = up.runtime_url.trim_start_matches("http://").to_owned();
    let sockets = [
        (runtime.clone(), format!("/ws/agents/{id}/terminal")),
        (up.server.address(), format!("/api/managed-agents/{id}/terminal")),
        (up.server.address(), format!("/ws/agents/{id}/terminal")),
        (runtime, "/ws/events".to_owned()),
        (up.server.address(), "/api/managed-agents/events".to_owned()),
    ];
    for (address, path) in &sockets {
        for (what, sent, code) in &table {
            let waiting = format!("{path} to be closed after {what}");
            let closed = within(&waiting, PATIENCE, close_code(address, path, sent)).await;
            assert_eq!(closed, *code, "{path}: {what}");
        }
    }
    assert_eq!(agent.agent().await.status, AgentStatus::Ready, "what was broken was not typed");
    agent.stop().await;
    up.server.end().await;
}
