//! More agents than a machine can run: their events, from runtimes without agents, through one control plane.
//!
//! Looks at what a control plane does with each: time, CPU and memory for every agent should be the same at 10,000 and at 100,000.
//! A subscriber of all events checks that each comes once and in order.

mod runtime;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use clap::Args;
use parallax_api::client::{Client, EventsOptions, ListFilter};
use parallax_api::{AgentId, Event, EventData};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

use crate::{median, process};
use runtime::PHASES;

pub(crate) use runtime::SyntheticRuntime;

/// How often it is asked whether the control plane listens, 20 ms apart: under callgrind it starts slowly.
const TRIES: usize = 3000;
/// No event for this long, and the simulation has failed.
const SILENCE: Duration = Duration::from_secs(60);
/// Agents on a page of the list.
const PAGE: usize = 1000;
/// When the whole list is not there after this long, it is told how much of it is.
const LIST_PATIENCE: Duration = Duration::from_secs(120);

/// What to simulate.
#[derive(Args)]
pub(crate) struct Simulate {
    /// Where `parallax-control-plane` is, built for use
    #[arg(long, default_value = "target/release")]
    programs: PathBuf,
    /// Agents in all; several numbers are simulated one after another, each with a control plane of its own
    #[arg(long, value_delimiter = ',', default_values_t = [10_000, 100_000])]
    agents: Vec<usize>,
    /// Runtimes that have them
    #[arg(long, default_value_t = 4)]
    runtimes: usize,
}

impl Simulate {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let programs = self.programs.canonicalize()?;
        println!(
            "| agents | events | events/s | CPU an event, µs | of this program | private MB before, after | kB an agent | a page of the list, ms | the whole |"
        );
        println!("|---|---|---|---|---|---|---|---|---|");
        for agents in self.agents {
            simulate(&programs, self.runtimes.max(1), agents).await?;
        }
        Ok(())
    }
}

#[expect(clippy::cast_precision_loss, reason = "measurements")]
async fn simulate(programs: &Path, runtimes: usize, agents: usize) -> anyhow::Result<()> {
    let home = tempfile::tempdir()?;
    let each = agents.div_ceil(runtimes);
    let mut behind = Vec::new();
    for number in 0..runtimes {
        behind.push(SyntheticRuntime::start(number, each).await?);
    }
    let program = programs.join("parallax-control-plane");
    let (child, client) = control_plane(Command::new(program), home.path(), &behind).await?;
    let pid = child.id().context("it runs")?;
    let mut events = client.events(EventsOptions::default()).await?;
    let own = std::process::id();
    let private = process::private_mb(pid);
    let (cpu, own_cpu, began) = (process::cpu_seconds(&[pid]), process::cpu_seconds(&[own]), Instant::now());
    behind.iter().for_each(|runtime| runtime.happen(each * PHASES));
    let total = each * runtimes * PHASES;
    let mut phases = HashMap::with_capacity(each * runtimes);
    for seen in 0..total {
        let event = tokio::time::timeout(SILENCE, events.next()).await;
        let event = event.with_context(|| format!("nothing came after {seen} of {total} events"))??;
        check(&mut phases, &event).with_context(|| format!("event {seen} of {total}"))?;
    }
    let (seconds, cpu) = (began.elapsed().as_secs_f64(), process::cpu_seconds(&[pid]) - cpu);
    let own_cpu = process::cpu_seconds(&[own]) - own_cpu;
    let after = process::private_mb(pid);
    let (page_ms, whole) = list(&client, each * runtimes).await?;
    println!(
        "| {} | {total} | {:.0} | {:.0} | {:.0} | {private:.1}, {after:.1} | {:.2} | {page_ms:.1} | {whole} |",
        each * runtimes,
        total as f64 / seconds,
        cpu * 1e6 / total as f64,
        own_cpu * 1e6 / total as f64,
        (after - private) * 1024.0 / (each * runtimes) as f64,
    );
    Ok(())
}

/// The list in pages: how many milliseconds the middle one took, and how long all of them.
async fn list(client: &Client, agents: usize) -> anyhow::Result<(f64, String)> {
    let mut filter = ListFilter { limit: Some(PAGE), ..ListFilter::default() };
    let (mut times, mut listed, began) = (Vec::new(), 0, Instant::now());
    loop {
        let asked = Instant::now();
        let page = client.list(&filter).await?;
        times.push(asked.elapsed().as_secs_f64() * 1000.0);
        listed += page.agents.len();
        filter.cursor = page.next_cursor;
        if filter.cursor.is_none() {
            ensure!(listed == agents, "the list has {listed} of {agents} agents");
            return Ok((median(times), format!("{:.2} s", began.elapsed().as_secs_f64())));
        }
        if began.elapsed() > LIST_PATIENCE {
            return Ok((median(times), format!("{listed} after {:.0} s", began.elapsed().as_secs_f64())));
        }
    }
}

/// The events of an agent come one after another, each once.
fn check(phases: &mut HashMap<AgentId, usize>, event: &Event) -> anyhow::Result<()> {
    if let EventData::Reset { reason } = &event.data {
        bail!("events were lost: {reason}");
    }
    let id = event.data.agent_id().context("an event of an agent")?;
    let phase = phases.entry(id.clone()).or_default();
    let expected = runtime::event_name(*phase);
    ensure!(event.data.name() == expected, "{id} had `{}` instead of `{expected}`", event.data.name());
    *phase += 1;
    Ok(())
}

/// A control plane in front of these runtimes: the program, or one that runs it. It is ended with the process that is returned.
pub(crate) async fn control_plane(
    mut command: Command,
    home: &Path,
    runtimes: &[SyntheticRuntime],
) -> anyhow::Result<(Child, Client)> {
    // Free now, and most likely still in a moment.
    let address = TcpListener::bind("127.0.0.1:0").await?.local_addr()?.to_string();
    command.args(["--listen", &address, "--log", "error", "--state-dir"]).arg(home.join("state"));
    for runtime in runtimes {
        let (name, url) = (runtime.name(), runtime.url());
        command.args(["--runtime", &format!("name={name},kind=local,url={url}")]);
    }
    command
        .env_clear()
        .env("HOME", home)
        .env("PATH", std::env::var("PATH")?)
        .stdout(Stdio::null())
        .kill_on_drop(true);
    let child = command.spawn().context("parallax-control-plane")?;
    for _ in 0..TRIES {
        if TcpStream::connect(&address).await.is_ok() {
            return Ok((child, Client::control_plane(&format!("http://{address}"), None)?));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    bail!("the control plane does not listen");
}
