//! What a program prints reaches who watches it.

use std::time::Duration;

use parallax_testkit::viewer::Viewer;

use crate::local_runtime::LocalRuntime;

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
