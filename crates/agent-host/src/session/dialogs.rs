//! The two ways in which the session presses keys in a dialog: dismissing first-run screens and answering a question.

use std::time::{Duration, Instant};

use parallax_api::message::AnswerRequest;
use parallax_api::{Code, Problem};
use parallax_profile::{AttentionRequest, Observation};
use parallax_screen::{Modes, Screen, keys};

use super::command::Reply;
use crate::auto_dismiss::AutoDismiss;
use crate::delivery::Delivery;
use crate::dialog_answer::DialogAnswer;

/// Dialogs that are being answered.
#[derive(Default)]
pub(super) struct Dialogs {
    auto_dismiss: AutoDismiss,
    answer: Option<DialogAnswer>,
    /// When a menu that is in the way of a message may be closed (again).
    close_at: Option<Instant>,
}

/// Between two attempts to close a menu.
const CLOSE_INTERVAL: Duration = Duration::from_secs(3);

impl Dialogs {
    /// The program starts again: its first-run screens may come again.
    pub(super) fn restart(&mut self) {
        self.auto_dismiss = AutoDismiss::default();
    }

    /// Whether a first-run screen is being dismissed, or was a moment ago.
    pub(super) fn is_dismissing_any(&self) -> bool {
        self.auto_dismiss.is_under_way()
    }

    /// Whether nothing is to be pressed as long as the detector sees no dialog.
    pub(super) fn is_idle(&self) -> bool {
        self.answer.is_none() && self.close_at.is_none() && !self.is_dismissing_any()
    }

    /// Whether this dialog is being dismissed, and so is not published.
    pub(super) fn is_dismissing(&self, needed: &AttentionRequest) -> bool {
        self.auto_dismiss.is_dismissing(needed)
    }

    /// Starts to answer the dialog. Replies at once when that is not possible.
    pub(super) fn answer(
        &mut self,
        request: AnswerRequest,
        needed: Option<&AttentionRequest>,
        reply: Reply<()>,
        now: Instant,
    ) {
        let refused = if self.answer.is_some() {
            (Problem::new(Code::Conflict, "another answer is being given"), reply)
        } else {
            match DialogAnswer::new(request, needed, reply, now) {
                Ok(answer) => {
                    self.typed_into(needed);
                    self.answer = Some(answer);
                    return;
                }
                Err(refused) => refused,
            }
        };
        let (problem, reply) = refused;
        // A caller that no longer waits needs no answer.
        drop(reply.send(Err(problem)));
    }

    /// A person types while this dialog is on the screen.
    fn typed_into(&mut self, needed: Option<&AttentionRequest>) {
        if let Some(needed) = needed {
            self.auto_dismiss.answered(needed);
        }
    }

    /// A person types while this is observed.
    pub(super) fn person_typed(&mut self, observation: &Observation) {
        self.typed_into(observation.attention.as_ref());
        if Delivery::would_take(observation) {
            self.auto_dismiss.typed_in_composer();
        }
    }

    /// The program has ended with a dialog open.
    pub(super) fn abandon(&mut self, problem: Problem) {
        if let Some(answer) = self.answer.take() {
            answer.finish(Err(problem));
        }
    }

    /// The keys that close a menu of the CLI's own, which a person left open, so that a message can be typed.
    pub(super) fn close_menu(
        &mut self,
        needed: Option<&AttentionRequest>,
        modes: &Modes,
        now: Instant,
    ) -> Vec<Vec<u8>> {
        let Some(needed) = needed.filter(|needed| !needed.close.is_empty() && self.answer.is_none()) else {
            self.close_at = None;
            return Vec::new();
        };
        if self.close_at.is_some_and(|at| now < at) {
            return Vec::new();
        }
        self.close_at = Some(now + CLOSE_INTERVAL);
        keys::encode_all(&needed.close, modes)
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let answer = self.answer.as_ref().map(DialogAnswer::deadline);
        answer.into_iter().chain(self.close_at).chain(self.auto_dismiss.deadline()).min()
    }

    /// The keys to press now. `needed` is the dialog that the detector sees.
    pub(super) fn step(
        &mut self,
        needed: Option<&AttentionRequest>,
        screen: &Screen,
        now: Instant,
    ) -> Vec<Vec<u8>> {
        let mut pressed = keys::encode_all(self.auto_dismiss.step(needed, now), &screen.modes());
        if let Some(answer) = &mut self.answer {
            match answer.step(needed, screen, now) {
                Ok(keys) => pressed.extend(keys),
                Err(result) => {
                    if let Some(answer) = self.answer.take() {
                        answer.finish(result);
                    }
                }
            }
        }
        pressed
    }
}
