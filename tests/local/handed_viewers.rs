//! Viewers on the machine of their agents: once a server has let one in, no server stands between it and its agent.

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use parallax_api::agent::StopRequest;
use parallax_api::client::Client;
use parallax_api::terminal::{CLOSE_AGENT_ENDED, CLOSE_GOING_AWAY};
use parallax_api::{AgentId, TerminalSize};
use parallax_testkit::backend::fake;
use parallax_testkit::local::Directory;
use parallax_testkit::processes;
use parallax_testkit::up::Up;
use parallax_testkit::viewer::Viewer;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::local_runtime::{LocalRuntime, eventually, within};

/// What one types in all of them is seen in all, while the servers are stopped.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_stand_still_hold_no_viewer_up() {
    let directory = Directory::new();
    let mut up = Up::start(&directory, &[]).await;
    let agent = up.user().spawn_ready(fake("watched", &[])).await;
    let mut viewers = Vec::new();
    for url in [up.server.url(), up.runtime_url.clone()] {
        let mut viewer = Viewer::connect(&url, &agent.id, "").await;
        viewer.until("the composer", |text| text.contains("ready")).await;
        viewers.push(viewer);
    }
    let server = Pid::from_raw(up.server.pid().expect("it runs").cast_signed()).expect("a process");
    kill_process(server, Signal::STOP).expect("it runs");
    for (index, word) in ["first", "second"].into_iter().enumerate() {
        viewers[index].send(word).await;
        for viewer in &mut viewers {
            viewer.until(word, |text| text.contains(word)).await;
        }
    }
    kill_process(server, Signal::CONT).expect("it runs");
    agent.stop().await;
    for viewer in &mut viewers {
        assert_eq!(viewer.closed().await.0, 4000);
    }
    up.server.end().await;
}

/// A server that goes, in whatever way, takes along those whom it let in; they come back to the next one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_stays_without_the_server_that_let_him_in() {
    let directory = Directory::new();
    let mut up = Up::start(&directory, &[]).await;
    let agent = up.user().spawn_ready(fake("watched", &[])).await;
    for is_killed in [false, true] {
        let mut viewers = Vec::new();
        for url in [up.server.url(), up.runtime_url.clone()] {
            viewers.push(Viewer::connect(&url, &agent.id, "").await);
        }
        for viewer in &mut viewers {
            viewer.until("the composer", |text| text.contains("ready")).await;
        }
        if is_killed {
            up.server.kill().await;
        } else {
            up.server.end().await;
        }
        for viewer in &mut viewers {
            assert_eq!(viewer.closed().await.0, CLOSE_GOING_AWAY, "killed: {is_killed}");
        }
        up.server.start(&[]).await;
    }
    up.user().follow(agent.id.clone()).await.stop().await;
    up.server.end().await;
}

/// A host of an earlier version listens for no viewers: they are relayed, by both servers, as those of hosts elsewhere are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_takes_no_viewers_has_them_relayed() {
    let directory = Directory::new();
    let mut up = Up::start(&directory, &[]).await;
    let agent = up.user().spawn_ready(fake("watched", &[])).await;
    let files = directory.path().join("state/runtime-local/agents").join(agent.id.as_str());
    let host = processes::host_of(&files).expect("the host is written down");
    let mut viewers = Vec::new();
    for (is_handed, url) in
        [(true, up.server.url()), (false, up.server.url()), (false, up.runtime_url.clone())]
    {
        if !is_handed {
            // Gone already for the second one.
            std::fs::remove_file(files.join("view.sock")).ok();
        }
        let mut viewer = Viewer::connect(&url, &agent.id, "").await;
        viewer.until("the composer", |text| text.contains("ready")).await;
        viewers.push(viewer);
        assert_eq!(processes::tcp_connections(host), 1, "the first one alone is the host's own");
    }
    for (index, word) in ["first", "second", "third"].into_iter().enumerate() {
        viewers[index].send(word).await;
        for viewer in &mut viewers {
            viewer.until(word, |text| text.contains(word)).await;
        }
    }
    viewers[1].send(r#"{"type":"resize","cols":93,"rows":33}"#).await;
    let client = Client::runtime(&up.runtime_url, None).expect("an address");
    let size = async || client.screen(&agent.id).await.expect("it has a screen").size;
    within("the size", async {
        while size().await != (TerminalSize { cols: 93, rows: 33 }) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    agent.stop().await;
    for viewer in &mut viewers {
        assert_eq!(viewer.closed().await.0, CLOSE_AGENT_ENDED);
    }
    up.server.end().await;
}

/// The second socket of a host is for servers, like the first: not for what the agent runs, and a server that hands over nothing
/// keeps nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_hands_over_nobody() {
    let program = LocalRuntime::start();
    let agent = program.bash().await;
    let socket = program.agent_dir(&agent.id).join("view.sock");
    let mut mine = UnixStream::connect(&socket).expect("it listens");
    mine.set_read_timeout(Some(Duration::from_secs(60))).expect("a time");
    let mut byte = [0];
    mine.read_exact(&mut byte).expect("this test is below no host");
    assert_eq!(byte, *b"v");
    mine.shutdown(std::net::Shutdown::Write).expect("it is there");
    assert_eq!(mine.read(&mut byte).expect("it is told"), 0, "nothing came");
    let script = format!(
        "python3 -c 'import socket; s = socket.socket(socket.AF_UNIX); s.connect(\"{}\"); print(\"got\", len(s.recv(1)))'",
        socket.display()
    );
    program.run(&agent.id, &script).await;
    program.until_printed(&agent.id, "got 0").await;
}

/// The connections of its viewers are the host's alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_agent_starts_has_no_viewers() {
    let program = LocalRuntime::start();
    let agent = program.bash().await;
    let mut viewer = Viewer::connect(program.client().url(), &agent.id, "").await;
    viewer.until("the prompt", |text| text.contains("prompt>")).await;
    let before = processes::open_descriptors(program.host(&agent.id));
    let more = Viewer::connect(program.client().url(), &agent.id, "").await;
    program.run(&agent.id, "echo soc''kets: $(ls -l /proc/self/fd | grep -c socket:)").await;
    program.until_printed(&agent.id, "sockets: 0").await;
    assert!(processes::open_descriptors(program.host(&agent.id)) > before, "a connection for each");
    drop(more);
}

