//! `parallax events`.

use clap::Args;
use parallax_api::client::{Change, EventsOptions};
use parallax_api::{Agent, Event, EventData};

use crate::context::Context;
use crate::error::CliError;
use crate::find;
use crate::list::how_ended;
use crate::output::{Style, one_line};

#[derive(Args, Debug)]
pub(crate) struct EventsArgs {
    /// Only of this agent: id, beginning of an id, or name
    agent: Option<String>,
    /// Resume after the event with this id; 0: from the oldest that is kept [default: from now on]
    #[arg(long, value_name = "ID")]
    since: Option<String>,
}

impl EventsArgs {
    pub(crate) async fn run(self, context: &Context) -> Result<(), CliError> {
        let Context { client, output } = context;
        let agent = match self.agent {
            Some(called) => Some(find::agent(client, &called).await?.id),
            None => None,
        };
        let options = EventsOptions { agent, since: self.since, ..EventsOptions::default() };
        let mut stream = client.events(options).await?;
        let mut away = false;
        loop {
            match stream.next_change().await? {
                Change::Event(event) if output.json() => output.json_line(&event)?,
                Change::Event(event) => {
                    output.line(as_text(&event, |text, style| output.paint(text, style)))?;
                }
                Change::Unknown(value) if output.json() => output.json_line(&value)?,
                Change::Unknown(value) => output.line(one_line(&value.to_string()))?,
                // Once a loss, not once an attempt.
                Change::Lost(problem) if !std::mem::replace(&mut away, true) => {
                    output.note(&format!("{}; trying again", one_line(&problem.detail)));
                }
                Change::Lost(_) => {}
                Change::Resumed => {
                    away = false;
                    output.note("connected again, going on after the last event");
                }
            }
        }
    }
}

/// How much is changed in its workspace.
fn how_much(agent: &Agent) -> String {
    let counts = agent.workspace.as_ref().and_then(|workspace| workspace.changes).unwrap_or_default();
    let dirty = if counts.dirty { ", not committed" } else { "" };
    format!("{} files, +{} -{}, {} commits{dirty}", counts.files, counts.added, counts.removed, counts.ahead)
}

/// `TIME EVENT AGENT WHAT`.
fn as_text(event: &Event, paint: impl Fn(&str, Style) -> String) -> String {
    let (who, what) = match &event.data {
        EventData::AgentStarted { agent } => (&agent.name, format!("{} on {}", agent.r#type, agent.runtime)),
        EventData::AgentReady { agent }
        | EventData::AgentBusy { agent }
        | EventData::AttentionCleared { agent } => (&agent.name, String::new()),
        EventData::Changes { agent } => (&agent.name, how_much(agent)),
        EventData::AgentStopped { agent, reason } => {
            (&agent.name, agent.exit.as_ref().map_or_else(|| reason.clone(), how_ended))
        }
        EventData::AgentError { agent, error } => (&agent.name, format!("{}: {}", error.code, error.message)),
        EventData::LoginRequired { agent, login_url } => (&agent.name, login_url.clone().unwrap_or_default()),
        EventData::Question { agent, question } => {
            let options: Vec<&str> =
                agent.attention.iter().flat_map(|a| &a.options).map(|option| option.id.as_str()).collect();
            (&agent.name, format!("{question} [{}]", options.join(", ")))
        }
        EventData::Attention { agent } => (
            &agent.name,
            agent.attention.as_ref().map_or_else(String::new, |attention| attention.text.clone()),
        ),
        EventData::Message { message } => (&message.agent_id.to_string(), message.content.clone()),
        EventData::Reset { reason } => (&String::new(), reason.clone()),
    };
    let style = match event.data {
        EventData::AgentError { .. } | EventData::Reset { .. } => Style::Bad,
        EventData::LoginRequired { .. } | EventData::Question { .. } | EventData::Attention { .. } => {
            Style::Wanted
        }
        EventData::AgentReady { .. } => Style::Good,
        _ => Style::Plain,
    };
    let name = paint(&format!("{:<17}", event.data.name()), style);
    let time = paint(&event.timestamp.to_string(), Style::Faint);
    format!("{time}  {name}  {:<16}  {}", one_line(who), one_line(&what)).trim_end().to_owned()
}
