//! Viewers on the machine of their agents: once a server has let one in, no server stands between it and its agent.

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use parallax_api::terminal::CLOSE_GOING_AWAY;
use parallax_testkit::backend::fake;
use parallax_testkit::local::Directory;
use parallax_testkit::processes;
use parallax_testkit::up::Up;
use parallax_testkit::viewer::Viewer;
use rustix::process::{Pid, Signal, kill_process};

use crate::local_runtime::LocalRuntime;

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
