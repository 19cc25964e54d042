//! One prompt on its way to its answer.

use std::time::Duration;

use crate::observation::{DetectorEvent, Outcome, Source};

/// Who is asked so much later than it wanted to be stood still.
const LATE: Duration = Duration::from_millis(100);
/// How long a turn waits for its answer beyond its time, because this process stood still or its session file cannot be read.
const MAX_STALL: Duration = Duration::from_secs(10);

/// The current turn.
#[derive(Debug, Default)]
pub(super) struct Turn {
    open: bool,
    /// The CLI reported its prompt.
    prompted: bool,
    /// The last thing the model said in it.
    said: Option<Said>,
    /// The whole answer that the CLI reported.
    answered: Option<String>,
    /// A reported answer that may be the one of the turn before. Claude Code reports that again when the model says nothing.
    held: Option<Said>,
    /// The answer of the turn before.
    previous: Option<String>,
    /// Whether the session file had that answer: then it will have the next one, too.
    is_recorded: bool,
    /// It is over by all signs, but its answer may still come.
    closing: Option<Closing>,
    /// The CLI reported its end, and when, but it may go on: a hook of the user's own can send the agent back to work.
    reported_end: Option<(Outcome, Duration)>,
    /// The last turn was closed without waiting any longer: what ended it may still be reported.
    given_up: bool,
    /// How the last turn ended, if no report has said so: what it said and what ended it may be reported when this one has begun.
    untold: Option<Untold>,
    /// The last turn ended before its prompt was reported, so the report may still come.
    unprompted: bool,
}

/// An end that no report has told.
#[derive(Clone, Copy, Debug)]
struct Untold {
    outcome: Outcome,
    /// Since when it was waited for.
    since: Duration,
}

impl Untold {
    /// Whether it is an interruption that may still be reported.
    fn is_late_interruption(&self, now: Duration) -> bool {
        self.outcome == Outcome::Interrupted && now.saturating_sub(self.since) <= MAX_STALL
    }
}

/// A turn that ends when its answer comes, or at `due`.
#[derive(Clone, Copy, Debug)]
struct Closing {
    outcome: Outcome,
    since: Duration,
    due: Duration,
    /// How long the answer is waited for.
    wait: Duration,
    /// How long more than that, because this process or the machine stood still meanwhile.
    stalled: Duration,
    /// It was asked in time, and waits for the session file only.
    asked: bool,
}

impl Closing {
    fn new(outcome: Outcome, now: Duration, wait: Duration) -> Self {
        Self { outcome, since: now, due: now + wait, wait, stalled: Duration::ZERO, asked: false }
    }
}

#[derive(Debug)]
struct Said {
    id: Option<String>,
    text: String,
    source: Source,
}

impl Turn {
    /// Whether it runs and no source says that it ended.
    pub fn is_running(&self) -> bool {
        self.open && self.closing.is_none()
    }

    /// Whether the model said something in it, and not perhaps in the turn before.
    pub fn has_words(&self, now: Duration) -> bool {
        self.answered.is_some() || self.said.is_some() && !self.is_doubtful(now)
    }

    /// Whether what was said last may be of the turn before: that was interrupted, and the session file, which has what was said, has yet to
    /// say so. Not for longer than it can be behind: some interruptions are never reported.
    fn is_doubtful(&self, now: Duration) -> bool {
        self.said.as_ref().is_some_and(|said| said.source == Source::SessionFile)
            && self.untold.is_some_and(|untold| untold.is_late_interruption(now))
    }

    /// The end that the CLI reported and may take back, and when.
    pub fn reported_end(&self) -> Option<(Outcome, Duration)> {
        self.reported_end.filter(|_| self.is_running())
    }

    /// A turn begins: work is seen (`None`), or the CLI reports the prompt it took.
    pub fn begin(&mut self, text: Option<String>) -> Vec<DetectorEvent> {
        if !self.open && self.unprompted && text.is_some() {
            self.unprompted = false;
            return vec![DetectorEvent::PromptTaken { text }];
        }
        // A session file is read a moment later: the first prompt it has after the end is the one that has ended.
        let is_late = text.is_some() && !self.prompted;
        let mut events = match self.closing {
            Some(closing) if !is_late => self.end_unasked(closing),
            _ => Vec::new(),
        };
        if !self.open {
            *self = Self {
                open: true,
                previous: self.previous.take(),
                is_recorded: self.is_recorded,
                untold: self.untold,
                ..Self::default()
            };
            events.push(DetectorEvent::PromptTaken { text: None });
        }
        if text.is_some() {
            self.prompted = true;
            events.push(DetectorEvent::PromptTaken { text });
        }
        events
    }

