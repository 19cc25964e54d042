use std::io::Write as _;
use std::os::unix::net;
use std::path::Path;

use parallax_api::{AgentId, Time};
use tokio::io::AsyncReadExt as _;

use super::*;
use crate::reaper::Reaper;

/// An agent whose program waits, in this directory.
async fn runner(dir: &Path) -> Runner {
    let profile = "name = \"cat\"\ntitle = \"cat\"\nstart = { program = \"cat\", install = \"\" }";
    runner_of(dir, profile).await
}

async fn runner_of(dir: &Path, profile: &str) -> Runner {
    let agent = Agent::new(AgentId::generate(), "its own", "cat", "local", Time::now());
    let mut launch = Launch::new(agent, Profile::parse(profile).unwrap(), dir.into());
    launch.env.insert("PATH".into(), std::env::var("PATH").unwrap().as_str().into());
    let context = SessionContext {
        dir: dir.into(),
        socket: dir.join("host.sock"),
        binary: std::env::current_exe().unwrap(),
        reaper: Reaper::start().unwrap(),
        in_container: false,
    };
    let images = Images::at(dir.join("images"));
    Runner::start(launch, context, images, mpsc::channel(1).1).await.unwrap()
}

#[tokio::test]
async fn output_waits_for_the_emulator_until_somebody_looks() {
    let dir = tempfile::tempdir().unwrap();
    let mut runner = runner(dir.path()).await;
    runner.on_output(&b"y\r\n".repeat(1000));
    let now = runner.output.last_at();
    runner.step(now);
    assert!(runner.output.last_screen().is_behind(), "nothing was due");
    runner.step(now + Duration::from_millis(80));
    assert!(!runner.output.last_screen().is_behind(), "the detector has looked");
    runner.process.terminal.write(b"\x04".as_slice()).unwrap();
}

#[tokio::test]
async fn every_state_that_is_reported_is_published_whatever_was_printed_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let profile = "name = \"cat\"\ntitle = \"cat\"\nstatus = { app = \"cat\" }\n\
                   start = { program = \"cat\", install = \"\" }\n\
                   [[composers]]\nprompt = '^\\$( |$)'\nflush = true\n";
    let mut runner = runner_of(dir.path(), profile).await;
    let report = |state: &str| format!("\r\x1b[K$ \x1b]7501;state={state}:app=cat\x07");
    runner.on_output(report("done").as_bytes());
    let now = runner.output.last_at() + Duration::from_millis(80);
    runner.step(now);
    let before = *runner.journal.head().borrow();
    runner.on_output([report("working"), report("done")].concat().repeat(2).as_bytes());
    runner.step(runner.output.last_at());
    let (events, _) = runner.journal.after(before, 10);
    let names = events.iter().map(|line| {
        let event: parallax_api::host::HostEvent = serde_json::from_slice(&line.json).unwrap();
        event.data.name()
    });
    let turn = ["agent_busy", "agent_ready"];
    assert_eq!(names.collect::<Vec<_>>(), [turn, turn].concat());
    runner.process.terminal.write(b"\x04".as_slice()).unwrap();
}

/// When the screen is looked at next after as much as this was printed for two seconds, every ten milliseconds.
async fn scanned_after(reports: &str) -> Duration {
    let dir = tempfile::tempdir().unwrap();
    let mut runner = runner(dir.path()).await;
    let mut now = runner.output.last_at();
    for _ in 0..200 {
        now += Duration::from_millis(10);
        runner.output.feed(reports.as_bytes(), now);
        runner.output.step(false, now);
    }
    runner.process.terminal.write(b"\x04".as_slice()).unwrap();
    // Its last scan, and the one that is due after what is printed now.
    now = runner.output.deadline(false).map_or(now, |due| due.max(now));
    runner.output.step(false, now);
    runner.output.feed(reports.as_bytes(), now);
    runner.output.deadline(false).unwrap() - now
}

#[tokio::test]
async fn a_report_is_looked_at_soon_but_not_each_of_many() {
    let report = "\x1b]7501;state=done:app=cat\x07";
    assert!(scanned_after("x").await > Duration::from_millis(80), "it paints all the time");
    assert!(scanned_after(&report.repeat(3)).await > Duration::from_millis(80), "it reports all the time");
    let dir = tempfile::tempdir().unwrap();
    let mut runner = runner(dir.path()).await;
    let start = runner.output.last_at();
    for turn in 1..=20 {
        let now = start + turn * Duration::from_millis(100);
        runner.output.feed(report.as_bytes(), now);
        let due = runner.output.deadline(false).unwrap();
        assert!(due <= now + Duration::from_millis(80), "turn {turn}: {:?}", due - now);
        runner.output.step(false, due);
    }
    runner.process.terminal.write(b"\x04".as_slice()).unwrap();
}

#[tokio::test]
async fn after_much_output_there_is_a_look_at_what_has_come() {
    let (mut viewer, socket) = net::UnixStream::pair().unwrap();
    socket.set_nonblocking(true).unwrap();
    let mut socket = tokio::net::UnixStream::from_std(socket).unwrap();
    let reader = tokio::spawn(async move { socket.read_u8().await.unwrap() });
    others_first(false).await;
    viewer.write_all(&[INTERRUPT]).unwrap();
    others_first(false).await;
    assert!(!reader.is_finished(), "after the last piece the runtime waits soon, and looks then");
    others_first(true).await;
    assert!(reader.is_finished());
    assert_eq!(reader.await.unwrap(), INTERRUPT);
}

/// Of a screen that somebody has to look at because a report comes, nothing is published before its dialogs are: one may be answered by itself.
#[tokio::test]
async fn what_is_answered_by_itself_is_not_published_with_the_reports_that_made_it_seen() {
    let dir = tempfile::tempdir().unwrap();
    let profile = "name = \"cat\"\ntitle = \"cat\"\nstatus = { app = \"cat\" }\n\
                   start = { program = \"cat\", install = \"\" }\n\
                   [[dialogs]]\nname = \"welcome\"\nasks = \"question\"\nbegins = '^Welcome'\n\
                   ends = '^Enter to go on'\npass = '^Go on'\n\
                   keys = [{ id = \"go\", label = \"Go on\", keys = [\"enter\"] }]\n";
    let mut runner = runner_of(dir.path(), profile).await;
    // A frame that stays open for too long, so that what comes in it is settled before it is seen.
    runner.on_output(b"\x1b[?2026h\x1b[2J\x1b[H");
    let late = runner.output.last_at() + Duration::from_millis(700);
    runner.step(late);
    runner.process.is_older_by(Duration::from_secs(1));
    let before = *runner.journal.head().borrow();
    let dialog = "Welcome\r\nEnter to go on\r\n\x1b[?2026l";
    let report = "\x1b]7501;state=working:app=cat\x07";
    runner.on_output([dialog, report, report].concat().as_bytes());
    runner.step(runner.output.last_at());
    let (events, _) = runner.journal.after(before, 10);
    let names = events.iter().map(|line| {
        let event: parallax_api::host::HostEvent = serde_json::from_slice(&line.json).unwrap();
        event.data.name()
    });
    let names: Vec<_> = names.collect();
    assert!(!names.contains(&"question"), "{names:?}");
    runner.process.terminal.write(b"\x04".as_slice()).unwrap();
}
