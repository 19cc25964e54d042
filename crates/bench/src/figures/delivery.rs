//! How fast output comes through, what it costs, and how much of it reaches the viewers.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;

use crate::process;
use crate::report::Report;
use crate::subject::Subject;
use crate::viewer::{Place, Viewer};

/// Lines that are printed, each of 99 digits and its end.
const LINES: u64 = 500_000;
/// Megabytes of lines, and of repainted screens.
const MEGABYTES: f64 = 50.0;
const DIGITS: usize = 99;
/// What the shell prints behind everything.
const END: &[u8] = b"E42ND";
/// How long the end of a program may take when nobody watches it, in steps of 5 ms.
const PATIENCE: usize = 24_000;

/// Numbered lines.
pub(super) async fn lines(subject: &Subject, viewers: usize, report: &mut Report) -> anyhow::Result<()> {
    let run = run(subject, viewers, &format!("seq -f '%0{DIGITS}.0f' 1 {LINES}")).await?;
    let suffix = watched(viewers);
    report.add(&format!("50 MB of lines, {suffix}, MB/s"), subject, MEGABYTES / run.seconds);
    report.add(&format!("CPU a MB of lines, {suffix}, ms"), subject, run.cpu / MEGABYTES * 1000.0);
    if viewers > 0 {
        #[expect(clippy::cast_precision_loss, reason = "a share")]
        let least = run.lines.iter().copied().min().unwrap_or_default() as f64 / LINES as f64;
        report.add(&format!("lines that arrived, {suffix}, % (the least)"), subject, least * 100.0);
    }
    Ok(())
}

/// Screens in full colour.
pub(super) async fn repaint(subject: &Subject, viewers: usize, report: &mut Report) -> anyhow::Result<()> {
    let program = std::env::current_exe()?;
    let run = run(subject, viewers, &format!("{} paint {MEGABYTES}", program.display())).await?;
    let suffix = watched(viewers);
    report.add(&format!("50 MB of repaint, {suffix}, MB/s"), subject, MEGABYTES / run.seconds);
    report.add(&format!("CPU a MB of repaint, {suffix}, ms"), subject, run.cpu / MEGABYTES * 1000.0);
    Ok(())
}

fn watched(viewers: usize) -> String {
    format!("{viewers} viewer{}", if viewers == 1 { "" } else { "s" })
}

struct Run {
    /// From the program's begin to its end, or to the end at the last viewer.
    seconds: f64,
    cpu: f64,
    /// Of each viewer.
    lines: Vec<u64>,
}

async fn run(subject: &Subject, viewers: usize, command: &str) -> anyhow::Result<Run> {
    let dir = tempfile::tempdir()?;
    let (began, ended) = (dir.path().join("began"), dir.path().join("ended"));
    let command = format!(
        "sleep 0.4; date +%s%N >{}; {command}; date +%s%N >{}; echo E$((40+2))ND\r",
        began.display(),
        ended.display()
    );
    let shell = subject.shell().await?;
    let mut first = Viewer::connect(&shell.place).await?;
    first.command("true").await?;
    let processes = subject.processes(&shell);
    let before = process::cpu_seconds(&processes);
    let mut others = Vec::new();
    for _ in 1..viewers {
        others.push(tokio::spawn(watch_new(shell.place.clone())));
    }
    first.type_text(&command).await?;
    let mut lines = Vec::new();
    let mut end = 0.0_f64;
    if viewers == 0 {
        first.settle(Duration::from_millis(150)).await?;
        drop(first);
    } else {
        let seen = watch(&mut first).await?;
        end = seen.0;
        lines.push(seen.1);
    }
    for other in others {
        let seen = other.await??;
        end = end.max(seen.0);
        lines.push(seen.1);
    }
    for _ in 0..PATIENCE {
        if std::fs::read_to_string(&ended).is_ok_and(|text| text.ends_with('\n')) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let seconds = end.max(nanos(&ended)?) - nanos(&began)?;
    let cpu = process::cpu_seconds(&processes) - before;
    subject.end(shell).await?;
    Ok(Run { seconds, cpu, lines })
}

fn nanos(file: &std::path::Path) -> anyhow::Result<f64> {
    let text = std::fs::read_to_string(file).context("the program did not come to its end")?;
    let nanos: f64 = text.trim().parse()?;
    Ok(nanos / 1e9)
}

async fn watch_new(place: Place) -> anyhow::Result<(f64, u64)> {
    watch(&mut Viewer::connect(&place).await?).await
}

/// Reads until the end. Answers when that was, and how many numbered lines came.
async fn watch(viewer: &mut Viewer) -> anyhow::Result<(f64, u64)> {
    let mut count = LineCount::default();
    loop {
        count.add(&viewer.next().await?);
        if count.has_ended {
            let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
            return Ok((now.as_secs_f64(), count.lines));
        }
    }
}

/// Counts lines whose number is higher than every one before: what a fresh screen shows again is not counted again.
#[derive(Default)]
struct LineCount {
    line: Vec<u8>,
    last: u64,
    lines: u64,
    has_ended: bool,
}

impl LineCount {
    fn add(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            self.line.extend_from_slice(&rest[..end]);
            self.end_line();
            rest = &rest[end + 1..];
        }
        self.line.extend_from_slice(rest);
    }

    fn end_line(&mut self) {
        let line = self.line.strip_suffix(b"\r").unwrap_or(&self.line);
        if line.len() == DIGITS
            && let Ok(text) = std::str::from_utf8(&line[DIGITS - 19..])
            && let Ok(number) = text.parse::<u64>()
            && number > self.last
        {
            self.last = number;
            self.lines += 1;
        }
        self.has_ended |= line.ends_with(END);
        self.line.clear();
    }
}