/// A connection that has asked for the terminal, and has not read more than that it may.
async fn raw_viewer(program: &LocalRuntime, id: &AgentId) -> BufReader<TcpStream> {
    let address = program.client().url().trim_start_matches("http://").to_owned();
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a small one");
    let socket = socket.connect(address.parse().expect("an address")).await.expect("it listens");
    let mut socket = BufReader::with_capacity(1, socket);
    let head = format!(
        "GET /ws/agents/{id}/terminal HTTP/1.1\r\nhost: {address}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).await.expect("it reads");
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(socket.read_u8().await.expect("it answers"));
    }
    assert!(answer.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&answer));
    socket
}

/// Neither the server that let it in nor the agent waits for it, and its size is not kept.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_reads_nothing_is_let_go() {
    let mut program = LocalRuntime::start();
    let agent = program.bash().await;
    let host = program.host(&agent.id);
    let before = processes::open_descriptors(host);
    let deaf = raw_viewer(&program, &agent.id).await;
    eventually("the viewer to be there", || processes::open_descriptors(host) > before).await;
    program.run(&agent.id, "seq 1 400000; echo do''ne").await;
    program.until_printed(&agent.id, "\ndone").await;
    program.end();
    program.start_again();
    eventually("the host to let it go", || processes::open_descriptors(host) <= before).await;
    let again = raw_viewer(&program, &agent.id).await;
    program.client().stop(&agent.id, &StopRequest::default()).await.expect("it can be stopped");
    eventually("the agent to be gone", || !program.agent_dir(&agent.id).exists()).await;
    drop((deaf, again));
}

/// A close frame is answered, also while what was typed before waits for a program that reads nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_says_goodbye_is_answered() {
    let program = LocalRuntime::start();
    let agent = program.bash().await;
    let address =
        format!("{}/ws/agents/{}/terminal", program.client().url().replacen("http", "ws", 1), agent.id);
    for paste in [0, 300_000] {
        if paste > 0 {
            program.run(&agent.id, "stty raw -echo; echo wa''iting; sleep 500").await;
            program.until_printed(&agent.id, "waiting").await;
        }
        let (mut viewer, _) = connect_async(&address).await.expect("it lets viewers in");
        viewer.send(Message::binary(vec![b'x'; paste])).await.expect("it reads");
        let normal = CloseFrame { code: CloseCode::Normal, reason: "".into() };
        viewer.close(Some(normal)).await.expect("it reads");
        let answered = async {
            loop {
                match viewer.next().await {
                    Some(Ok(Message::Close(frame))) => break frame.map(|frame| frame.code),
                    Some(Ok(_)) => {}
                    other => panic!("{other:?} in place of a close frame, after {paste} bytes"),
                }
            }
        };
        assert_eq!(within("an answer", answered).await, Some(CloseCode::Normal));
    }
}
