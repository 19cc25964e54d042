//! First-run screens that a profile passes by itself: nobody need be asked for a colour theme.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use parallax_profile::Needed;

/// A dialog that has just been painted may not listen yet.
const FIRST_AFTER: Duration = Duration::from_millis(300);
/// When the same one still stands there, the keys were not heard.
const AGAIN_AFTER: Duration = Duration::from_millis(1500);
/// After that it is told to a person.
const TRIES: u32 = 4;
/// What a dialog that was passed leads to comes within this time.
const NEXT_WITHIN: Duration = Duration::from_millis(1500);

/// Each dialog is passed once in a run: a person who goes back to it wants another choice.
#[derive(Default)]
pub struct Passing {
    current: Option<Current>,
    passed: HashSet<String>,
    last_gone: Option<Instant>,
}

struct Current {
    text: String,
    tries: u32,
    next_at: Instant,
}

impl Passing {
    /// The names of the keys to press now.
    pub fn step<'a>(&mut self, needed: Option<&'a Needed>, now: Instant) -> &'a [String] {
        self.last_gone = self.last_gone.filter(|gone| needed.is_none() && now < *gone + NEXT_WITHIN);
        let text = needed.map(|needed| needed.text.as_str());
        let is_offered = needed.is_some_and(|needed| !needed.pass.is_empty());
        if let Some(gone) = self.current.take_if(|current| text != Some(&current.text) || !is_offered) {
            self.passed.insert(gone.text);
            self.last_gone = Some(now);
        }
        let Some(needed) =
            needed.filter(|needed| !needed.pass.is_empty() && !self.passed.contains(&needed.text))
        else {
            return &[];
        };
        let current = self.current.get_or_insert_with(|| Current {
            text: needed.text.clone(),
            tries: 0,
            next_at: now + FIRST_AFTER,
        });
        if now < current.next_at {
            return &[];
        }
        if current.tries == TRIES {
            self.current = None;
            self.passed.insert(needed.text.clone());
            return &[];
        }
        current.next_at = now + AGAIN_AFTER;
        if !needed.on_screen {
            return &[];
        }
        current.tries += 1;
        &needed.pass
    }

    /// When there is something to do though nothing happens.
    pub fn deadline(&self) -> Option<Instant> {
        self.current.as_ref().map(|current| current.next_at).or(self.last_gone.map(|gone| gone + NEXT_WITHIN))
    }

    /// Whether a dialog is being passed, or was a moment ago: what shows now is no place for a message.
    pub fn is_under_way(&self) -> bool {
        self.current.is_some() || self.last_gone.is_some()
    }

    /// Whether the dialog is being passed, and so is nobody's business.
    pub fn hides(&self, needed: &Needed) -> bool {
        self.current.as_ref().is_some_and(|current| current.text == needed.text)
    }
}

#[cfg(test)]
mod tests {
    use parallax_api::AttentionKind;

    use super::*;

    fn theme() -> Needed {
        Needed {
            kind: AttentionKind::Question,
            text: "Choose a theme".into(),
            login_url: None,
            options: Vec::new(),
            on_screen: true,
            takes_text: None,
            pass: vec!["enter".into()],
        }
    }

    #[test]
    fn a_dialog_is_passed_once() {
        let (mut passing, needed) = (Passing::default(), theme());
        let now = Instant::now();
        assert_eq!(passing.step(Some(&needed), now), [""; 0], "not before it listens");
        assert!(passing.hides(&needed));
        assert_eq!(passing.step(Some(&needed), now + FIRST_AFTER), ["enter"]);
        assert_eq!(passing.step(None, now + FIRST_AFTER), [""; 0]);
        assert_eq!(passing.step(Some(&needed), now + AGAIN_AFTER * 2), [""; 0], "somebody went back to it");
        assert!(!passing.hides(&needed));
    }

    #[test]
    fn one_that_does_not_go_is_told() {
        let (mut passing, needed) = (Passing::default(), theme());
        let mut now = Instant::now();
        let mut pressed = 0;
        for _ in 0..20 {
            pressed += passing.step(Some(&needed), now).len();
            now += AGAIN_AFTER;
        }
        assert_eq!(pressed, 4);
        assert!(!passing.hides(&needed));
    }
}
