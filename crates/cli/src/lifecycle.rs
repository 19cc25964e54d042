//! `parallax interrupt`, `restart`, `suspend`, `resume` and `stop`.

use std::time::Duration;

use clap::Args;
use futures::{StreamExt, stream};
use parallax_api::agent::{RestartRequest, StopRequest};
use parallax_api::client::ListFilter;
use parallax_api::{Agent, AgentStatus};

use crate::context::Context;
use crate::error::CliError;
use crate::find;
use crate::list::how_ended;
use crate::output::{clean, one_line};
use crate::values;

/// Agents that are stopped at the same time.
const AT_ONCE: usize = 16;

#[derive(Args, Debug)]
pub(crate) struct InterruptArgs {
    /// Id, beginning of an id, or name
    agent: String,
}

impl InterruptArgs {
    pub(crate) async fn run(self, context: &Context) -> Result<(), CliError> {
        let agent = find::agent(&context.client, &self.agent).await?;
        Ok(print_agent(context, &context.client.interrupt(&agent.id).await?)?)
    }
}

#[derive(Args, Debug)]
pub(crate) struct RestartArgs {
    /// Id, beginning of an id, or name
    agent: String,
    /// Begin a new conversation instead of going on with the same
    #[arg(long)]
    fresh: bool,
}

impl RestartArgs {
    pub(crate) async fn run(self, context: &Context) -> Result<(), CliError> {
        let agent = find::agent(&context.client, &self.agent).await?;
        let request = RestartRequest { resume: !self.fresh };
        Ok(print_agent(context, &context.client.restart(&agent.id, &request).await?)?)
    }
}

#[derive(Args, Debug)]
pub(crate) struct SuspendArgs {
    /// Id, beginning of an id, or name
    agent: String,
}

impl SuspendArgs {
    pub(crate) async fn run(self, context: &Context) -> Result<(), CliError> {
        let agent = find::agent(&context.client, &self.agent).await?;
        Ok(print_agent(context, &context.client.suspend(&agent.id).await?)?)
    }
}

#[derive(Args, Debug)]
pub(crate) struct ResumeArgs {
    /// Id, beginning of an id, or name
    agent: String,
}

impl ResumeArgs {
    pub(crate) async fn run(self, context: &Context) -> Result<(), CliError> {
        let agent = find::agent(&context.client, &self.agent).await?;
        Ok(print_agent(context, &context.client.resume(&agent.id).await?)?)
    }
}

#[derive(Args, Debug)]
pub(crate) struct StopArgs {
    /// Ids, beginnings of ids, or names
    #[arg(required_unless_present = "all", value_name = "AGENT")]
    agents: Vec<String>,
    /// Every agent there is
    #[arg(long, conflicts_with = "agents")]
    all: bool,
    /// How long to wait between asking and insisting
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = values::duration)]
    grace: Duration,
    /// Do not ask: kill at once
    #[arg(short, long)]
    force: bool,
}

impl StopArgs {
    pub(crate) async fn run(self, context: &Context) -> Result<(), CliError> {
        let mut agents = Vec::new();
        if self.all {
            agents = context.client.list_all(&ListFilter::default()).await?;
            agents.retain(|agent| agent.status != AgentStatus::Stopped);
        }
        // All are looked up before the first is stopped: a typing error stops nothing.
        for called in &self.agents {
            agents.push(find::agent(&context.client, called).await?);
        }
        let grace_ms = u64::try_from(self.grace.as_millis()).unwrap_or(u64::MAX);
        stop_all(context, agents, StopRequest { grace_ms, force: self.force }).await
    }
}

/// Stops these agents, several at once; the first failure is the result, after all were tried. One that cannot be told of (`… | head -1`)
/// is stopped all the same.
async fn stop_all(context: &Context, agents: Vec<Agent>, request: StopRequest) -> Result<(), CliError> {
    let mut stopped = stream::iter(agents)
        .map(|agent| async move { (context.client.stop(&agent.id, &request).await, agent) })
        .buffer_unordered(AT_ONCE);
    let (mut first_failure, mut printed) = (None, Ok(()));
    while let Some((answer, agent)) = stopped.next().await {
        match answer {
            Ok(agent) => printed = printed.and_then(|()| print_agent(context, &agent)),
            Err(problem) => {
                if first_failure.is_some() {
                    context.output.note(&format!("{}: {problem}", clean(&agent.name)));
                }
                first_failure.get_or_insert(problem);
            }
        }
    }
    match first_failure {
        Some(problem) => Err(problem.into()),
        None => Ok(printed?),
    }
}

/// Prints the agent: as JSON (one a line), or its state as a sentence.
fn print_agent(context: &Context, agent: &Agent) -> std::io::Result<()> {
    if context.output.json() {
        return context.output.json_line(agent);
    }
    if let Some(end) = agent.exit.as_ref().and_then(|exit| exit.workspace.as_ref()).filter(|end| end.kept) {
        let reason = end.reason.as_deref().unwrap_or("changed");
        context.output.note(&one_line(&format!("its checkout stays in {} ({reason})", end.place())));
    }
    let how = agent.exit.as_ref().map(|exit| format!(" ({})", how_ended(exit))).unwrap_or_default();
    context.output.line(format!("{} is {}{}", clean(&agent.name), agent.status, clean(&how)))
}
