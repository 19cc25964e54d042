//! What a program prints reaches who watches it, and what it is sent reaches it.

use std::time::Duration;

use parallax_api::{Code, SendRequest};
use parallax_testkit::pictures::{PNG, image};
use parallax_testkit::viewer::Viewer;

use crate::local_runtime::{LocalRuntime, request};

/// Numbered lines, several times what waits for a viewer anywhere.
const LINES: usize = 200_000;
/// The viewer's pause after each frame: the program is much faster.
const PACE: Duration = Duration::from_millis(1);
/// A busy machine may stop a viewer for longer than its host waits for it.
const TRIES: usize = 5;

#[tokio::test]
async fn every_line_reaches_a_viewer_that_reads() {
    let program = LocalRuntime::start();
    let mut came = Vec::new();
    for _ in 0..TRIES {
        let agent = program.bash().await;
        let url = program.client().url().to_owned();
        let mut viewer = Viewer::connect(&url, &agent.id, "").await;
        viewer.send(&format!("seq -f 'line %060.0f' 1 {LINES}; echo the-${{SHLVL:+end}}\r")).await;
        while !ends_with_line(&viewer.received, "the-end") {
            viewer.next().await;
            tokio::time::sleep(PACE).await;
        }
        came.push(viewer.received.matches("line 0").count());
        if came.ends_with(&[LINES]) {
            return;
        }
    }
    panic!("{LINES} lines were printed; {came:?} came");
}

/// Whether one of the last lines is this one: the prompt follows it.
fn ends_with_line(text: &str, line: &str) -> bool {
    text.lines().rev().take(3).any(|last| last == line)
}

/// The composer still shows the message before when the next one comes, until somebody looks: it is not cleared for that.
#[tokio::test]
async fn a_message_right_after_a_turn_goes_into_an_empty_composer() {
    let program = LocalRuntime::start();
    let client = program.client();
    let agent = client.spawn(&request("shell")).await.unwrap();
    for number in 0..10 {
        let message = format!("echo $(({number}+100))");
        let request = SendRequest { message, expect_response: true, ..SendRequest::default() };
        let answer = client.send(&agent.id, &request).await.unwrap().response.unwrap();
        assert_eq!(answer.content, (number + 100).to_string());
    }
    let output = program.output(&agent.id).await;
    let reports = output.matches("\x1b]7501;").count();
    // Each report ends with a bell; Bash rings one more for each key that has nothing to delete.
    assert_eq!(output.matches('\x07').count(), reports, "{output:?}");
    assert!(reports > 20, "{output:?}");
}

/// What has no model takes no images, and says so.
#[tokio::test]
async fn a_shell_refuses_images() {
    let program = LocalRuntime::start();
    let client = program.client();
    let agent = client.spawn(&request("shell")).await.unwrap();
    let images = vec![image(PNG, "shot.png")];
    let request = SendRequest { message: "ls".into(), images, ..SendRequest::default() };
    let refused = client.send(&agent.id, &request).await.unwrap_err();
    assert_eq!((refused.code, refused.more["field"].as_str()), (Code::Unsupported, Some("images")));
}
