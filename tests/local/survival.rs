//! The server is killed; agents go on, and nothing is lost.

use parallax_api::client::{TerminalItem, TerminalOptions};
use parallax_api::{AgentStatus, EventData};

use crate::local_runtime::{LocalRuntime, eventually, kill, marked, stop_reason, within};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_byte_and_every_event_comes_once() {
    const LINES: usize = 30_000;
    let mut program = LocalRuntime::start();
    let mut events = program.events("0").await;
    let agent = program.bash().await;
    let id = agent.id.clone();
    // A client that resumes by itself, over every death of the server.
    let mut terminal = program
        .client()
        .terminal(&id, TerminalOptions { since: Some(0), ..Default::default() })
        .await
        .unwrap();
    let viewer = tokio::spawn(async move {
        let (mut bytes, mut next, mut losses) = (vec![], 0, 0);
        loop {
            match terminal.next().await.unwrap() {
                Some(TerminalItem::Output { offset, bytes: more }) => {
                    assert_eq!(offset, next, "no gap, no double");
                    next += more.len() as u64;
                    bytes.extend_from_slice(&more);
                }
                Some(TerminalItem::Lost(_)) => losses += 1,
                Some(TerminalItem::Skip { from, to }) => panic!("{from} to {to} skipped"),
                Some(_) => {}
                None => return (String::from_utf8(bytes).unwrap(), losses),
            }
        }
    });
    program
        .run(
            &id,
            &format!("for i in $(seq 1 {LINES}); do echo \"<$i>\"; ((i % 100)) || sleep 0.01; done; exit 3"),
        )
        .await;
    for mark in ["<100>", "<8000>", "<16000>"] {
        program.until_printed(&id, mark).await;
        program.kill();
        assert!(marked(&id).len() >= 2, "host and agent go on");
        program.start_again();
    }
    assert_eq!(stop_reason(&mut events, &id).await, "exited");
    let (output, losses) = within("the terminal's end", viewer).await.unwrap();
    assert!(losses >= 1, "the server was killed while it was watched");
    let numbers = output.split('<').filter_map(|rest| rest.split_once('>')?.0.parse::<usize>().ok());
    assert!(numbers.eq(1..=LINES), "every line once, in order");
    // The same from the log, and every event once from the beginning.
    assert_eq!(program.output(&id).await, output);
    let mut again = program.events("0").await;
    let mut told = vec![];
    loop {
        let event = within("an event", again.next()).await.unwrap();
        told.push(event.data.name());
        if matches!(event.data, EventData::AgentStopped { .. }) {
            break;
        }
    }
    assert_eq!(told.iter().filter(|name| **name == "agent_started").count(), 1, "{told:?}");
    assert_eq!(told.iter().filter(|name| **name == "agent_stopped").count(), 1, "{told:?}");
}

#[tokio::test]
async fn sigterm_ends_no_agent() {
    let mut program = LocalRuntime::start();
    let agent = program.bash().await;
    let host = program.host(&agent.id);
    program.end();
    assert!(marked(&agent.id).contains(&host));
    program.start_again();
    program.run(&agent.id, "echo still-${SHLVL:+here}").await;
    program.until_printed(&agent.id, "still-here").await;
    assert_eq!(program.host(&agent.id), host);
}

#[tokio::test]
async fn what_died_meanwhile_is_told_and_removed() {
    let mut program = LocalRuntime::start();
    let agent = program.bash().await;
    let mut events = program.events("0").await;
    program.kill();
    kill(program.host(&agent.id)).unwrap();
    program.start_again();
    assert_eq!(stop_reason(&mut events, &agent.id).await, "host_lost");
    assert_eq!(program.client().get(&agent.id).await.unwrap().status, AgentStatus::Stopped);
    eventually("its directory to go", || !program.agent_dir(&agent.id).exists()).await;
    assert_eq!(marked(&agent.id), Vec::<u32>::new());
}

#[tokio::test]
async fn a_state_directory_has_one_server() {
    let program = LocalRuntime::start();
    let mut second =
        std::process::Command::new(parallax_testkit::programs::program("parallax-runtime-local"));
    let second = second
        .arg("--state-dir")
        .arg(program.state_dir())
        .args(["--listen", "127.0.0.1:0"])
        .output()
        .unwrap();
    assert!(!second.status.success());
    let said = String::from_utf8_lossy(&second.stderr);
    assert!(said.contains("in use by another server"), "{said}");
}
