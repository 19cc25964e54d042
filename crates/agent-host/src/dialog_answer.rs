//! Answers a question by pressing keys, and only while the dialog is on the screen: otherwise they would land in the
//! composer.

mod entry;
mod press;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::time::{Duration, Instant};

use parallax_api::message::AnswerRequest;
use parallax_api::{AttentionKind, Code, Problem};
use parallax_profile::AttentionRequest;
use parallax_screen::Screen;
use tokio::sync::oneshot;

use self::entry::{Entry, EntryStep};
use self::press::{REVIEW, SUBMIT, check, find, is_among, press, submit, text_of};
use crate::same_question::answers_both;

/// How long the dialog may take to appear on the screen and, after each key, to change.
const DIALOG_TIMEOUT: Duration = Duration::from_secs(8);
/// A dialog that has just been painted may not read keys yet (Claude Code drops them). When the same dialog is still on
/// the screen after this time the keys were lost and are pressed again.
const RETRY_INTERVAL: Duration = Duration::from_millis(1200);
/// When the Enter behind a text is pressed again.
const ENTER_INTERVAL: Duration = Duration::from_millis(2500);
/// How far a list is scrolled for one answer, in keys.
const MAX_SCROLLS: u32 = 60;
/// An answer that is being typed into a dialog.
pub struct DialogAnswer {
    request: AnswerRequest,
    reply: oneshot::Sender<Result<(), Problem>>,
    /// The dialog as it was when the answer began.
    question: AttentionRequest,
    pressed: Option<Pressed>,
    entry: Option<Entry>,
    /// Options that were seen ticked as they should be, by their question: they may have been scrolled away since.
    ticked: HashSet<(String, String)>,
    scrolls: u32,
    /// The dialog was on the screen when it was looked at last: otherwise nothing is pressed before it comes.
    is_on_screen: bool,
    /// It has left the screen since a key was pressed.
    has_left: bool,
    until: Instant,
}

