//! `parallax show`.

use std::time::Duration;

use clap::Args;
use parallax_api::message::MessagesQuery;
use parallax_api::observe::{Metrics, StatusReport};
use parallax_api::{Agent, Code, Message, Problem, Role, Time};
use serde::Serialize;

use crate::context::Context;
use crate::error::CliError;
use crate::find;
use crate::list::{how_ended, status_style};
use crate::output::{Output, Style, ago, bytes, clean, one_line, span};
use crate::question_text::{how_to_answer, question_text};

#[derive(Args, Debug)]
pub(crate) struct ShowArgs {
    /// Id, beginning of an id, or name
    agent: String,
    /// How many of the last messages to show
    #[arg(short, long, value_name = "N", default_value_t = 2)]
    messages: usize,
    /// What its screen shows now, and nothing else
    #[arg(long)]
    screen: bool,
}

/// What is shown, as `--json` prints it: the agent as the API has it, and what belongs to it.
#[derive(Serialize)]
struct AgentDetails {
    #[serde(flatten)]
    agent: Agent,
    /// Why it has the status it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<StatusReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metrics: Option<Metrics>,
    messages: Vec<Message>,
}

impl ShowArgs {
    pub(crate) async fn run(self, context: &Context) -> Result<(), CliError> {
        let Context { client, output } = context;
        let agent = find::agent(client, &self.agent).await?;
        if self.screen {
            let screen = client.screen(&agent.id).await?;
            match output.json() {
                true => output.document(&screen)?,
                false => screen.lines.iter().try_for_each(|line| output.line(clean(line)))?,
            }
            return Ok(());
        }
        let query = MessagesQuery { limit: Some(self.messages.clamp(1, 1000)), since: None };
        let (why, metrics, messages) = tokio::join!(
            client.status(&agent.id),
            client.metrics(&agent.id),
            client.messages(&agent.id, &query)
        );
        let details = AgentDetails {
            why: available(why)?,
            metrics: available(metrics)?,
            messages: if self.messages == 0 { Vec::new() } else { available(messages)?.unwrap_or_default() },
            agent,
        };
        match output.json() {
            true => output.document(&details)?,
            false => print(&details, output, Time::now())?,
        }
        Ok(())
    }
}

/// What an ended agent, or one whose runtime is away, cannot tell is left out.
fn available<T>(answer: Result<T, Problem>) -> Result<Option<T>, CliError> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(problem) => match problem.code {
            Code::AgentStopped | Code::RuntimeUnavailable | Code::NotFound | Code::Unsupported => Ok(None),
            _ => Err(problem.into()),
        },
    }
}

