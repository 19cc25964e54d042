//! Answers a question by pressing keys, and only while the dialog is on the screen: otherwise they would land in the
//! composer.

use std::time::{Duration, Instant};

use parallax_api::message::AnswerRequest;
use parallax_api::{Code, Problem};
use parallax_profile::AttentionRequest;
use parallax_screen::{Modes, keys};
use tokio::sync::oneshot;

/// How long the dialog may take to appear on the screen and, once answered, to disappear.
const DIALOG_TIMEOUT: Duration = Duration::from_secs(8);
/// A dialog that has just been painted may not read keys yet (Claude Code drops them). When the same dialog is still on
/// the screen after this time the keys were lost and are pressed again.
const RETRY_INTERVAL: Duration = Duration::from_millis(1200);

/// An answer that is being typed into a dialog.
pub struct DialogAnswer {
    request: AnswerRequest,
    reply: oneshot::Sender<Result<(), Problem>>,
    question: String,
    pressed_at: Option<Instant>,
    until: Instant,
}

impl DialogAnswer {
    /// Starts when there is a question that the request fits; otherwise gives the reply back with the reason.
    pub fn new(
        request: AnswerRequest,
        needed: Option<&AttentionRequest>,
        reply: oneshot::Sender<Result<(), Problem>>,
        now: Instant,
    ) -> Result<Self, (Problem, oneshot::Sender<Result<(), Problem>>)> {
        let Some(needed) = needed else {
            return Err((
                Problem::new(Code::Conflict, "nothing is asked; `attention` tells when something is"),
                reply,
            ));
        };
        if request.option.is_some() == request.text.is_some() {
            return Err((Problem::invalid("option", "give either `option` or `text`"), reply));
        }
        if needed.on_screen
            && let Err(problem) = press(&request, needed, &Modes::default())
        {
            return Err((problem, reply));
        }
        Ok(Self {
            request,
            reply,
            question: needed.text.clone(),
            pressed_at: None,
            until: now + DIALOG_TIMEOUT,
        })
    }

    /// When [`DialogAnswer::step`] is due without an event.
    pub fn deadline(&self) -> Instant {
        self.retry_at().map_or(self.until, |retry| retry.min(self.until))
    }

    /// Returns the keys to press now or, as an error, the result when it is over.
    pub fn step(
        &mut self,
        needed: Option<&AttentionRequest>,
        modes: &Modes,
        now: Instant,
    ) -> Result<Vec<Vec<u8>>, Result<(), Problem>> {
        let pressed = self.pressed_at.is_some();
        let Some(needed) = needed.filter(|needed| !pressed || needed.text == self.question) else {
            // Gone or another dialog: this one was answered, by us or by a person at the terminal.
            return Err(Ok(()));
        };
        if now >= self.until {
            let why = if pressed {
                "the question is still there after the keys were pressed; look at the agent's screen"
            } else {
                "the question did not come on the screen; look at the agent's screen"
            };
            return Err(Err(Problem::new(Code::Timeout, why)));
        }
        let due = !pressed || self.retry_at().is_some_and(|retry| now >= retry);
        if !due {
            return Ok(Vec::new());
        }
        if !needed.on_screen {
            self.pressed_at = self.pressed_at.map(|_| now);
            return Ok(Vec::new());
        }
        if !pressed {
            self.until = now + DIALOG_TIMEOUT;
        }
        self.pressed_at = Some(now);
        // Computed each time: the keys depend on where the dialog's cursor stands.
        press(&self.request, needed, modes).map_err(Err)
    }

    /// Only options are retried: of a text it is unknown which part was read.
    fn retry_at(&self) -> Option<Instant> {
        self.pressed_at.filter(|_| self.request.option.is_some()).map(|at| at + RETRY_INTERVAL)
    }

    /// Answers the request.
    pub fn finish(self, result: Result<(), Problem>) {
        // A caller that no longer waits sees the result in `attention`.
        drop(self.reply.send(result));
    }
}

/// The keys of this answer, one write each.
fn press(request: &AnswerRequest, needed: &AttentionRequest, modes: &Modes) -> Result<Vec<Vec<u8>>, Problem> {
    match (&request.option, &request.text) {
        (Some(option), None) => {
            let wanted =
                |choice: &&parallax_profile::DialogOption| choice.id == *option || choice.label == *option;
            let choice = needed.options.iter().find(wanted).ok_or_else(|| {
                let known: Vec<&str> = needed.options.iter().map(|choice| choice.id.as_str()).collect();
                let detail = match known.as_slice() {
                    [] => "this question has no options; send `text`".to_owned(),
                    known => format!("`{option}` is none of: {}", known.join(", ")),
                };
                Problem::invalid("option", detail).with("options", known)
            })?;
            Ok(keys::encode_all(&choice.keys, modes))
        }
        (None, Some(text)) => {
            let entry = needed.takes_text.as_ref().ok_or_else(|| {
                let known: Vec<&str> = needed.options.iter().map(|choice| choice.id.as_str()).collect();
                Problem::invalid("text", "this question takes no text; send one of `options` as `option`")
                    .with("options", known)
            })?;
            let mut writes = keys::encode_all(&entry.before, modes);
            writes.push(if modes.bracketed_paste { keys::paste(text) } else { text.clone().into_bytes() });
            writes.extend(keys::encode_all(&entry.after, modes));
            Ok(writes)
        }
        _ => Err(Problem::invalid("option", "give either `option` or `text`")),
    }
}