/// What was pressed last.
struct Pressed {
    at: Instant,
    /// The dialog and the option: the same again is a retry.
    what: String,
    is_text: bool,
    /// What ends a text.
    enter: Vec<Vec<u8>>,
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
        match check(&request, needed) {
            Ok(()) => {
                let (question, until) = (needed.clone(), now + DIALOG_TIMEOUT);
                Ok(Self {
                    request,
                    reply,
                    question,
                    pressed: None,
                    entry: None,
                    ticked: HashSet::new(),
                    scrolls: 0,
                    is_on_screen: needed.on_screen,
                    has_left: false,
                    until,
                })
            }
            Err(problem) => Err((problem, reply)),
        }
    }

    /// When [`DialogAnswer::step`] is due without an event.
    pub fn deadline(&self) -> Instant {
        let retry_at = self.retry_at().filter(|_| self.is_on_screen);
        retry_at.map_or(self.until, |retry| retry.min(self.until))
    }

    /// Returns the keys to press now or, as an error, the result when it is over.
    pub fn step(
        &mut self,
        needed: Option<&AttentionRequest>,
        screen: &Screen,
        now: Instant,
    ) -> Result<Vec<Vec<u8>>, Result<(), Problem>> {
        self.is_on_screen = needed.is_some_and(|needed| needed.on_screen);
        if let Some(entry) = self.entry.as_mut().filter(|_| now < self.until) {
            if !needed.is_some_and(|needed| entry.is_of(needed)) {
                // What would be typed or entered now is an answer to something else, or a message.
                return Err(Ok(()));
            }
            if !self.is_on_screen {
                return Ok(Vec::new());
            }
            match entry.step(screen, now) {
                EntryStep::Wait => return Ok(Vec::new()),
                EntryStep::Type(writes) => return Ok(writes),
                EntryStep::Enter(writes) => {
                    self.entry = None;
                    self.until = now + DIALOG_TIMEOUT;
                    self.pressed = self.pressed.take().map(|pressed| Pressed { at: now, ..pressed });
                    return Ok(writes);
                }
                EntryStep::Reopen => (self.entry, self.pressed) = (None, None),
            }
        }
        let Some(needed) = needed.filter(|needed| !self.is_answered(needed)) else {
            // Gone or another dialog: this one was answered, by us or by a person at the terminal.
            return Err(Ok(()));
        };
        if now >= self.until {
            let why = if self.pressed.is_some() {
                "the question is still there after the keys were pressed; look at the agent's screen"
            } else {
                "the question did not come on the screen; look at the agent's screen"
            };
            return Err(Err(Problem::new(Code::Timeout, why)));
        }
        if !self.is_on_screen {
            self.has_left = self.pressed.is_some();
            return Ok(Vec::new());
        }
        if self.pressed.is_none() && !answers_both(&self.request, &self.question, needed) {
            let detail =
                "another question came before this one was answered; `attention` has the one that stands now";
            return Err(Err(Problem::new(Code::QuestionChanged, detail)));
        }
        // What comes after a permission was given may ask for the same again, and nobody has given that.
        let permits = matches!(needed.kind, AttentionKind::Permission | AttentionKind::Plan);
        if self.has_left && permits {
            return Err(Ok(()));
        }
        // A choice of own words has them as its label once they stand there: it is not looked for again.
        let is_typed = |pressed: &&mut Pressed| pressed.is_text && pressed.what == text_of(needed);
        if let Some(pressed) = self.pressed.as_mut().filter(is_typed) {
            // An Enter that came too soon after it became a line break.
            let is_due = self.question.kind.is_question() && now >= pressed.at + ENTER_INTERVAL;
            if !is_due {
                return Ok(Vec::new());
            }
            pressed.at = now;
            return Ok(pressed.enter.clone());
        }
        // Computed each time: the keys depend on where the dialog's cursor stands.
        self.note_ticks(needed);
        let press = press(&self.request, needed, &self.ticked, &screen.modes()).map_err(Err)?;
        let is_text = press.text.is_some();
        if let Some(pressed) = &self.pressed
            && pressed.what == press.what
            && now < pressed.at + RETRY_INTERVAL
        {
            return Ok(Vec::new());
        }
        self.scrolls += u32::from(press.is_scroll);
        if self.scrolls > MAX_SCROLLS {
            let why = "the option did not come into view; look at the agent's screen";
            return Err(Err(Problem::new(Code::Timeout, why)));
        }
        // Each step of a longer answer has its own time.
        if self.pressed.as_ref().is_none_or(|pressed| pressed.what != press.what) {
            self.until = now + DIALOG_TIMEOUT;
        }
        let enter = press.text.as_ref().map(|text| text.enter.clone()).unwrap_or_default();
        self.pressed = Some(Pressed { at: now, what: press.what, is_text, enter });
        self.entry = press
            .text
            .filter(|text| !text.enter.is_empty())
            .map(|text| Entry::begin(text, needed, screen, now));
        Ok(press.writes)
    }

    /// Notes which options of the question on the screen are ticked as the answer wants them.
    fn note_ticks(&mut self, needed: &AttentionRequest) {
        let question = needed.questions.iter().find(|question| question.text == needed.text);
        let Some(answers) = question.and_then(|question| self.request.answers.get(&question.id)) else {
            return;
        };
        let chosen = answers.as_slice();
        for option in &needed.options {
            if option.selected.is_some_and(|selected| selected == is_among(option, chosen)) {
                self.ticked.insert((needed.text.clone(), option.id.clone()));
            }
        }
    }

    /// Whether the dialog on the screen shows that the answer was taken.
    fn is_answered(&self, needed: &AttentionRequest) -> bool {
        if self.pressed.is_none() {
            return false;
        }
        if !self.request.answers.is_empty() {
            let is_part = needed.questions == self.question.questions;
            return !is_part && submit(needed).is_none();
        }
        // What was ticked is shown once more before it counts.
        if self.is_submitting() && submit(needed).is_some_and(|option| option.id == REVIEW) {
            return false;
        }
        let ticked = |request: &AttentionRequest| {
            let option = self.request.option.as_ref().and_then(|option| find(request, option));
            option.and_then(|option| option.selected)
        };
        needed.text != self.question.text || ticked(needed) != ticked(&self.question)
    }

    /// Whether a list in which several options may be ticked is being submitted.
    fn is_submitting(&self) -> bool {
        self.request.option.as_deref().is_some_and(|option| SUBMIT.contains(&option) && option != REVIEW)
    }

    /// A text is not typed again once it was entered, only its Enter is pressed: it is unknown which part was read.
    fn retry_at(&self) -> Option<Instant> {
        if let Some(entry) = &self.entry {
            return Some(entry.next_at());
        }
        let wait = |pressed: &Pressed| match pressed.is_text {
            false => Some(RETRY_INTERVAL),
            true => self.question.kind.is_question().then_some(ENTER_INTERVAL),
        };
        self.pressed.as_ref().and_then(|pressed| Some(pressed.at + wait(pressed)?))
    }

    /// Answers the request.
    pub fn finish(self, result: Result<(), Problem>) {
        // A caller that no longer waits sees the result in `attention`.
        drop(self.reply.send(result));
    }
}
