//! One prompt on its way to its answer.

use std::time::Duration;

use crate::observation::{DetectorEvent, Outcome};

/// The current turn.
#[derive(Debug, Default)]
pub(super) struct Turn {
    open: bool,
    /// The CLI reported its prompt.
    prompted: bool,
    /// The last thing the model said in it.
    said: Option<Said>,
    /// The CLI reported its whole answer.
    answered: bool,
    /// It is over by all signs, but its answer may still come.
    closing: Option<(Outcome, Duration)>,
    /// The last turn was closed without waiting any longer: what ended it may still be reported.
    given_up: bool,
    /// The last turn ended before its prompt was reported, so the report may still come.
    unprompted: bool,
}

#[derive(Debug)]
struct Said {
    id: Option<String>,
    text: String,
}

impl Turn {
    /// Whether it runs and no source says that it ended.
    pub fn is_running(&self) -> bool {
        self.open && self.closing.is_none()
    }

    /// Whether the model said something in it.
    pub fn has_words(&self) -> bool {
        self.said.is_some() || self.answered
    }

    /// A turn begins: work is seen (`None`), or the CLI tells the prompt it took.
    pub fn begin(&mut self, text: Option<String>) -> Vec<DetectorEvent> {
        if !self.open && self.unprompted && text.is_some() {
            self.unprompted = false;
            return vec![DetectorEvent::PromptTaken { text }];
        }
        // A session file is read a moment later: the first prompt it tells after the end is the one that has ended.
        let is_late = text.is_some() && !self.prompted;
        let mut events = match self.closing {
            Some((outcome, _)) if !is_late => self.end(outcome),
            _ => Vec::new(),
        };
        if !self.open {
            *self = Self { open: true, ..Self::default() };
            events.push(DetectorEvent::PromptTaken { text: None });
        }
        if text.is_some() {
            self.prompted = true;
            events.push(DetectorEvent::PromptTaken { text });
        }
        events
    }

    /// The model said this; the same id again replaces.
    pub fn say(&mut self, text: String, id: Option<String>) {
        self.said = Some(Said { id, text });
    }

    /// The whole answer, as the CLI reports it.
    pub fn answer(&mut self, text: String, id: Option<String>) -> DetectorEvent {
        self.answered = true;
        DetectorEvent::Answer { text, id }
    }

    /// It is over by all signs: ends at `due` unless its answer comes before.
    pub fn close(&mut self, outcome: Outcome, due: Duration) {
        if self.is_running() {
            self.closing = Some((outcome, due));
        }
    }

    /// What a closing turn waits for has come.
    pub fn wait_no_longer(&mut self) {
        if let Some((_, due)) = &mut self.closing {
            *due = Duration::ZERO;
        }
    }

    /// The CLI says that a turn is over. That may be a turn whose begin was not reported (a message queued in the CLI).
    pub fn over(&mut self, outcome: Outcome) -> Vec<DetectorEvent> {
        if !self.open && self.given_up {
            self.given_up = false;
            return Vec::new();
        }
        self.end(outcome)
    }

    /// When it ends if nothing more comes.
    pub fn due(&self) -> Option<Duration> {
        self.closing.map(|(_, due)| due)
    }

    /// Ends it when it has waited long enough.
    pub fn tick(&mut self, now: Duration) -> Vec<DetectorEvent> {
        match self.closing {
            Some((outcome, due)) if due <= now => {
                let events = self.end(outcome);
                self.given_up = due > Duration::ZERO;
                events
            }
            _ => Vec::new(),
        }
    }

    fn end(&mut self, outcome: Outcome) -> Vec<DetectorEvent> {
        // The last words of a turn that failed are about the failure.
        let said = self.said.take().filter(|_| !self.answered && outcome != Outcome::Failed);
        let answer = said.map(|Said { id, text }| DetectorEvent::Answer { text, id });
        *self = Self { unprompted: !self.prompted, ..Self::default() };
        answer.into_iter().chain([DetectorEvent::TurnOver { outcome }]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1);

    fn over(outcome: Outcome) -> DetectorEvent {
        DetectorEvent::TurnOver { outcome }
    }

    fn taken(text: Option<&str>) -> DetectorEvent {
        DetectorEvent::PromptTaken { text: text.map(Into::into) }
    }

    #[test]
    fn one_prompt_one_end() {
        let mut turn = Turn::default();
        assert_eq!(turn.begin(None), [taken(None)]);
        assert_eq!(turn.begin(Some("hi".into())), [taken(Some("hi"))], "the text may follow");
        assert_eq!(turn.begin(None), [], "work goes on");
        turn.close(Outcome::Completed, NOW);
        turn.answer("hello".into(), None);
        assert_eq!(turn.over(Outcome::Completed), [over(Outcome::Completed)]);
        assert_eq!(turn.tick(NOW), [], "it is over once");
    }

    #[test]
    fn an_end_that_is_told_late_is_not_told_twice() {
        let mut turn = Turn::default();
        turn.begin(None);
        turn.close(Outcome::Completed, NOW);
        assert_eq!(turn.tick(NOW), [over(Outcome::Completed)]);
        assert_eq!(turn.over(Outcome::Completed), []);
    }

    #[test]
    fn each_queued_message_has_its_own_end() {
        let mut turn = Turn::default();
        turn.begin(Some("one".into()));
        turn.begin(Some("two".into()));
        assert_eq!(turn.over(Outcome::Completed), [over(Outcome::Completed)]);
        assert_eq!(turn.over(Outcome::Completed), [over(Outcome::Completed)]);
    }

    #[test]
    fn the_last_words_are_the_answer_when_none_is_told() {
        let mut turn = Turn::default();
        turn.begin(None);
        turn.say("I will look".into(), Some("a".into()));
        turn.say("It is".into(), Some("b".into()));
        turn.say("It is 42".into(), Some("b".into()));
        let answer = DetectorEvent::Answer { text: "It is 42".into(), id: Some("b".into()) };
        assert_eq!(turn.over(Outcome::Interrupted), [answer, over(Outcome::Interrupted)]);
    }

    #[test]
    fn a_prompt_that_is_told_after_the_end_begins_nothing() {
        let mut turn = Turn::default();
        turn.begin(None);
        assert_eq!(turn.over(Outcome::Failed), [over(Outcome::Failed)]);
        assert_eq!(turn.begin(Some("hi".into())), [taken(Some("hi"))]);
        assert!(!turn.is_running());
        assert_eq!(turn.begin(Some("next".into())), [taken(None), taken(Some("next"))]);
    }

    #[test]
    fn a_new_turn_ends_the_one_that_waits() {
        let mut turn = Turn::default();
        turn.begin(None);
        turn.close(Outcome::Completed, NOW);
        assert_eq!(turn.begin(None), [over(Outcome::Completed), taken(None)]);
    }
}