    /// How the turn before ended, if no report has said so yet.
    pub fn untold(&self) -> Option<Outcome> {
        self.untold.map(|untold| untold.outcome)
    }

    /// Whether what is reported now is of the turn before. Reports of a source that has the prompts as well are in order: the prompt of this
    /// turn has not come, and neither has the end of the one before. If this is that end (`is_end`), nothing more of it follows.
    pub fn take_as_of_before(&mut self, is_end: bool) -> bool {
        let is_of_before = self.open && !self.prompted && self.untold.is_some();
        if is_of_before && is_end {
            self.untold = None;
        }
        is_of_before
    }

    /// Whether this report of an interruption is of the turn before, which ended like that: this one runs, and nothing says that it was
    /// interrupted, or it was as well, after words that may be of either. A source without the prompts may be behind those of another one, but not
    /// for longer than it can stand still: some interruptions are never reported. What the session file has before it was said there, too.
    pub fn take_interruption_as_of_before(&mut self, now: Duration) -> bool {
        let may_be = self.is_running() || self.is_doubtful(now);
        let is_of_before = may_be && self.untold.take_if(|untold| untold.is_late_interruption(now)).is_some();
        if is_of_before {
            self.said.take_if(|said| said.source == Source::SessionFile);
        }
        is_of_before
    }

    /// The model said this; the same id again replaces. What it said before is an event once something follows it.
    pub fn say(&mut self, text: String, id: Option<String>, source: Source) -> Option<DetectorEvent> {
        // The session file is read a moment later: this is the answer of the turn that is over.
        if !self.open && self.previous.as_ref() == Some(&text) {
            self.is_recorded = true;
            return None;
        }
        let is_same = |said: &Said| said.id.is_some() && said.id == id;
        let before = self.said.replace(Said { id: id.clone(), text, source });
        before.filter(|said| !is_same(said)).map(|Said { id, text, .. }| DetectorEvent::Said { text, id })
    }

    /// The whole answer, as the CLI reports it. An empty one is what the model said last, if it said anything.
    pub fn answer(&mut self, text: String, id: Option<String>, source: Source) -> Option<DetectorEvent> {
        self.answered = Some(text.clone());
        // The session file may still have what the model said.
        if text.is_empty() {
            self.held = Some(Said { id, text, source });
            return None;
        }
        if self.is_recorded && self.said.is_none() && self.previous.as_ref() == Some(&text) {
            self.held = Some(Said { id, text, source });
            return None;
        }
        self.held = None;
        Some(DetectorEvent::Answer { text, id, source })
    }

    /// It is over by all signs: ends after `wait` unless its answer comes before.
    pub fn close(&mut self, outcome: Outcome, now: Duration, wait: Duration) {
        if self.is_running() {
            self.closing = Some(Closing::new(outcome, now, wait));
        }
    }

    /// Whether its prompt was reported.
    pub fn is_prompted(&self) -> bool {
        self.prompted
    }

    /// Work goes on after all: the CLI was idle for a moment before it came to the prompt.
    pub fn goes_on(&mut self) {
        let is_interrupted =
            |closing: Option<Closing>| closing.is_some_and(|it| it.outcome == Outcome::Interrupted);
        if self.open && !self.prompted && is_interrupted(self.closing) {
            self.closing = None;
        }
    }

    /// As [`Self::close`], also when it is closing already.
    pub fn close_again(&mut self, outcome: Outcome, now: Duration, wait: Duration) {
        self.closing = Some(Closing::new(outcome, now, wait));
    }

    /// What a closing turn waits for has come.
    pub fn wait_no_longer(&mut self) {
        if let Some(closing) = &mut self.closing {
            (closing.due, closing.wait) = (Duration::ZERO, Duration::ZERO);
        }
    }

    /// The CLI says that a turn is over. That may be a turn whose begin was not reported (a message queued in the CLI).
    pub fn over(&mut self, outcome: Outcome) -> Vec<DetectorEvent> {
        if !self.open && self.given_up {
            (self.given_up, self.untold) = (false, None);
            return Vec::new();
        }
        self.end(outcome)
    }

