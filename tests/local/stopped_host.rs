//! A host that gets no time for a while: a container that is paused, a machine that swaps, a laptop that sleeps.

use std::fs;
use std::time::Duration;

use parallax_testkit::backend::{TestBackend, fake};
use parallax_testkit::local::LocalBackend;
use parallax_testkit::processes;
use parallax_testkit::wait::{PATIENCE, until};
use rustix::process::{Pid, Signal, kill_process};

/// A turn is over by all signs, its answer comes while the host is stopped, and the time for waiting is over when the host goes
/// on: the answer is read before it is given up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_came_meanwhile() {
    let backend = LocalBackend::start().await;
    let mut agent = backend.user().spawn_ready(fake("late", &[])).await;
    let files = backend.directory().join("state/agents").join(agent.id.as_str());
    let may_write = backend.directory().join("may-write");
    let id = agent.tell(format!("do say forty-two && late {}", may_write.display())).await;
    until("all but the answer", PATIENCE, async || {
        let screen = agent.screen().await;
        let is_over = screen.contains("* forty-two") && !screen.contains("working");
        if is_over { Ok(()) } else { Err(screen) }
    })
    .await;
    let host = processes::host_of(&files).and_then(|pid| Pid::from_raw(pid.cast_signed())).expect("a pid");
    kill_process(host, Signal::STOP).expect("it lives");
    fs::write(&may_write, "").expect("it can be written");
    // What this is about: longer than a turn of this profile waits for its answer, which is in the file after some milliseconds.
    tokio::time::sleep(Duration::from_millis(2200)).await;
    kill_process(host, Signal::CONT).expect("it lives");
    assert_eq!(agent.answer_to(&id).await.content, "forty-two");
    agent.stop().await;
    backend.end_server().await;
}
