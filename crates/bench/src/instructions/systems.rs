//! What is counted of whole programs, as they are built for tests: a host by itself, a control plane in front of runtimes without
//! agents. Each is asked through its front door.

use std::path::Path;

use anyhow::Context;
use parallax_api::SendRequest;
use parallax_api::client::{Client, EventStream, EventsOptions, ListFilter};

use super::counted::Counted;
use super::host::Host;
use crate::figures::echo;
use crate::simulate::{SyntheticRuntime, control_plane};
use crate::viewer::{Place, Viewer};

/// What is counted. A runtime server is not: what a message through servers takes differs by a quarter, and on a busy machine a control plane
/// gives up one that is this slow (docs/performance.md).
pub(super) const NAMES: &[&str] = &["host-key", "host-lines", "host-message", "event-to-100", "list-of-1000"];

/// Keys, messages, events and lists of one count.
const KEYS: u32 = 200;
const MESSAGES: u32 = 10;
const EVENTS: u32 = 20;
const LISTS: u32 = 3;
/// A megabyte of lines.
const LINES: &str = "seq -f '%099.0f' 1 10000";
/// Those who follow the events.
const SUBSCRIBERS: usize = 100;
/// Agents of the list.
const AGENTS: usize = 1000;

/// Instructions of each of these, by the names in [`NAMES`].
pub(super) async fn count(
    programs: &Path,
    wanted: impl Fn(&str) -> bool,
) -> anyhow::Result<Vec<(&'static str, f64)>> {
    let any = |prefix: &str| NAMES.iter().any(|name| name.starts_with(prefix) && wanted(name));
    let mut counts = Vec::new();
    if any("host") {
        counts.extend(host(programs, &wanted).await.context("a host")?);
    }
    if any("event") || any("list") {
        counts.extend(directory(programs, &wanted).await.context("a control plane")?);
    }
    Ok(counts)
}

type Counts = anyhow::Result<Vec<(&'static str, f64)>>;

async fn host(programs: &Path, wanted: &impl Fn(&str) -> bool) -> Counts {
    let home = tempfile::tempdir()?;
    let mut counted = Counted::new(home.path().join("counts"))?;
    let program = counted.command(&programs.join("parallax-agent-host"));
    let mut host = Host::start(program, home.path()).await?;
    counted.started(host.pid()).await?;
    let mut counts = Vec::new();
    if wanted("host-message") {
        let work = async || {
            for _ in 0..MESSAGES {
                host.send(message()).await?;
            }
            Ok(())
        };
        counts.push(("host-message", counted.least(MESSAGES, work).await?));
    }
    if wanted("host-lines") {
        let mut viewer = Viewer::connect(&host.place()).await?;
        viewer.command("true").await?;
        counts.push(("host-lines", counted.least(1, async || viewer.command(LINES).await).await?));
    }
    if wanted("host-key") {
        counts.push(("host-key", keys(&mut counted, &host.place()).await?));
    }
    Ok(counts)
}

async fn directory(programs: &Path, wanted: &impl Fn(&str) -> bool) -> Counts {
    let home = tempfile::tempdir()?;
    let mut counted = Counted::new(home.path().join("counts"))?;
    let runtimes = [SyntheticRuntime::start(0, AGENTS).await?];
    let program = counted.command(&programs.join("parallax-control-plane"));
    let (child, client) = control_plane(program, home.path(), &runtimes).await?;
    let mut subscribers = vec![client.events(EventsOptions::default()).await?];
    runtimes[0].happen(AGENTS);
    hear(&mut subscribers, AGENTS).await?;
    counted.started(child.id().context("it runs")?).await?;
    let mut counts = Vec::new();
    if wanted("event-to-100") {
        while subscribers.len() < SUBSCRIBERS {
            subscribers.push(client.events(EventsOptions::default()).await?);
        }
        let work = async || {
            runtimes[0].happen(EVENTS as usize);
            hear(&mut subscribers, EVENTS as usize).await
        };
        counts.push(("event-to-100", counted.least(EVENTS, work).await?));
    }
    drop(subscribers);
    if wanted("list-of-1000") {
        let work = async || list(&client).await;
        counts.push(("list-of-1000", counted.least(LISTS, work).await?));
    }
    Ok(counts)
}

/// A message that is a turn of a shell.
fn message() -> SendRequest {
    SendRequest { message: "echo turn".into(), expect_response: true, ..SendRequest::default() }
}

/// The shell is another program afterwards.
async fn keys(counted: &mut Counted, place: &Place) -> anyhow::Result<f64> {
    let mut viewer = Viewer::connect(place).await?;
    echo::begin(&mut viewer).await?;
    counted.least(KEYS, async || echo::press(&mut viewer, KEYS as usize).await.map(drop)).await
}

/// Each of them gets so many events.
async fn hear(subscribers: &mut [EventStream], events: usize) -> anyhow::Result<()> {
    for subscriber in subscribers {
        for _ in 0..events {
            subscriber.next().await?;
        }
    }
    Ok(())
}

async fn list(client: &Client) -> anyhow::Result<()> {
    for _ in 0..LISTS {
        let filter = ListFilter { limit: Some(AGENTS), ..ListFilter::default() };
        anyhow::ensure!(client.list_all(&filter).await?.len() == AGENTS, "the list is not whole");
    }
    Ok(())
}
