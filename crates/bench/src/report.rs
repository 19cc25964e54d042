//! The report: a table of medians, with the machine and what was measured.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};
use std::process::Command;
use std::time::Instant;

use crate::median;
use crate::subject::{Cao, Subject};

/// The columns of our own servers.
const OURS: [&str; 2] = ["runtime", "control plane"];

/// Values by figure and subject.
pub(crate) struct Report {
    began: Instant,
    columns: Vec<&'static str>,
    rounds: usize,
    figures: Vec<String>,
    values: BTreeMap<(String, &'static str), Vec<f64>>,
    /// What could not be measured, of which column.
    failures: Vec<(&'static str, String)>,
}

impl Report {
    /// With these columns.
    pub(crate) fn new(columns: Vec<&'static str>, rounds: usize) -> Self {
        let (figures, values, failures) = Default::default();
        Self { began: Instant::now(), columns, rounds, figures, values, failures }
    }

    /// Adds one value of a subject.
    pub(crate) fn add(&mut self, figure: &str, subject: &Subject, value: f64) {
        self.add_to(subject.name(), figure, value);
    }

    /// Adds one value to a column; figures stand in the order of their first.
    pub(crate) fn add_to(&mut self, column: &'static str, figure: &str, value: f64) {
        eprintln!(
            "{:6.1} s  {figure:<60} {column:<14} {}",
            self.began.elapsed().as_secs_f64(),
            rounded(value)
        );
        if !self.figures.iter().any(|known| known == figure) {
            self.figures.push(figure.to_owned());
        }
        self.values.entry((figure.to_owned(), column)).or_default().push(value);
    }

    /// Notes what a figure of a column has failed with. It costs the report nothing else.
    pub(crate) fn note(&mut self, figure: impl Display, column: &'static str, done: anyhow::Result<()>) {
        if let Err(error) = done {
            eprintln!("failed: {figure} of {column}: {error:#}");
            self.failures.push((column, format!("{figure} of {column}: {error:#}")));
        }
    }

    /// # Errors
    /// Something of ours was not measured. A peer may fail.
    pub(crate) fn is_complete(&self) -> anyhow::Result<()> {
        let ours = self.failures.iter().filter(|(column, _)| OURS.contains(column));
        let failed: Vec<_> = ours.map(|(_, what)| what.as_str()).collect();
        anyhow::ensure!(failed.is_empty(), "not measured: {}", failed.join("; "));
        Ok(())
    }

    /// Ours against each peer that has terminals, and the control plane against the runtime below it.
    fn ratios(&self) -> Vec<(&'static str, &'static str)> {
        let is_peer = |column: &&'static str| !OURS.contains(column) && *column != Cao::NAME;
        let peers = self.columns.iter().copied().filter(is_peer);
        peers.map(|peer| (OURS[0], peer)).chain([(OURS[1], OURS[0])]).collect()
    }

    /// The document.
    pub(crate) fn document(&self) -> anyhow::Result<String> {
        let mut text = include_str!("report/head.md").to_owned();
        writeln!(text, "\n| | |\n|---|---|")?;
        for (name, value) in machine() {
            writeln!(text, "| {name} | {value} |")?;
        }
        writeln!(text, "| rounds | {} |", self.rounds)?;
        write!(text, "\n| figure |")?;
        let ratios = self.ratios();
        self.columns.iter().try_for_each(|subject| write!(text, " {subject} |"))?;
        ratios.iter().try_for_each(|(over, under)| write!(text, " {over} ÷ {under} |"))?;
        writeln!(text, "\n|---|{}", "---|".repeat(self.columns.len() + ratios.len()))?;
        for figure in &self.figures {
            write!(text, "| {figure} |")?;
            let value = |subject| self.values.get(&(figure.clone(), subject)).map(|all| median(all.clone()));
            for subject in &self.columns {
                write!(text, " {} |", value(*subject).map_or_else(|| "–".into(), rounded))?;
            }
            for (over, under) in &ratios {
                let ratio = value(*over).zip(value(*under)).filter(|(_, under)| *under > 0.0);
                write!(
                    text,
                    " {} |",
                    ratio.map_or_else(|| "–".into(), |(over, under)| format!("{:.2}", over / under))
                )?;
            }
            writeln!(text)?;
        }
        if !self.failures.is_empty() {
            writeln!(text, "\nNot measured, or not in every round:\n")?;
        }
        for (_, what) in &self.failures {
            writeln!(text, "- {}", what.replace('\n', " "))?;
        }
        Ok(text)
    }
}

/// Three digits that mean something.
fn rounded(value: f64) -> String {
    match value.abs() {
        at_least if at_least >= 100.0 => format!("{value:.0}"),
        at_least if at_least >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

fn machine() -> Vec<(&'static str, String)> {
    let first = |file: &str, key: &str| {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(key));
        line.and_then(|line| line.split_once(':'))
            .map(|(_, value)| value.trim().to_owned())
            .unwrap_or_default()
    };
    let said = |program: &str, args: &[&str]| {
        let output = Command::new(program).args(args).output().ok();
        let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
        text.filter(|text| !text.is_empty()).unwrap_or_else(|| "not installed".into())
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split_whitespace().take(3).collect::<Vec<_>>().join(" ");
    vec![
        ("date", said("date", &["-u", "+%Y-%m-%d %H:%M UTC"])),
        ("commit", said("git", &["describe", "--always", "--dirty"])),
        ("processor", format!("{cores} cores of {}", first("/proc/cpuinfo", "model name"))),
        ("memory", first("/proc/meminfo", "MemTotal")),
        ("kernel", said("uname", &["-sr"])),
        ("load at the end (1, 5, 15 minutes)", load),
        ("sandbox-agent", said("sandbox-agent", &["--version"])),
        ("ttyd", said("ttyd", &["--version"])),
        ("CAO", said("cao", &["--version"])),
    ]
}
