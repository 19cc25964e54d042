//! More agents and viewers than a figure of `make bench` has, on a machine with room for them. Ours only.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use parallax_api::client::ListFilter;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::figures::{echo, restart};
use crate::subject::Stack;
use crate::viewer::Viewer;
use crate::{median, percentile, process};

/// After the last spawn; how long idle agents are watched.
const SETTLE: Duration = Duration::from_secs(8);
const WATCH: Duration = Duration::from_secs(10);
/// Lists that are measured.
const LISTS: usize = 20;
/// Viewers of one terminal; there is room for a few more.
const VIEWERS_EACH: usize = 250;
/// Keys of the viewer that came last.
const KEYS: usize = 500;
/// What the machine must have free: for each agent with its shell, in megabytes, for the rest, and processes and threads.
const AGENT_MB: f64 = 4.0;
const REST_MB: f64 = 1000.0;
const AGENT_TASKS: usize = 8;
/// Files: a viewer has two sockets here and up to six in the servers, an agent few.
const FILES_EACH: usize = 8;

/// What to measure.
#[derive(Args)]
pub(crate) struct Scale {
    /// Where `parallax` and `parallax-agent-host` are, built for use
    #[arg(long, default_value = "target/release")]
    programs: PathBuf,
    /// Agents; several numbers are measured one after another, each with servers of its own
    #[arg(long, value_delimiter = ',', default_values_t = [300, 1000])]
    agents: Vec<usize>,
    /// Viewers, 250 of each terminal
    #[arg(long, default_value_t = 500)]
    viewers: usize,
}

impl Scale {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let programs = self.programs.canonicalize()?;
        let files = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: files.maximum, ..files })?;
        println!(
            "| agents | spawns/s | MB each, host | … servers | CPU each, ms/s | switches each, 1/s | list, ms | killed → back, ms | stops/s |"
        );
        println!("|---|---|---|---|---|---|---|---|---|");
        for agents in self.agents {
            match lacks(agents, agents) {
                Some(lack) => println!("| {agents} | not run: {lack} | | | | | | | |"),
                None => agents_of(&programs, agents).await?,
            }
        }
        println!(
            "\n| viewers | let in | kB each | key → echo at the last, p50, µs | p99 |\n|---|---|---|---|---|"
        );
        match lacks(1, self.viewers) {
            Some(lack) => println!("| {} | not run: {lack} | | | |", self.viewers),
            None => viewers_of(&programs, self.viewers).await?,
        }
        Ok(())
    }
}

/// What this machine has too little of for so many agents, and so many viewers or agents.
#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn lacks(agents: usize, sockets: usize) -> Option<String> {
    let needed = agents as f64 * AGENT_MB + REST_MB;
    let free = process::available_mb();
    if free < needed {
        return Some(format!("{needed:.0} MB of memory are needed, {free:.0} are free"));
    }
    let limits = [
        ("open files", Resource::Nofile, sockets * FILES_EACH),
        ("processes", Resource::Nproc, agents * AGENT_TASKS),
    ];
    limits.into_iter().find_map(|(of, resource, needed)| {
        let limit = getrlimit(resource).current.filter(|limit| *limit < needed as u64)?;
        Some(format!("{needed} {of} are needed, the limit is {limit}"))
    })
}

#[expect(clippy::cast_precision_loss, reason = "small numbers")]
async fn agents_of(programs: &Path, agents: usize) -> anyhow::Result<()> {
    let home = tempfile::tempdir()?;
    let stack = Stack::start(programs, home.path()).await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let empty = process::private_mb(stack.pid());
    let began = Instant::now();
    let shells = stack.shells(true, agents).await?;
    let spawns = agents as f64 / began.elapsed().as_secs_f64();
    tokio::time::sleep(SETTLE).await;
    let hosts = process::with_command(&["parallax-agent-host", &home.path().to_string_lossy()]);
    anyhow::ensure!(hosts.len() == agents, "there are {} hosts of {agents}", hosts.len());
    let memory = hosts.iter().map(|pid| process::private_mb(*pid)).sum::<f64>() / agents as f64;
    let servers = (process::private_mb(stack.pid()) - empty) / agents as f64;
    let all = [hosts, vec![stack.pid()]].concat();
    let before = process::Used::by(&all);
    tokio::time::sleep(WATCH).await;
    let share = WATCH.as_secs_f64() * agents as f64;
    let (cpu, switches) = process::Used::by(&all).since(&before);
    let (cpu, switches) = (cpu * 1000.0 / share, switches as f64 / share);
    let mut lists = Vec::with_capacity(LISTS);
    let filter = ListFilter { limit: Some(1000), ..ListFilter::default() };
    for _ in 0..LISTS {
        let began = Instant::now();
        stack.control_plane.list_all(&filter).await?;
        lists.push(began.elapsed().as_secs_f64() * 1000.0);
    }
    let (stack, back) = restart::back_again(stack, programs, home.path(), agents).await?;
    print!(
        "| {agents} | {spawns:.0} | {memory:.2} | {servers:.3} | {cpu:.3} | {switches:.3} | {:.1} | {:.0} |",
        median(lists),
        back.as_secs_f64() * 1000.0,
    );
    std::io::stdout().flush()?;
    let began = Instant::now();
    stack.end_all(&shells).await?;
    println!(" {:.0} |", agents as f64 / began.elapsed().as_secs_f64());
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "small numbers")]
async fn viewers_of(programs: &Path, viewers: usize) -> anyhow::Result<()> {
    let home = tempfile::tempdir()?;
    let stack = Stack::start(programs, home.path()).await?;
    let mut shells = Vec::new();
    for _ in 0..viewers.div_ceil(VIEWERS_EACH) {
        let shell = stack.shell(true).await?;
        Viewer::connect(&shell.place).await?.command("true").await?;
        shells.push(shell);
    }
    tokio::time::sleep(SETTLE).await;
    let hosts = process::with_command(&["parallax-agent-host", &home.path().to_string_lossy()]);
    let all = [hosts, vec![stack.pid()]].concat();
    let memory = || all.iter().map(|pid| process::private_mb(*pid)).sum::<f64>();
    let before = memory();
    let mut others = tokio::task::JoinSet::new();
    for index in 1..viewers {
        let Ok(mut viewer) = Viewer::connect(&shells[index % shells.len()].place).await else { break };
        others.spawn(async move { while viewer.next().await.is_ok() {} });
    }
    let mut last = Viewer::connect(&shells.first().context("one at least")?.place).await?;
    last.settle(Duration::from_secs(1)).await?;
    let let_in = others.len() + 1;
    let each = (memory() - before) * 1024.0 / let_in as f64;
    echo::begin(&mut last).await?;
    let times = echo::press(&mut last, KEYS).await?;
    let micros = |share| percentile(times.clone(), share) * 1e6;
    println!("| {viewers} | {let_in} | {each:.0} | {:.0} | {:.0} |", micros(0.5), micros(0.99));
    others.shutdown().await;
    stack.end_all(&shells).await
}
