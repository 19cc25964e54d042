//! From a key to its echo, and what it costs.

use std::time::{Duration, Instant};

use crate::percentile;
use crate::process;
use crate::report::Report;
use crate::subject::Subject;
use crate::viewer::Viewer;

/// Keys that are measured, after some that are not.
const KEYS: usize = 1000;
const WARM_UP: usize = 100;
/// Keys of a line; the line discipline holds back what is longer.
const LINE: usize = 50;
/// Between an echo and the next key.
const PAUSE: Duration = Duration::from_millis(1);

pub(super) async fn measure(subject: &Subject, report: &mut Report) -> anyhow::Result<()> {
    let shell = subject.shell().await?;
    let mut viewer = Viewer::connect(&shell.place).await?;
    viewer.command("true").await?;
    viewer.type_text("exec cat\r").await?;
    viewer.settle(Duration::from_millis(300)).await?;
    press(&mut viewer, WARM_UP).await?;
    let processes = subject.processes(&shell);
    let before = process::cpu_seconds(&processes);
    let times = press(&mut viewer, KEYS).await?;
    let cpu = process::cpu_seconds(&processes) - before;
    report.add("key → echo, p50, µs", subject, percentile(times.clone(), 0.5) * 1e6);
    report.add("key → echo, p99, µs", subject, percentile(times, 0.99) * 1e6);
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    report.add("CPU of servers and host a key, µs", subject, cpu / KEYS as f64 * 1e6);
    drop(viewer);
    subject.end(shell).await
}

/// The seconds from each key to its echo.
async fn press(viewer: &mut Viewer, keys: usize) -> anyhow::Result<Vec<f64>> {
    let mut times = Vec::with_capacity(keys);
    for (index, letter) in (b'a'..=b'z').cycle().take(keys).enumerate() {
        let began = Instant::now();
        viewer.type_text(char::from(letter).encode_utf8(&mut [0; 4])).await?;
        while !viewer.next().await?.contains(&letter) {}
        times.push(began.elapsed().as_secs_f64());
        if index % LINE == LINE - 1 {
            viewer.type_text("\r").await?;
            viewer.settle(Duration::from_millis(30)).await?;
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(times)
}
