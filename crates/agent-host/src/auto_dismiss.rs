//! Dismisses the first-run screens that a profile marks with `pass`: no person need choose a colour theme.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use parallax_api::AttentionKind;
use parallax_profile::AttentionRequest;

/// Delay before the first key: a dialog that has just been painted may not read keys yet.
const FIRST_DELAY: Duration = Duration::from_millis(300);
/// When the same dialog is still on the screen after this time, the keys were not read and are pressed again.
const RETRY_INTERVAL: Duration = Duration::from_millis(1500);
/// After so many attempts the dialog is published as a question.
const MAX_TRIES: u32 = 4;
/// The screen that follows a dismissed dialog appears within this time.
const NEXT_DIALOG_TIMEOUT: Duration = Duration::from_millis(1500);

/// Dismisses each dialog once in a run of the program: a person who returns to it wants another choice.
#[derive(Default)]
pub struct AutoDismiss {
    current: Option<Current>,
    dismissed: HashSet<String>,
    last_gone: Option<Instant>,
    /// Somebody has begun to log in.
    is_login_answered: bool,
    /// Somebody typed into the composer: what comes now may be theirs.
    is_past_first_run: bool,
}

struct Current {
    text: String,
    tries: u32,
    next_at: Instant,
}

impl AutoDismiss {
    /// A person answered this dialog, or typed into it. How to log in is theirs to say from then on: a CLI that does not take a key asks for
    /// the way again, and its default is another account.
    pub fn answered(&mut self, needed: &AttentionRequest) {
        self.is_login_answered |= needed.kind == AttentionKind::Login;
    }

    /// A person typed into the composer. A choice that comes up from then on is the one they opened: dismissed by its default, Gemini
    /// CLI's choice of a login would log in with another account, and end.
    pub fn typed_in_composer(&mut self) {
        self.is_past_first_run = true;
    }

    /// The names of the keys to press now.
    pub fn step<'a>(&mut self, needed: Option<&'a AttentionRequest>, now: Instant) -> &'a [String] {
        // What only wants Enter is no choice: Claude Code says so when a login was made.
        let is_theirs = |needed: &AttentionRequest| {
            let is_of_login = self.is_login_answered && needed.kind == AttentionKind::Login;
            (is_of_login || self.is_past_first_run) && needed.options.len() > 1
        };
        let needed = needed.filter(|needed| !is_theirs(needed));
        self.last_gone = self.last_gone.filter(|gone| needed.is_none() && now < *gone + NEXT_DIALOG_TIMEOUT);
        let text = needed.map(|needed| needed.text.as_str());
        let is_offered = needed.is_some_and(|needed| !needed.pass.is_empty());
        if let Some(gone) = self.current.take_if(|current| text != Some(&current.text) || !is_offered) {
            self.dismissed.insert(gone.text);
            self.last_gone = Some(now);
        }
        let Some(needed) =
            needed.filter(|needed| !needed.pass.is_empty() && !self.dismissed.contains(&needed.text))
        else {
            return &[];
        };
        let current = self.current.get_or_insert_with(|| Current {
            text: needed.text.clone(),
            tries: 0,
            next_at: now + FIRST_DELAY,
        });
        if now < current.next_at {
            return &[];
        }
        if current.tries == MAX_TRIES {
            self.current = None;
            self.dismissed.insert(needed.text.clone());
            return &[];
        }
        current.next_at = now + RETRY_INTERVAL;
        if !needed.on_screen {
            return &[];
        }
        current.tries += 1;
        &needed.pass
    }

    /// When [`AutoDismiss::step`] is due without an event.
    pub fn deadline(&self) -> Option<Instant> {
        self.current
            .as_ref()
            .map(|current| current.next_at)
            .or(self.last_gone.map(|gone| gone + NEXT_DIALOG_TIMEOUT))
    }

    /// Whether a dialog is being dismissed, or was a moment ago: no message can be typed now.
    pub fn is_under_way(&self) -> bool {
        self.current.is_some() || self.last_gone.is_some()
    }

    /// Whether this dialog is being dismissed, and so is not published.
    pub fn is_dismissing(&self, needed: &AttentionRequest) -> bool {
        self.current.as_ref().is_some_and(|current| current.text == needed.text)
    }
}

