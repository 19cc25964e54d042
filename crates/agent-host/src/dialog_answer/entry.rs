//! A text that is typed into a dialog: once the entry for it is open, and entered once it is to be seen.

use std::time::{Duration, Instant};

use parallax_api::AttentionKind;
use parallax_api::text::visible;
use parallax_profile::AttentionRequest;
use parallax_screen::Screen;

use super::{DIALOG_TIMEOUT, RETRY_INTERVAL};

/// Text that is not to be seen, on a screen that has changed since it was typed, is entered after this time: the dialog may
/// show it in a way of its own.
pub(super) const ECHO_TIMEOUT: Duration = Duration::from_secs(1);
/// Between the keys that open an entry and the text: Claude Code drops what comes while it opens.
pub(super) const OPEN_DELAY: Duration = Duration::from_millis(250);
/// Between a text on the screen and its Enter: Gemini CLI paints a key before Enter would find it.
pub(super) const LOGIN_DELAY: Duration = Duration::from_millis(800);
pub(super) const ENTER_DELAY: Duration = Duration::from_millis(150);
/// Text of which the screen shows nothing at all was not read, and is typed again, so often at most.
const MAX_TYPED: u32 = 4;
/// The characters of a text that must be seen: its end, as a narrow field scrolls.
const SEEN_CHARACTERS: usize = 12;
/// What fields for secrets show for a character.
const MASKS: [char; 3] = ['*', '•', '●'];

/// A text that is typed, and entered once it is to be seen.
pub(super) struct PressedText {
    pub(super) text: String,
    /// What types it: the last of the writes, where nothing has to be opened before.
    pub(super) writes: Vec<Vec<u8>>,
    pub(super) enter: Vec<Vec<u8>>,
    /// Keys that open an entry were pressed before it.
    pub(super) opens: bool,
}

/// A text that was typed and not yet entered: Enter before the text has arrived would enter nothing.
pub(super) struct Entry {
    /// The dialog: its kind and the first line of what it says.
    kind: AttentionKind,
    title: Option<String>,
    text: String,
    /// What types it.
    writes: Vec<Vec<u8>>,
    /// The keys that enter it.
    enter: Vec<Vec<u8>>,
    /// When the keys that open the entry were pressed, and the screen before. None once it is open.
    opening: Option<(Instant, String)>,
    /// The screen when the text was typed.
    before: String,
    typed_at: Instant,
    /// How often it was typed.
    typed: u32,
    seen_at: Option<Instant>,
    /// When it is to be looked at again without an event.
    next_at: Instant,
}

/// A step of an entry.
pub(super) enum EntryStep {
    /// It has to wait.
    Wait,
    /// The entry has to be opened again.
    Reopen,
    /// The text is typed.
    Type(Vec<Vec<u8>>),
    /// The text is entered.
    Enter(Vec<Vec<u8>>),
}

impl Entry {
    /// The text was typed into this dialog, or its entry is being opened.
    pub(super) fn begin(text: PressedText, needed: &AttentionRequest, screen: &Screen, now: Instant) -> Self {
        let shown = shown(screen);
        Self {
            kind: needed.kind,
            title: needed.text.lines().next().map(str::to_owned),
            opening: text.opens.then(|| (now, shown.clone())),
            before: shown,
            next_at: now + if text.opens { OPEN_DELAY } else { ECHO_TIMEOUT },
            text: text.text,
            writes: text.writes,
            enter: text.enter,
            typed_at: now,
            typed: 1,
            seen_at: None,
        }
    }

    /// When it is to be looked at again without an event.
    pub(super) fn next_at(&self) -> Instant {
        self.next_at
    }

    /// Whether this is still the dialog in which it was typed. The text may have become part of what that says.
    pub(super) fn is_of(&self, needed: &AttentionRequest) -> bool {
        needed.kind == self.kind && needed.text.lines().next() == self.title.as_deref()
    }

    fn enter_delay(&self) -> Duration {
        if self.kind == AttentionKind::Login { LOGIN_DELAY } else { ENTER_DELAY }
    }

    /// What to do now.
    pub(super) fn step(&mut self, screen: &Screen, now: Instant) -> EntryStep {
        let shown = shown(screen);
        if let Some((at, before)) = &self.opening {
            let (at, is_open) = (*at, shown != *before);
            if is_open && now >= at + OPEN_DELAY {
                (self.opening, self.before) = (None, shown);
                return self.type_text(now);
            }
            self.next_at = at + if now < at + OPEN_DELAY { OPEN_DELAY } else { RETRY_INTERVAL };
            return if now < at + RETRY_INTERVAL { EntryStep::Wait } else { EntryStep::Reopen };
        }
        let is_late = now >= self.typed_at + ECHO_TIMEOUT;
        if self.is_seen(&shown) || is_late && shown != self.before {
            self.next_at = *self.seen_at.get_or_insert(now) + self.enter_delay();
            return if now >= self.next_at { EntryStep::Enter(self.enter.clone()) } else { EntryStep::Wait };
        }
        self.seen_at = None;
        if is_late && self.typed < MAX_TYPED {
            self.typed += 1;
            return self.type_text(now);
        }
        self.next_at = self.typed_at + if is_late { DIALOG_TIMEOUT } else { ECHO_TIMEOUT };
        EntryStep::Wait
    }

    fn type_text(&mut self, now: Instant) -> EntryStep {
        (self.typed_at, self.next_at) = (now, now + ECHO_TIMEOUT);
        EntryStep::Type(self.writes.clone())
    }

    /// Whether the end of the text came on the screen, or a mask in its place.
    fn is_seen(&self, shown: &str) -> bool {
        let compact: String = visible(&self.text);
        let length = compact.chars().count();
        let end: String = compact.chars().skip(length.saturating_sub(SEEN_CHARACTERS)).collect();
        let came = |what: &str| shown.matches(what).count() > self.before.matches(what).count();
        let masked = MASKS.map(|mask| mask.to_string().repeat(length.clamp(1, SEEN_CHARACTERS)));
        came(&end) || masked.iter().any(|masked| came(masked))
    }
}

/// The text of a screen without blanks: a text may be wrapped anywhere.
fn shown(screen: &Screen) -> String {
    screen.rows().iter().map(|row| visible(&row.text)).collect()
}