    /// The CLI says that the turn is over, but it may go on.
    pub fn may_be_over(&mut self, outcome: Outcome, now: Duration) {
        self.reported_end = Some((outcome, now));
    }

    /// Another end is reported. Unless it is one of the same turn, the turn whose end was reported before is over.
    pub fn another_end(&mut self, is_same_turn: bool) -> Vec<DetectorEvent> {
        match self.reported_end.filter(|_| self.is_running() && !is_same_turn) {
            Some((outcome, _)) => {
                let mut events = self.end(outcome);
                events.extend(self.begin(None));
                events
            }
            None => Vec::new(),
        }
    }

    /// When it ends if nothing more comes.
    pub fn due(&self) -> Option<Duration> {
        self.closing.map(|closing| closing.due)
    }

    /// Whether its answer has been waited for long enough by the clock, so that all that is written may be read once more.
    pub fn awaits_answer(&self, now: Duration) -> bool {
        self.closing.is_some_and(|closing| !closing.wait.is_zero() && closing.due <= now)
    }

    /// Ends it when it has waited long enough. Time in which nobody looked is no waiting: what would have come in it may lie
    /// there unread. So it waits for as long again when it is asked too late, and where its answer comes from a session file
    /// (`is_read`: when that was last read to its end), until that was read after the wait. Not for ever: for [`MAX_STALL`].
    pub fn tick(&mut self, now: Duration, is_read: Option<Duration>) -> Vec<DetectorEvent> {
        let Some(closing) = self.closing.as_mut().filter(|closing| closing.due <= now) else {
            return Vec::new();
        };
        if !closing.wait.is_zero() {
            let late = now.saturating_sub(closing.due);
            if !closing.asked && late > LATE && closing.stalled < MAX_STALL {
                let again = late.min(closing.wait);
                closing.stalled += again;
                closing.due = now + again;
                return Vec::new();
            }
            closing.asked = true;
            if is_read.is_some_and(|at| at < closing.due) && late < MAX_STALL {
                return Vec::new();
            }
        }
        let closing = *closing;
        if closing.due.is_zero() {
            self.forget_doubtful_words(closing);
            return self.end(closing.outcome);
        }
        let events = self.end_unasked(closing);
        self.given_up = true;
        events
    }

    /// Whether the answer is held until the session file has it as well.
    pub fn is_held(&self) -> bool {
        self.held.is_some() && self.said.is_none()
    }

    /// Of two interrupted turns the first may have said it: then it is the answer of neither.
    fn forget_doubtful_words(&mut self, Closing { outcome, since, .. }: Closing) {
        if outcome == Outcome::Interrupted && self.is_doubtful(since) {
            self.said = None;
        }
    }

    /// Ends it though its end may still be reported.
    fn end_unasked(&mut self, closing: Closing) -> Vec<DetectorEvent> {
        self.forget_doubtful_words(closing);
        let Closing { outcome, since, .. } = closing;
        let is_told = self.reported_end.is_some();
        let events = self.end(outcome);
        self.untold = (!is_told).then_some(Untold { outcome, since });
        events
    }

    fn end(&mut self, outcome: Outcome) -> Vec<DetectorEvent> {
        let said = self.said.take();
        let mut events = Vec::new();
        if let Some(Said { id, text, source }) = self.held.take() {
            // Without words in the session file the model said nothing in this turn.
            let text = match &said {
                Some(said) if text.is_empty() => said.text.clone(),
                Some(_) => text,
                None => String::new(),
            };
            self.answered = Some(text.clone());
            events.push(DetectorEvent::Answer { text, id, source });
        }
        let is_recorded = said.is_some();
        match said {
            // The last words of a turn that failed are about the failure.
            Some(Said { id, text, source }) if self.answered.is_none() && outcome != Outcome::Failed => {
                self.answered = Some(text.clone());
                events.push(DetectorEvent::Answer { text, id, source });
            }
            // The session file has not come to the answer yet.
            Some(Said { id, text, .. }) if self.answered.as_ref().is_some_and(|answer| *answer != text) => {
                events.push(DetectorEvent::Said { text, id });
            }
            _ => {}
        }
        events.push(DetectorEvent::TurnOver { outcome });
        let previous = self.answered.take();
        *self = Self { unprompted: !self.prompted, previous, is_recorded, ..Self::default() };
        events
    }
}

#[cfg(test)]
mod tests;