fn print(details: &AgentDetails, output: &Output, now: Time) -> std::io::Result<()> {
    let agent = &details.agent;
    let row = |name: &str, value: &str| match value {
        "" => Ok(()),
        _ => output.line(format!("{}{value}", output.paint(&format!("{name:<13}"), Style::Faint))),
    };
    let words = |text: &Option<String>| text.as_deref().map(one_line).unwrap_or_default();
    row("name", &one_line(&agent.name))?;
    row("id", agent.id.as_str())?;
    row("type", &one_line(&agent.r#type))?;
    row("status", &output.paint(agent.status.as_str(), status_style(agent)))?;
    if let Some(report) = &details.why {
        let why = format!("{} (rule {}), since {}", report.source, report.rule, ago(report.since, now));
        row("  because", &one_line(&why))?;
        row("  evidence", &one_line(&report.evidence))?;
        row("  also", &words(&report.detail))?;
        row("  version", &version(report))?;
    }
    if let Some(error) = &agent.error {
        row("error", &output.paint(&one_line(&format!("{}: {}", error.code, error.message)), Style::Bad))?;
    }
    if let Some(exit) = &agent.exit {
        row("ended", &one_line(&format!("{}, {} ago", how_ended(exit), ago(exit.at, now))))?;
    }
    row(
        "runtime",
        &format!("{}{}", one_line(&agent.runtime), if agent.stale { " (away: last known)" } else { "" }),
    )?;
    row("workdir", &words(&agent.workdir))?;
    if let Some(workspace) = &agent.workspace {
        row("branch", &one_line(&format!("{} of {}", workspace.branch, workspace.repo)))?;
    }
    if let Some(end) = agent.exit.as_ref().and_then(|exit| exit.workspace.as_ref()) {
        let stays = end.reason.as_deref().unwrap_or("it stays");
        row("checkout", &if end.kept { one_line(stays) } else { "gone: nothing was lost".into() })?;
    }
    row("ports", &agent.ports.map(|range| range.to_string()).unwrap_or_default())?;
    row("model", &words(&agent.model))?;
    row("role", &words(&agent.role))?;
    row("capabilities", &one_line(&agent.capabilities.join(", ")))?;
    let labels: Vec<String> = agent.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    row("labels", &one_line(&labels.join(", ")))?;
    row("created", &format!("{} ({})", agent.created_at, ago(agent.created_at, now)))?;
    row("active", &agent.last_activity_at.map(|at| ago(at, now)).unwrap_or_default())?;
    row("queued", &if agent.queued > 0 { agent.queued.to_string() } else { String::new() })?;
    let background = agent.activity.as_ref().map_or(0, |activity| activity.background);
    row("background", &if background > 0 { background.to_string() } else { String::new() })?;
    if let Some(metrics) = &details.metrics {
        row("usage", &usage(metrics))?;
    }
    if let Some(attention) = &agent.attention {
        output.line("")?;
        output.line(output.paint(&question_text(attention), Style::Wanted))?;
        if let Some(url) = &attention.login_url {
            output.line(format!("log in at {}", clean(url)))?;
        }
        let how = how_to_answer(agent.id.as_str(), attention);
        output.line(format!("answer with: {how}, or parallax attach {}", agent.id))?;
    }
    for message in &details.messages {
        output.line("")?;
        output.line(output.paint(&heading(message, now), Style::Faint))?;
        output.line(clean(message.content.trim_end()))?;
    }
    Ok(())
}

fn version(report: &StatusReport) -> String {
    match &report.cli_version {
        None => String::new(),
        Some(version) if report.checked_versions.is_empty() => one_line(version),
        Some(version) => {
            one_line(&format!("{version} (profile checked with {})", report.checked_versions.join(", ")))
        }
    }
}

fn usage(metrics: &Metrics) -> String {
    let mut parts = vec![
        format!("up {}", span(Duration::try_from_secs_f64(metrics.uptime_seconds).unwrap_or_default())),
        format!("{} memory", bytes(metrics.memory_bytes)),
        format!("{:.1} s CPU", metrics.cpu_seconds),
    ];
    parts.extend(metrics.cpu_percent.map(|percent| format!("{percent:.0} % CPU now")));
    parts.push(format!("{} of {} messages answered", metrics.messages_answered, metrics.messages_sent));
    parts.extend(metrics.tokens.map(|tokens| format!("{} + {} tokens", tokens.input, tokens.output)));
    parts.extend(metrics.cost_usd.map(|cost| format!("${cost:.4}")));
    parts.join(", ")
}

fn heading(message: &Message, now: Time) -> String {
    let who = match message.role {
        Role::User => "to the agent",
        Role::Agent => "from the agent",
    };
    let mut heading = format!("{who}, {}", ago(message.timestamp, now));
    if let Some(state) = message.state {
        heading += &format!(
            ", {}",
            serde_json::to_value(state).ok().as_ref().and_then(|s| s.as_str()).unwrap_or("")
        );
    }
    if let Some(failure) = &message.failure {
        heading += &format!(": {}", one_line(failure));
    }
    if message.interrupted {
        heading += ", interrupted";
    }
    heading
}
