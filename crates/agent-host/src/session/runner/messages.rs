//! The actions of a delivery, and the answer at the end of a turn.

use std::time::Instant;

use parallax_api::message::{MessageSource, MessageState};
use parallax_api::{AttentionKind, Code, Problem};
use parallax_profile::{AnswerSource, DetectorInput, Outcome};

use super::super::output::SCROLLBACK;
use super::{Runner, auth_required};
use crate::allocator;
use crate::delivery::Act;
use crate::inbox::Answer;

/// What was needed to make an answer of more bytes is given back at once.
const LONG_ANSWER: usize = 64 * 1024;

impl Runner {
    pub(super) fn act(&mut self, act: Option<Act>) {
        match act {
            None => {}
            Some(Act::Paste(bytes)) => match self.write(bytes) {
                Ok(target) => self.messaging.pasted(target, Instant::now()),
                Err(problem) => self.messaging.fail_delivery(problem),
            },
            Some(Act::Keys(bytes)) => {
                // The delivery sees on the screen whether the keys were read.
                drop(self.write(bytes));
            }
            Some(Act::Typed(id)) => {
                self.messaging.typed(self.output.end());
                self.messaging.inbox().advance(&id, MessageState::Typed);
                self.observe(DetectorInput::Submitted);
                // The CLI is about to write the prompt and the answer there.
                self.process.poll_session_file_soon(Instant::now());
            }
            Some(Act::Taken(id)) => self.messaging.inbox().advance(&id, MessageState::Taken),
            Some(Act::Failed(id, problem)) => self.messaging.inbox().fail(&id, problem),
            Some(Act::Unknown(id, problem)) => self.messaging.inbox().lose(&id, problem),
            Some(Act::Close(id, outcome)) => self.close(&id, outcome),
        }
    }

    /// The turn of a message is over: publishes its answer, or fails the message.
    pub(super) fn close(&mut self, id: &str, outcome: Outcome) {
        // An empty answer is one, but not of a turn that was interrupted.
        let counts = |answer: &Answer| outcome != Outcome::Interrupted || !answer.content.is_empty();
        let answer = self.messaging.take_answer().filter(counts).or_else(|| self.answer_on_screen(id));
        match (outcome, answer) {
            (Outcome::Failed, _) => self.messaging.inbox().fail(id, self.turn_failure()),
            (Outcome::Interrupted, None) => {
                self.messaging.inbox().fail(
                    id,
                    Problem::new(Code::AgentFailed, "the turn was interrupted before the agent answered"),
                );
            }
            (_, answer) => {
                let interrupted = outcome == Outcome::Interrupted;
                let message = self.messaging.inbox().said(Some(id), answer.unwrap_or_default(), interrupted);
                let is_long = message.content.len() > LONG_ANSWER;
                self.publisher.said(message);
                if is_long {
                    allocator::trim();
                }
            }
        }
    }

    /// A turn that did not come through the inbox is over: a person typed in the terminal.
    pub(super) fn close_foreign_turn(&mut self, outcome: Outcome) {
        if let Some(answer) = self.messaging.take_answer().filter(|answer| !answer.content.is_empty()) {
            let message = self.messaging.inbox().said(None, answer, outcome == Outcome::Interrupted);
            self.publisher.said(message);
        }
    }

    /// The agent said something in a turn that goes on.
    pub(super) fn said_meanwhile(&mut self, text: String) {
        if let Some(message) = self.messaging.said_meanwhile(text) {
            self.publisher.said(message);
        }
    }

    fn answer_on_screen(&mut self, id: &str) -> Option<Answer> {
        let (content, source) = if self.profile.answer().source == AnswerSource::Output {
            let content = self.messaging.turn().output(&self.output.log(), self.output.size())?;
            (content, MessageSource::Output)
        } else {
            let asked = self.messaging.inbox().get(id)?;
            let screen = self.output.screen();
            let (history, rows) = (screen.history(SCROLLBACK), screen.rows());
            (self.profile.screen_answer(&history, &rows, &asked.content)?, MessageSource::Screen)
        };
        Some(Answer { content, messages: Vec::new(), source: Some(source) })
    }

    fn turn_failure(&self) -> Problem {
        let observation = self.observation();
        if let Some(needed) = &observation.attention
            && needed.kind == AttentionKind::Login
        {
            return auth_required(needed.login_url.as_deref(), &needed.text);
        }
        let error = observation.error.clone();
        let (code, message) = error
            .map_or(("cli_error".into(), "the agent reports an error".into()), |error| {
                (error.code, error.message)
            });
        Problem::new(Code::AgentFailed, message).with("error", code)
    }
}
