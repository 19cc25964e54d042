//! What is typed into a terminal arrives whole, through every server, or the viewer is told.

use parallax_api::runtime::RuntimeKind;
use parallax_api::terminal::{MAX_CONTROL_FRAME, MAX_VIEWER_MESSAGE};
use parallax_control_plane::RuntimeSpec;
use parallax_testkit::in_process::InProcess;
use parallax_testkit::viewer::Viewer;
use sha2::{Digest, Sha256};

use crate::local_runtime::LocalRuntime;

/// Bytes of a large paste.
const PASTE: usize = 10_000_000;
const TOO_LONG: u16 = 1009;

/// A runtime with a bash, behind a control plane.
async fn servers() -> (LocalRuntime, InProcess) {
    let program = LocalRuntime::start();
    let url = program.client().url().to_owned();
    let plane = InProcess::control_plane(
        program.dir.path(),
        vec![RuntimeSpec { name: "local".into(), ..RuntimeSpec::of_kind(RuntimeKind::Local, &url) }],
    )
    .await;
    (program, plane)
}

fn paste() -> String {
    (0..)
        .map(|n| format!("{n} größer\n"))
        .scan(0, |len, line| {
            *len += line.len();
            (*len <= PASTE).then_some(line)
        })
        .collect()
}

/// In one message or in many, to a program that reads late: not a byte is missing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_paste_arrives_whole() {
    let (program, plane) = servers().await;
    let agent = program.bash().await;
    let paste = paste();
    let count = paste.len();
    let sum = hex::encode(Sha256::digest(paste.as_bytes()));
    let runtime = program.client().url().to_owned();
    for (round, (url, message)) in [(&runtime, PASTE), (&plane.url, 64 * 1024)].into_iter().enumerate() {
        let gate = program.dir.path().join(format!("gate{round}"));
        let wait = format!("until [ -e {} ]; do sleep .1; done", gate.display());
        let line = format!("stty raw -echo; echo go-{round}; {wait}; head -c {count} | sha256sum; stty sane");
        program.run(&agent.id, &line).await;
        program.until_printed(&agent.id, &format!("go-{round}\n")).await;
        let mut viewer = Viewer::connect(url, &agent.id, "").await;
        for piece in paste.as_bytes().chunks(message) {
            match std::str::from_utf8(piece) {
                Ok(text) => viewer.send(text).await,
                Err(_) => viewer.send_binary(piece).await,
            }
        }
        std::fs::write(gate, "").expect("a file");
        let shown = |screen: &str| screen.replace('\n', "").matches(&sum).count() > round;
        viewer.until("the sum of what arrived", shown).await;
    }
    plane.end().await;
}

/// 1009 with the reason, and nothing of it is typed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_long_is_refused() {
    let (program, plane) = servers().await;
    let agent = program.bash().await;
    let runtime = program.client().url().to_owned();
    for url in [&runtime, &plane.url] {
        let mut viewer = Viewer::connect(url, &agent.id, "").await;
        viewer.send(&"x".repeat(MAX_VIEWER_MESSAGE + 1)).await;
        let (code, reason) = viewer.closed().await;
        assert_eq!((code, reason.contains(&MAX_VIEWER_MESSAGE.to_string())), (TOO_LONG, true), "{reason}");
    }
    const { assert!(MAX_CONTROL_FRAME < MAX_VIEWER_MESSAGE) };
    assert!(!program.output(&agent.id).await.contains("xx"));
    plane.end().await;
}
