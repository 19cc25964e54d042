//! The three wire formats: scenario steps into one API's stream events, and into its whole answer.

mod anthropic;
mod gemini;
mod openai;

use serde_json::Value;
use uuid::Uuid;

use super::ask::{Api, Ask};
use super::scenario::{Failure, ToolCall};

/// One answer in one API's format. Each call appends stream events to [`Wire::take`]'s buffer; [`Wire::whole`] is
/// the same answer as one document.
pub(super) trait Wire: Send {
    fn begin(&mut self);
    fn text(&mut self, piece: &str);
    fn thinking(&mut self, piece: &str);
    fn tool(&mut self, call: &ToolCall);
    fn end(&mut self);
    /// Keeps the stream alive, where the API has an event for that.
    fn ping(&mut self) {}
    /// Fails in the middle of the stream.
    fn fail(&mut self, failure: &Failure);
    fn whole(&self) -> Value;
    /// The events written since the last call.
    fn take(&mut self) -> String;
}

/// The format of the API that was asked.
pub(super) fn of(ask: &Ask) -> Box<dyn Wire> {
    match ask.api {
        Api::Anthropic => Box::new(anthropic::Anthropic::new(&ask.model)),
        Api::Openai => Box::new(openai::Openai::new(&ask.model)),
        Api::Gemini => Box::new(gemini::Gemini::new(&ask.model)),
    }
}

/// The API's own document for a failure with this HTTP status.
pub(super) fn error_body(api: Api, status: u16, failure: &Failure) -> Value {
    if let Some(body) = &failure.body {
        return body.clone();
    }
    let message = failure.message.as_deref().unwrap_or("scripted failure");
    match api {
        Api::Anthropic => anthropic::error_body(status, failure, message),
        Api::Openai => openai::error_body(status, failure, message),
        Api::Gemini => gemini::error_body(status, failure, message),
    }
}

fn fresh(prefix: &str) -> String {
    format!("{prefix}{}", &Uuid::new_v4().simple().to_string()[..20])
}

/// Tokens, as good as any: a quarter of the characters.
fn tokens(chars: usize) -> usize {
    (chars / 4).max(1)
}
