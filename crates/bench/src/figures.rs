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

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

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
    /// Only these figures [default: all]
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Figure>,
    /// The report; standard output otherwise
    #[arg(long)]
    out: Option<PathBuf>,
}

/// What is measured, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Figure {
    Echo,
    Busy,
    Lines,
    Repaint,
    Spawn,
    Rates,
    Interrupt,
    Viewers,
    Stalled,
    Turns,
    Events,
    Logs,
    /// From here on, once, after all rounds.
    Fresh,
    Idle,
    Reads,
    Restart,
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
        let all = Figure::value_variants().iter().copied();
        let wanted: Vec<Figure> = all.filter(|figure| self.wants(*figure)).collect();
        for round in 1..=self.rounds {
            eprintln!("round {round} of {}", self.rounds);
            for subject in &subjects {
                // Two subjects are this process: what it still does for the one before is not for this one.
                rest(subject, INDEXED).await;
                for figure in &wanted {
                    let done = figure.measure(subject, &mut report).await;
                    report.note(*figure, subject.name(), done);
                }
            }
        }
        for figure in wanted {
            match figure {
                Figure::Fresh => fresh::measure(&programs, &subjects, &mut report).await,
                Figure::Idle => idle::measure(&subjects, self.agents, &mut report).await,
                Figure::Reads => reads::measure(&subjects, &mut report).await,
                Figure::Restart => restart::measure(&programs, &subjects, &mut report).await,
                // In each round.
                _ => {}
            }
        }
        drop(subjects);
        match self.out {
            Some(file) => std::fs::write(file, report.document()?)?,
            None => println!("{}", report.document()?),
        }
        report.is_complete()
    }

    fn wants(&self, figure: Figure) -> bool {
        self.only.is_empty() || self.only.contains(&figure)
    }
}

impl Figure {
    async fn measure(self, subject: &Subject, report: &mut Report) -> anyhow::Result<()> {
        let watched = subject.has_viewers();
        match self {
            Self::Echo => echo::measure(subject, report).await,
            Self::Busy => busy::measure(subject, report).await,
            Self::Lines => {
                for viewers in if watched { &[0, 1, 10][..] } else { &[1] } {
                    rest(subject, ARCHIVED).await;
                    delivery::lines(subject, *viewers, report).await?;
                }
                Ok(())
            }
            Self::Repaint => {
                for viewers in if watched { &[0, 1][..] } else { &[1] } {
                    rest(subject, ARCHIVED).await;
                    delivery::repaint(subject, *viewers, report).await?;
                }
                Ok(())
            }
            Self::Spawn => {
                rest(subject, ARCHIVED).await;
                spawn::measure(subject, report).await
            }
            Self::Rates => {
                rest(subject, ARCHIVED).await;
                rates::measure(subject, report).await
            }
            Self::Interrupt => {
                rest(subject, ARCHIVED).await;
                interrupt::measure(subject, report).await
            }
            Self::Viewers if watched => viewers::many(subject, report).await,
            Self::Stalled if watched => viewers::stalled(subject, report).await,
            Self::Turns => turns::measure(subject, report).await,
            Self::Events => {
                rest(subject, ARCHIVED).await;
                events::measure(subject, report).await
            }
            Self::Logs => logs::measure(subject, report).await,
            Self::Viewers | Self::Stalled | Self::Fresh | Self::Idle | Self::Reads | Self::Restart => Ok(()),
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_possible_value().iter().try_for_each(|value| f.write_str(value.get_name()))
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