#[cfg(test)]
mod tests {
    use parallax_profile::DialogOption;

    use super::*;

    fn theme() -> AttentionRequest {
        AttentionRequest {
            pass: vec!["enter".into()],
            ..AttentionRequest::new(AttentionKind::Question, "Choose a theme")
        }
    }

    #[test]
    fn a_dialog_is_dismissed_once() {
        let (mut dismiss, needed) = (AutoDismiss::default(), theme());
        let now = Instant::now();
        assert_eq!(dismiss.step(Some(&needed), now), [""; 0], "not before it reads keys");
        assert!(dismiss.is_dismissing(&needed));
        assert_eq!(dismiss.step(Some(&needed), now + FIRST_DELAY), ["enter"]);
        assert_eq!(dismiss.step(None, now + FIRST_DELAY), [""; 0]);
        assert_eq!(
            dismiss.step(Some(&needed), now + RETRY_INTERVAL * 2),
            [""; 0],
            "a person went back to it"
        );
        assert!(!dismiss.is_dismissing(&needed));
    }

    #[test]
    fn how_to_log_in_is_not_chosen_for_who_has_begun_to() {
        let (mut dismiss, now) = (AutoDismiss::default(), Instant::now());
        let key = AttentionRequest::new(AttentionKind::Login, "Enter your key");
        let way = AttentionRequest {
            pass: vec!["enter".into()],
            options: vec![DialogOption::default(), DialogOption::default()],
            ..AttentionRequest::new(AttentionKind::Login, "How would you like to log in?")
        };
        dismiss.answered(&theme());
        assert_eq!(dismiss.step(Some(&way), now), [""; 0]);
        assert_eq!(dismiss.step(Some(&way), now + FIRST_DELAY), ["enter"], "a theme is no login");
        dismiss = AutoDismiss::default();
        dismiss.answered(&key);
        assert_eq!(dismiss.step(Some(&way), now), [""; 0]);
        assert_eq!(dismiss.step(Some(&way), now + FIRST_DELAY), [""; 0]);
        assert!(!dismiss.is_dismissing(&way), "it is asked");
        let made = AttentionRequest {
            options: vec![DialogOption::default()],
            ..AttentionRequest { text: "Login successful".into(), ..way.clone() }
        };
        assert_eq!(dismiss.step(Some(&made), now), [""; 0]);
        assert_eq!(dismiss.step(Some(&made), now + FIRST_DELAY), ["enter"], "that is no choice");
        assert_eq!(dismiss.step(Some(&theme()), now), [""; 0]);
        assert_eq!(
            dismiss.step(Some(&theme()), now + FIRST_DELAY),
            ["enter"],
            "what is no login is dismissed"
        );
    }

    #[test]
    fn what_a_person_opened_is_theirs() {
        let (mut dismiss, now) = (AutoDismiss::default(), Instant::now());
        let options = vec![DialogOption::default(), DialogOption::default()];
        let needed = AttentionRequest { options, ..theme() };
        dismiss.typed_in_composer();
        assert_eq!(dismiss.step(Some(&needed), now), [""; 0]);
        assert_eq!(dismiss.step(Some(&needed), now + FIRST_DELAY), [""; 0]);
        assert!(!dismiss.is_dismissing(&needed), "it is asked");
    }

    #[test]
    fn one_that_stays_becomes_a_question() {
        let (mut dismiss, needed) = (AutoDismiss::default(), theme());
        let mut now = Instant::now();
        let mut pressed = 0;
        for _ in 0..20 {
            pressed += dismiss.step(Some(&needed), now).len();
            now += RETRY_INTERVAL;
        }
        assert_eq!(pressed, 4);
        assert!(!dismiss.is_dismissing(&needed));
    }
}
