//! From the inbox to the terminal, and from the end of a turn to its answer.

use std::time::Instant;

use parallax_api::message::MessageState;
use parallax_api::{AttentionKind, Code, Problem};
use parallax_profile::{AnswerSource, Composer, Outcome, Signal};

use super::{Runner, SCROLLBACK, TYPING_PAUSE, auth_required};
use crate::delivery::{Act, Delivery, DeliveryInput};
use crate::turn::TurnOutput;

impl Runner {
    pub(super) fn deliver(&mut self, now: Instant) {
        let free = !self.delivery.is_busy()
            && self.keyboard.is_empty()
            && self.termination.is_none()
            && !self.auto_dismiss.is_under_way()
            && !self.process.detector.is_closing();
        let typing = self.last_typed.is_some_and(|at| now - at < TYPING_PAUSE)
            && matches!(self.observation().composer, Composer::Holds(_));
        if free
            && !typing
            && Delivery::would_take(self.observation())
            && let Some(message) = self.inbox.next()
        {
            let text = self.profile.submit().guarded(&message.content);
            self.turn = TurnOutput::default();
            self.delivery.begin(message.id, text, now);
        }
        let modes = self.screen.modes();
        let input = DeliveryInput {
            observation: self.process.detector.observation(),
            written: self.process.terminal.written(),
            modes: &modes,
        };
        for act in self.delivery.step(self.profile.submit(), &input, now) {
            self.act(Some(act));
        }
    }

    pub(super) fn act(&mut self, act: Option<Act>) {
        match act {
            None => {}
            Some(Act::Paste(bytes)) => match self.write(bytes) {
                Ok(target) => self.delivery.pasted(target, Instant::now()),
                Err(problem) => {
                    if let Some((id, _)) = self.delivery.abandon() {
                        self.inbox.fail(&id, problem);
                    }
                }
            },
            Some(Act::Keys(bytes)) => {
                // The delivery sees on the screen whether it was taken.
                drop(self.write(bytes));
            }
            Some(Act::Typed(id)) => {
                self.turn.begin(self.log.end());
                self.inbox.advance(&id, MessageState::Typed);
                self.observe(Signal::Typed);
                // From now on the session file is read often: the prompt and the answer are about to be written.
                self.session_file_at = Instant::now();
            }
            Some(Act::Taken(id)) => self.inbox.advance(&id, MessageState::Taken),
            Some(Act::Failed(id, problem)) => self.inbox.fail(&id, problem),
            Some(Act::Close(id, outcome)) => self.close(&id, outcome),
        }
    }

    /// The turn of a message is over: its answer, or why there is none.
    pub(super) fn close(&mut self, id: &str, outcome: Outcome) {
        let said = self.turn.take_answers().pop().or_else(|| self.answer_on_screen(id));
        match (outcome, said) {
            (Outcome::Failed, _) => self.inbox.fail(id, self.why_failed()),
            (Outcome::Interrupted, None) => {
                self.inbox.fail(
                    id,
                    Problem::new(Code::AgentFailed, "the turn was interrupted before the agent answered"),
                );
            }
            (_, said) => {
                let interrupted = outcome == Outcome::Interrupted;
                let message = self.inbox.said(Some(id), said.unwrap_or_default(), interrupted);
                self.publisher.said(message);
            }
        }
    }

    fn answer_on_screen(&self, id: &str) -> Option<String> {
        if self.answers_from_output() {
            return self.turn.output(&self.log.reader(), self.size);
        }
        let asked = self.inbox.get(id)?;
        self.profile.screen_answer(&self.screen.history(SCROLLBACK), &self.screen.rows(), &asked.content)
    }

    fn why_failed(&self) -> Problem {
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

    /// Whether what a turn prints is its answer.
    fn answers_from_output(&self) -> bool {
        self.profile.answer().source == AnswerSource::Output
    }

    /// A turn that nobody sent through us: a person typed in the terminal.
    pub(super) fn close_foreign_turn(&mut self, outcome: Outcome) {
        for answer in self.turn.take_answers() {
            let message = self.inbox.said(None, answer, outcome == Outcome::Interrupted);
            self.publisher.said(message);
        }
    }
}
