//! The figures: what is measured in each round. Subjects take turns within a round, so that each has the same machine.

mod busy;
mod delivery;
pub(crate) mod echo;
mod events;
mod fresh;
mod idle;
mod interrupt;
mod logs;
mod rates;
mod reads;
pub(crate) mod restart;
mod spawn;
mod turns;
mod viewers;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::process;
use crate::report::Report;
use crate::subject::{Cao, Programs, Subject};

/// For how long a server does nothing when what an agent printed is in the archive; and also in the index of the control plane, which waits
/// up to 5 s before it reads again.
const ARCHIVED: Duration = Duration::from_secs(2);
const INDEXED: Duration = Duration::from_secs(6);

/// What to measure, and how often.
#[derive(Args)]
pub(crate) struct Figures {
    /// Where `parallax` and `parallax-agent-host` are, built for use
    #[arg(long, default_value = "target/release")]
    programs: PathBuf,
    /// Rounds; the report has their medians
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Agents that idle
    #[arg(long, default_value_t = 100)]
    agents: usize,
    /// Only these figures: echo, busy, lines, repaint, spawn, rates, interrupt, viewers, stalled, turns, events, logs, fresh, idle,
    /// reads, restart [default: all]
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// The report; standard output otherwise
    #[arg(long)]
    out: Option<PathBuf>,
}

impl Figures {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let home = tempfile::tempdir()?;
        let programs = Programs {
            ours: self.programs.canonicalize()?,
            sandbox_agent: on_path("sandbox-agent"),
            ttyd: on_path("ttyd"),
            cao: on_path("cao-server").filter(|_| on_path("tmux").is_some()),
        };
        let subjects = Subject::all(&programs, home.path()).await?;
        let cao = programs.cao.as_ref().map(|_| Cao::NAME);
        let mut report = Report::new(subjects.iter().map(Subject::name).chain(cao).collect(), self.rounds);
        for round in 1..=self.rounds {
            eprintln!("round {round} of {}", self.rounds);
            for subject in &subjects {
                self.round(subject, &mut report).await?;
            }
        }
        if self.wants("fresh") {
            fresh::measure(&programs, &subjects, &mut report).await?;
        }
        if self.wants("idle") {
            idle::measure(&subjects, self.agents, &mut report).await?;
        }
        if self.wants("reads") {
            reads::measure(&subjects, &mut report).await?;
        }
        if self.wants("restart") {
            restart::measure(&programs, &subjects, &mut report).await?;
        }
        drop(subjects);
        match self.out {
            Some(file) => std::fs::write(file, report.document()?)?,
            None => println!("{}", report.document()?),
        }
        Ok(())
    }

    async fn round(&self, subject: &Subject, report: &mut Report) -> anyhow::Result<()> {
        // Two subjects are this process: what it still does for the one before is not for this one.
        rest(subject, INDEXED).await;
        if self.wants("echo") {
            echo::measure(subject, report).await?;
        }
        if self.wants("busy") {
            busy::measure(subject, report).await?;
        }
        for viewers in if subject.has_viewers() { &[0, 1, 10][..] } else { &[1] } {
            if self.wants("lines") {
                rest(subject, ARCHIVED).await;
                delivery::lines(subject, *viewers, report).await?;
            }
            if self.wants("repaint") && *viewers < 10 {
                rest(subject, ARCHIVED).await;
                delivery::repaint(subject, *viewers, report).await?;
            }
        }
        if self.wants("spawn") {
            rest(subject, ARCHIVED).await;
            spawn::measure(subject, report).await?;
        }
        if self.wants("rates") {
            rates::measure(subject, report).await?;
        }
        if self.wants("interrupt") {
            rest(subject, ARCHIVED).await;
            interrupt::measure(subject, report).await?;
        }
        if self.wants("viewers") && subject.has_viewers() {
            viewers::many(subject, report).await?;
        }
        if self.wants("stalled") && subject.has_viewers() {
            viewers::stalled(subject, report).await?;
        }
        if self.wants("turns") {
            turns::measure(subject, report).await?;
        }
        if self.wants("events") {
            rest(subject, ARCHIVED).await;
            events::measure(subject, report).await?;
        }
        if self.wants("logs") {
            logs::measure(subject, report).await?;
        }
        Ok(())
    }

    fn wants(&self, figure: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == figure)
    }
}

/// Waits until our servers have done what is left of agents that have ended: a peer keeps nothing of theirs.
async fn rest(subject: &Subject, quiet: Duration) {
    if let Some(stack) = subject.stack() {
        process::quiet(stack.pid(), quiet).await;
    }
}

fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(program)).find(|file| file.is_file())
}
