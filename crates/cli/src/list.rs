//! `parallax ls`.

use clap::Args;
use parallax_api::agent::AgentList;
use parallax_api::client::ListFilter;
use parallax_api::{Agent, AgentStatus, Time};

use crate::context::Context;
use crate::error::CliError;
use crate::find::short_length;
use crate::output::{Style, Table, ago};
use crate::values;

#[derive(Args, Debug)]
pub(crate) struct ListArgs {
    /// Stopped agents too
    #[arg(short, long)]
    all: bool,
    /// Only agents of this status: starting, ready, busy, error or stopped
    #[arg(long, value_name = "STATUS", value_parser = values::word::<AgentStatus>)]
    status: Option<AgentStatus>,
    /// Only agents of this type
    #[arg(long, value_name = "TYPE")]
    r#type: Option<String>,
    /// Only agents of this runtime
    #[arg(long, value_name = "RUNTIME")]
    runtime: Option<String>,
    /// Only agents with this capability
    #[arg(long, value_name = "WORD")]
    capability: Option<String>,
    /// Only agents with this label (repeatable: all of them)
    #[arg(short, long = "label", value_name = "KEY[=VALUE]")]
    labels: Vec<String>,
    /// Only ids, whole, one a line
    #[arg(short, long, conflicts_with = "json")]
    quiet: bool,
}

impl ListArgs {
    pub(crate) async fn run(self, context: &Context) -> Result<(), CliError> {
        let filter = ListFilter {
            status: self.status,
            r#type: self.r#type,
            runtime: self.runtime,
            capability: self.capability,
            labels: self.labels,
            ..ListFilter::default()
        };
        let mut agents = context.client.list_all(&filter).await?;
        if !self.all && self.status.is_none() {
            agents.retain(|agent| agent.status != AgentStatus::Stopped);
        }
        if context.output.json() {
            let count = agents.len();
            return Ok(context.output.document(&AgentList { agents, count, next_cursor: None })?);
        }
        if self.quiet {
            return Ok(agents.iter().try_for_each(|agent| context.output.line(&agent.id))?);
        }
        if agents.is_empty() {
            context.output.note("no agents; `parallax spawn TYPE NAME` makes one");
            return Ok(());
        }
        Ok(table(&agents, Time::now()).print(&context.output)?)
    }
}

fn table(agents: &[Agent], now: Time) -> Table<8> {
    let mut table = Table::new(["ID", "NAME", "TYPE", "STATUS", "RUNTIME", "AGE", "ACTIVE", "NOTE"]);
    let length = short_length(&agents.iter().map(|agent| &agent.id).collect::<Vec<_>>());
    for agent in agents {
        let plain = |text: &str| (text.to_owned(), Style::Plain);
        let id: String = agent.id.as_str().chars().take(length).collect();
        let active = agent.last_activity_at.map_or_else(|| "-".into(), |at| ago(at, now));
        table.row([
            (id, Style::Faint),
            plain(&agent.name),
            plain(&agent.r#type),
            (agent.status.to_string(), status_style(agent)),
            plain(&agent.runtime),
            plain(&ago(agent.created_at, now)),
            plain(&active),
            (note(agent), if agent.attention.is_some() { Style::Wanted } else { Style::Plain }),
        ]);
    }
    table
}

/// The style of a status: green for ready, yellow when a person is needed, red for an error.
pub(crate) fn status_style(agent: &Agent) -> Style {
    match agent.status {
        _ if agent.attention.is_some() => Style::Wanted,
        AgentStatus::Ready => Style::Good,
        AgentStatus::Error => Style::Bad,
        AgentStatus::Stopped => Style::Faint,
        AgentStatus::Starting | AgentStatus::Busy => Style::Plain,
    }
}

/// What is worth knowing beside the status.
fn note(agent: &Agent) -> String {
    let mut notes = Vec::new();
    if let Some(attention) = &agent.attention {
        let kind = attention.kind.as_str();
        notes.push(format!("{kind}: {}", attention.text));
    }
    if let Some(error) = &agent.error {
        notes.push(format!("{}: {}", error.code, error.message));
    }
    if let Some(exit) = &agent.exit {
        notes.push(how_ended(exit));
    }
    if agent.queued > 0 {
        notes.push(format!("{} queued", agent.queued));
    }
    if agent.stale {
        notes.push("last known; its runtime is away".into());
    }
    notes.join("; ")
}

/// `exited with code 0`, `killed by SIGKILL`, `stopped`.
pub(crate) fn how_ended(exit: &parallax_api::AgentExit) -> String {
    match (&exit.signal, exit.code) {
        (Some(signal), _) => format!("{} by {signal}", exit.reason),
        (None, Some(code)) => format!("{} with code {code}", exit.reason),
        (None, None) => exit.reason.clone(),
    }
}
