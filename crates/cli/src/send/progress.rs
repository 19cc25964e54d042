//! What a person sees on standard error while an answer is awaited.

use std::time::Duration;

use parallax_api::client::{EventStream, EventsOptions};
use parallax_api::message::SendResponse;
use parallax_api::{Agent, AgentStatus, EventData, SendRequest};
use tokio::time::{Instant, interval_at};

use crate::context::Context;
use crate::error::CliError;
use crate::output::{clean, span};
use crate::question_text::{how_to_answer, question_text};

/// How often a wait in which nothing happens is mentioned.
const REMINDER_INTERVAL: Duration = Duration::from_secs(30);

/// Sends the message, and prints what the agent does until the answer is there.
pub(super) async fn send(
    context: &Context,
    agent: &Agent,
    request: &SendRequest,
) -> Result<SendResponse, CliError> {
    let Context { client, output } = context;
    let name = clean(&agent.name);
    // Before the message is sent, so that no question is missed. Without events the answer still comes.
    let options = EventsOptions { agent: Some(agent.id.clone()), ..EventsOptions::default() };
    let mut events = client.events(options).await.ok();
    let began = Instant::now();
    let mut reminders = interval_at(began + REMINDER_INTERVAL, REMINDER_INTERVAL);
    let sending = client.send(&agent.id, request);
    tokio::pin!(sending);
    output.note(&first_line(agent, &name));
    loop {
        tokio::select! {
            answer = &mut sending => return Ok(answer?),
            event = next(&mut events) => {
                if let Some(text) = text(&event, &name) {
                    output.note(&text);
                }
            }
            _ = reminders.tick() => {
                output.note(&format!("still waiting for {name}, {}; Ctrl-C leaves the message with it", span(began.elapsed())));
            }
        }
    }
}

/// The next event. Pends for ever when there is no stream, or none any more.
async fn next(events: &mut Option<EventStream>) -> EventData {
    if let Some(stream) = events
        && let Ok(event) = stream.next().await
    {
        return event.data;
    }
    *events = None;
    std::future::pending().await
}

fn first_line(agent: &Agent, name: &str) -> String {
    match agent.status {
        AgentStatus::Starting => format!("{name} is starting; the message waits"),
        AgentStatus::Busy => format!("{name} is busy; the message waits behind {}", agent.queued + 1),
        AgentStatus::Ready | AgentStatus::Error | AgentStatus::Stopped => format!("sent to {name}"),
    }
}

/// The line of an event; none for what says nothing to a person who waits.
fn text(event: &EventData, name: &str) -> Option<String> {
    match event {
        EventData::AgentBusy { .. } => Some(format!("{name} is working")),
        EventData::Question { agent, question } => Some(match &agent.attention {
            Some(attention) => {
                let how = how_to_answer(agent.id.as_str(), attention);
                format!("{name} asks: {}\n  answer with: {how}", question_text(attention))
            }
            None => format!("{name} asks: {}\n  see: parallax show {}", clean(question), agent.id),
        }),
        EventData::Attention { agent } => {
            let what = agent.attention.as_ref().map_or("looks strange", |attention| attention.kind.as_str());
            Some(format!("{name} needs a look ({what})\n  see: parallax attach {}", agent.id))
        }
        EventData::LoginRequired { agent, login_url } => {
            let at = login_url.as_deref().map(|url| format!(" at {}", clean(url))).unwrap_or_default();
            Some(format!("{name} needs a login{at}\n  or log in with: parallax attach {}", agent.id))
        }
        EventData::AttentionCleared { .. } => Some(format!("{name} has its answer and goes on")),
        EventData::AgentError { error, .. } => {
            Some(format!("{name}: {}: {}", clean(&error.code), clean(&error.message)))
        }
        _ => None,
    }
}
