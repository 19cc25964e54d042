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

/// What was measured of the keys.
pub(super) struct Keys {
    /// Seconds, of each.
    times: Vec<f64>,
    /// CPU time of the servers and the host for all of them, in seconds.
    cpu: f64,
}

impl Keys {
    /// Adds the middle and the slow ones.
    pub(super) fn add(&self, figure: &str, subject: &Subject, report: &mut Report) {
        for (name, share) in [("p50", 0.5), ("p99", 0.99)] {
            report.add(
                &format!("{figure}, {name}, µs"),
                subject,
                percentile(self.times.clone(), share) * 1e6,
            );
        }
    }
}

pub(super) async fn measure(subject: &Subject, report: &mut Report) -> anyhow::Result<()> {
    let keys = keys(subject).await?;
    keys.add("key → echo", subject, report);
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    report.add("CPU of servers and host a key, µs", subject, keys.cpu / KEYS as f64 * 1e6);
    Ok(())
}

/// Keys into a shell of their own.
pub(super) async fn keys(subject: &Subject) -> anyhow::Result<Keys> {
    let shell = subject.shell().await?;
    let mut viewer = Viewer::connect(&shell.place).await?;
    begin(&mut viewer).await?;
    let processes = subject.processes(&shell);
    let before = process::cpu_seconds(&processes);
    let times = press(&mut viewer, KEYS).await?;
    let cpu = process::cpu_seconds(&processes) - before;
    drop(viewer);
    subject.end(shell).await?;
    Ok(Keys { times, cpu })
}

/// Keys of a viewer whose shell runs already.
pub(super) async fn keys_of(viewer: &mut Viewer) -> anyhow::Result<Keys> {
    Ok(Keys { times: press(viewer, KEYS).await?, cpu: 0.0 })
}

/// From here on the shell is a program that gives back what it is given.
pub(crate) async fn begin(viewer: &mut Viewer) -> anyhow::Result<()> {
    viewer.command("true").await?;
    viewer.type_text("exec cat\r").await?;
    viewer.settle(Duration::from_millis(300)).await?;
    press(viewer, WARM_UP).await.map(drop)
}

/// The seconds from each key to its echo.
pub(crate) async fn press(viewer: &mut Viewer, keys: usize) -> anyhow::Result<Vec<f64>> {
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
