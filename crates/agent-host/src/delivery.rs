//! Typing one message into a CLI so that it is taken once and whole.
//!
//! Terminal programs swallow an Enter that comes too soon after a paste, so a message is pasted, seen in the composer,
//! entered, and then proved: `clearing → pasting → settling → entered → taken`. This is a state machine without a clock or
//! a terminal of its own: the session passes in what it sees, and executes the returned acts.

use std::time::{Duration, Instant};

use parallax_api::text::is_invisible;
use parallax_api::{AgentStatus, Code, Problem};
use parallax_profile::{Composer, Observation, Outcome, Submit};
use parallax_screen::keys;

/// How often it is looked whether the program has read the paste.
const PASTE_POLL: Duration = Duration::from_millis(5);
/// A program that has not read a whole paste by then will not.
const PASTE_LIMIT: Duration = Duration::from_secs(60);
/// Between two attempts to clear the composer.
const CLEAR_WAIT: Duration = Duration::from_millis(150);
/// Attempts to clear the composer; each clears a line or all.
const CLEAR_TRIES: u32 = 20;
/// Enters that are tried while the text still stands in the composer.
const ENTER_TRIES: u32 = 3;
/// With the text gone from the composer and no proof: how long the turn may take to show.
const PROOF_LIMIT: Duration = Duration::from_secs(90);
/// … and while the program prints nothing at all: Gemini computes for minutes over a single line of 100 kB when the
/// machine is busy, and takes it then.
const SILENT_PROOF_LIMIT: Duration = Duration::from_secs(600);
/// Without the CLI's own word for the prompt that it took, work that goes on for so long is the proof.
const WORK_IS_PROOF: Duration = Duration::from_secs(3);
/// A paste that does not show in the composer by then will not be entered.
const ECHO_LIMIT: Duration = Duration::from_secs(60);
/// A paste of which an answering program has shown nothing for so long was lost: it is pasted again.
const LOST_AFTER: Duration = Duration::from_secs(5);
/// Pastes of one message.
const PASTES: u32 = 3;
/// A text of more lines may not fit in a composer: then its end need not show.
const TALL_LINES: usize = 8;
/// An agent that has been ready for so long has ended its turn, also when its end was not seen.
const IDLE_LIMIT: Duration = Duration::from_secs(5);

/// The message in hand, if any, and how far it is.
#[derive(Default)]
pub struct Delivery {
    current: Option<Current>,
    /// A paste was never seen: it may still show in the composer, before what is pasted next.
    is_paste_outstanding: bool,
    /// The message of which nobody knows whether it was taken. The CLI may still say so.
    unknown: Option<(String, String)>,
}

struct Current {
    id: String,
    text: String,
    phase: Phase,
    pastes: u32,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Clearing {
        tries: u32,
        again_at: Instant,
    },
    Pasting {
        target: u64,
        since: Instant,
    },
    Settling {
        since: Instant,
    },
    Entered {
        since: Instant,
        tries: u32,
        busy_since: Option<Instant>,
    },
    /// It cannot be delivered: the composer is emptied before that is said.
    Emptying {
        tries: u32,
        again_at: Instant,
        entered: bool,
    },
    Taken {
        idle_since: Option<Instant>,
    },
}

/// What the session is asked to do.
#[derive(Debug)]
pub enum Act {
    /// Write these bytes; when they are a paste, say with [`Delivery::pasted`] which input offset ends them.
    Paste(Vec<u8>),
    /// Write these bytes.
    Keys(Vec<u8>),
    /// Enter was written: the message is `typed`.
    Typed(String),
    /// There is proof that it was taken.
    Taken(String),
    /// It could not be delivered, and cannot be taken any more.
    Failed(String, Problem),
    /// Nobody knows whether it was taken.
    Unknown(String, Problem),
    /// Its turn is over; its answer was reported, if there is one.
    Close(String, Outcome),
}

/// What the session sees.
pub struct DeliveryInput<'a> {
    /// The detector's desired.
    pub observation: &'a Observation,
    /// Input bytes that the terminal has taken.
    pub written: u64,
    /// How to encode keys.
    pub modes: &'a parallax_screen::Modes,
    /// When the program last printed something.
    pub last_output: Instant,
    /// Whether the CLI says which prompt it took.
    pub reports_prompts: bool,
}

impl Delivery {
    /// Whether a message is in hand.
    pub fn is_busy(&self) -> bool {
        self.current.is_some()
    }

    /// Whether Enter was pressed for the message in hand: a turn runs, or is about to.
    pub fn is_entered(&self) -> bool {
        matches!(self.current, Some(Current { phase: Phase::Entered { .. } | Phase::Taken { .. }, .. }))
    }

    /// The message in hand, once Enter was pressed for it.
    pub fn entered_id(&self) -> Option<&str> {
        self.current.as_ref().filter(|_| self.is_entered()).map(|current| current.id.as_str())
    }

    /// Whether the message in hand was taken and its turn is not over.
    pub fn is_taken(&self) -> bool {
        matches!(self.current, Some(Current { phase: Phase::Taken { .. }, .. }))
    }

    /// Whether the agent would take a message now.
    pub fn would_take(observation: &Observation) -> bool {
        let status = matches!(observation.status, AgentStatus::Ready | AgentStatus::Error);
        status && observation.attention.is_none() && observation.composer != Composer::Absent
    }

    /// Takes a message in hand. `text` is what to type: already guarded.
    pub fn begin(&mut self, id: String, text: String, now: Instant) {
        let phase = Phase::Clearing { tries: 0, again_at: now };
        self.current = Some(Current { id, text, phase, pastes: 0 });
    }

    /// The paste is queued for the terminal and ends at this input offset.
    pub fn pasted(&mut self, target: u64, now: Instant) {
        if let Some(current) = &mut self.current {
            current.pastes += 1;
            current.phase = Phase::Pasting { target, since: now };
        }
    }

    /// The CLI says that it took a prompt, and which, where it says that. Another prompt than the one that was typed is no
    /// proof: a person may have typed it, or it may be one of the CLI's own.
    pub fn prompt_taken(&mut self, prompt: Option<&str>, reports_prompts: bool) -> Option<Act> {
        if let (None, Some((id, text)), Some(prompt)) = (&self.current, &self.unknown, prompt)
            && is_same(prompt, text)
        {
            let (id, text) = (id.clone(), text.clone());
            self.unknown = None;
            let phase = Phase::Taken { idle_since: None };
            self.current = Some(Current { id: id.clone(), text, phase, pastes: 0 });
            return Some(Act::Taken(id));
        }
        let current = self.current.as_mut()?;
        let is_ours = prompt.map_or(!reports_prompts, |prompt| is_same(prompt, &current.text));
        (is_ours && matches!(current.phase, Phase::Entered { .. })).then(|| {
            current.phase = Phase::Taken { idle_since: None };
            Act::Taken(current.id.clone())
        })
    }

    /// The turn is over. Returns the message whose turn it was; `None` when it did not come through the inbox.
    pub fn turn_over(&mut self) -> Option<String> {
        // A turn may be over before it was seen to begin.
        let is_ours =
            |current: &mut Current| matches!(current.phase, Phase::Entered { .. } | Phase::Taken { .. });
        self.current.take_if(is_ours).map(|current| current.id)
    }

    /// Lets go of the message in hand, because the process is gone. Answers its id, and whether Enter was pressed for
    /// it: then it is unknown whether it was taken.
    pub fn abandon(&mut self) -> Option<(String, bool)> {
        let entered = self.is_entered();
        self.current.take().map(|current| (current.id, entered))
    }

    /// When to look again though nothing happened.
    pub fn deadline(&self, submit: &Submit, now: Instant) -> Option<Instant> {
        Some(match self.current.as_ref()?.phase {
            Phase::Clearing { again_at, .. } => again_at,
            Phase::Pasting { .. } => now + PASTE_POLL,
            Phase::Settling { since } => {
                next_of(now, since, &[settle(submit), echo_timeout(submit), LOST_AFTER, ECHO_LIMIT])
            }
            Phase::Entered { since, busy_since, .. } => {
                let proof = busy_since.map(|at| at + WORK_IS_PROOF).filter(|at| *at > now);
                let limits = [proof_timeout(submit), PROOF_LIMIT, SILENT_PROOF_LIMIT];
                let next = next_of(now, since, &limits);
                proof.map_or(next, |at| at.min(next))
            }
            Phase::Emptying { again_at, .. } => again_at,
            Phase::Taken { idle_since } => idle_since? + IDLE_LIMIT,
        })
    }

    /// Goes on as far as what is seen allows.
    pub fn step(&mut self, submit: &Submit, input: &DeliveryInput<'_>, now: Instant) -> Vec<Act> {
        let mut acts = Vec::new();
        while let Some(current) = &mut self.current {
            // A dialog came up meanwhile: what is typed now would answer it.
            if input.observation.attention.is_some() {
                match &mut current.phase {
                    Phase::Settling { since } => {
                        *since = now;
                        break;
                    }
                    Phase::Clearing { again_at, .. } => {
                        *again_at = now + CLEAR_WAIT;
                        break;
                    }
                    _ => {}
                }
            }
            let before = acts.len();
            match current.phase {
                Phase::Clearing { tries, again_at } => {
                    clear_or_paste(current, submit, input, tries, again_at, now, &mut acts);
                }
                Phase::Pasting { target, since } => {
                    if input.written >= target {
                        current.phase = Phase::Settling { since: now };
                        continue;
                    }
                    if now - since > PASTE_LIMIT {
                        acts.push(Act::Failed(current.id.clone(), not_read()));
                    }
                }
                Phase::Settling { since } => {
                    let waited = now - since;
                    let composer = &input.observation.composer;
                    let is_plain = input.observation.composer_mode.is_none();
                    let seen = is_plain && submit.is_echoed(&current.text, composer);
                    let late = waited >= echo_timeout(submit);
                    // A CLI may show odd characters otherwise; but what was pasted before must not be entered with it.
                    let looks_alike = late
                        && is_plain
                        && !self.is_paste_outstanding
                        && (submit.is_nearly_echoed(&current.text, composer)
                            || *composer == Composer::Absent && current.text.lines().count() > TALL_LINES);
                    if waited >= settle(submit) && (seen || looks_alike) {
                        self.is_paste_outstanding = false;
                        current.phase = Phase::Entered { since: now, tries: 1, busy_since: None };
                        acts.push(Act::Keys(b"\r".to_vec()));
                        acts.push(Act::Typed(current.id.clone()));
                    } else if late
                        && matches!(composer, Composer::Holds(_))
                        && current.pastes < PASTES
                        && waited >= LOST_AFTER
                    {
                        // Something else stands there with it.
                        current.phase = Phase::Clearing { tries: 0, again_at: now };
                    } else if *composer == Composer::Empty
                        && waited >= LOST_AFTER
                        && input.last_output > since
                        && current.pastes < PASTES
                    {
                        self.is_paste_outstanding = true;
                        current.phase = Phase::Clearing { tries: 0, again_at: now };
                    } else if waited >= ECHO_LIMIT {
                        self.is_paste_outstanding = true;
                        current.phase = Phase::Emptying { tries: 0, again_at: now, entered: false };
                    }
                }
                Phase::Entered { since, tries, busy_since } => {
                    let holds = matches!(input.observation.composer, Composer::Holds(_));
                    let asks = input.observation.attention.is_some();
                    let waited = now - since;
                    let works = input.observation.status == AgentStatus::Busy && !holds;
                    let busy_since = works.then(|| busy_since.unwrap_or(now));
                    current.phase = Phase::Entered { since, tries, busy_since };
                    let silent = input.last_output <= since;
                    let limit = if silent { SILENT_PROOF_LIMIT } else { PROOF_LIMIT };
                    if busy_since.is_some_and(|at| !input.reports_prompts || now - at >= WORK_IS_PROOF) {
                        current.phase = Phase::Taken { idle_since: None };
                        acts.push(Act::Taken(current.id.clone()));
                    } else if holds && !asks && waited >= proof_timeout(submit) {
                        // The Enter was swallowed: the text still stands there.
                        if tries < ENTER_TRIES {
                            current.phase = Phase::Entered { since: now, tries: tries + 1, busy_since: None };
                            acts.push(Act::Keys(b"\r".to_vec()));
                        } else {
                            current.phase = Phase::Emptying { tries: 0, again_at: now, entered: true };
                        }
                    } else if waited >= limit && !asks {
                        self.unknown = Some((current.id.clone(), current.text.clone()));
                        acts.push(Act::Unknown(current.id.clone(), no_sign()));
                    }
                }
                Phase::Emptying { tries, again_at, entered } => {
                    empty(current, submit, input, (tries, again_at, entered), now, &mut acts);
                }
                Phase::Taken { idle_since } => {
                    let idle = input.observation.status == AgentStatus::Ready
                        && input.observation.attention.is_none();
                    let since = idle.then(|| idle_since.unwrap_or(now));
                    current.phase = Phase::Taken { idle_since: since };
                    if since.is_some_and(|since| now - since >= IDLE_LIMIT) {
                        acts.push(Act::Close(current.id.clone(), Outcome::Completed));
                    }
                }
            }
            let is_over = |act: &Act| matches!(act, Act::Failed(..) | Act::Unknown(..) | Act::Close(..));
            if acts[before..].iter().any(is_over) {
                self.current = None;
            }
            break;
        }
        acts
    }
}

/// Only into an empty composer: what stands there would become part of the message.
fn clear_or_paste(
    current: &mut Current,
    submit: &Submit,
    input: &DeliveryInput<'_>,
    tries: u32,
    again_at: Instant,
    now: Instant,
    acts: &mut Vec<Act>,
) {
    if now < again_at {
        return;
    }
    let mode = input.observation.composer_mode.as_ref();
    let holds = matches!(input.observation.composer, Composer::Holds(_));
    if !holds && mode.is_none() {
        let text = if submit.final_newline { format!("{}\n", current.text) } else { current.text.clone() };
        acts.push(Act::Paste(keys::paste(&text)));
        return;
    }
    if tries >= CLEAR_TRIES {
        let why =
            "the agent's composer holds text that cannot be cleared; look at its screen and clear it by hand";
        acts.push(Act::Failed(current.id.clone(), Problem::new(Code::AgentFailed, why)));
        return;
    }
    // In some modes text is cleared first, in others only after the mode was left: both in turn.
    let leave = mode.filter(|_| !holds || tries % 2 == 1).map(|mode| &mode.leave);
    for key in leave.unwrap_or(&submit.clear_keys) {
        acts.extend(keys::encode(key, input.modes).map(Act::Keys));
    }
    current.phase = Phase::Clearing { tries: tries + 1, again_at: now + CLEAR_WAIT };
}

/// Empties the composer of a message that could not be delivered. Once Enter was pressed, only an empty composer proves
/// that the message cannot be taken any more.
fn empty(
    current: &mut Current,
    submit: &Submit,
    input: &DeliveryInput<'_>,
    (tries, again_at, entered): (u32, Instant, bool),
    now: Instant,
    acts: &mut Vec<Act>,
) {
    if now < again_at {
        return;
    }
    let holds = matches!(input.observation.composer, Composer::Holds(_));
    let lines = u32::try_from(current.text.lines().count()).unwrap_or(CLEAR_TRIES).min(CLEAR_TRIES);
    // What the composer does not show yet may still be on its way to it: the keys follow it.
    let is_blind = !entered && tries <= lines;
    if tries < CLEAR_TRIES && (holds || is_blind) {
        for key in &submit.clear_keys {
            acts.extend(keys::encode(key, input.modes).map(Act::Keys));
        }
        let wait = if is_blind { PASTE_POLL } else { CLEAR_WAIT };
        current.phase = Phase::Emptying { tries: tries + 1, again_at: now + wait, entered };
    } else if entered && input.observation.composer != Composer::Empty {
        acts.push(Act::Unknown(current.id.clone(), no_sign()));
    } else {
        acts.push(Act::Failed(current.id.clone(), if entered { not_taken() } else { not_shown() }));
    }
}

/// Whether the CLI took what was typed: the same text, apart from white space and from what cannot be seen.
fn is_same(prompt: &str, typed: &str) -> bool {
    let visible = |text: &str| -> String {
        text.chars().filter(|char| !char.is_whitespace() && !is_invisible(*char)).collect()
    };
    visible(prompt) == visible(typed)
}

fn settle(submit: &Submit) -> Duration {
    Duration::from_millis(submit.settle_ms)
}

fn echo_timeout(submit: &Submit) -> Duration {
    Duration::from_millis(submit.echo_timeout_ms)
}

fn proof_timeout(submit: &Submit) -> Duration {
    Duration::from_millis(submit.proof_timeout_ms)
}

/// The first of several points after `since` that still lies ahead.
fn next_of(now: Instant, since: Instant, waits: &[Duration]) -> Instant {
    waits.iter().map(|wait| since + *wait).filter(|at| *at > now).min().unwrap_or(now + CLEAR_WAIT)
}

fn not_read() -> Problem {
    Problem::new(
        Code::AgentFailed,
        "the agent did not read the message from its terminal; look at its screen",
    )
}

fn not_shown() -> Problem {
    Problem::new(
        Code::AgentFailed,
        "the message did not show in the agent's composer, so it was not entered; look at its screen",
    )
}

fn no_sign() -> Problem {
    Problem::new(
        Code::Timeout,
        "it is not known whether the agent took the message: there was no sign of it; look at its screen before you send \
         it again",
    )
    .with("state", "unknown")
}

fn not_taken() -> Problem {
    Problem::new(Code::AgentFailed, "the agent shows no sign of having taken the message; look at its screen")
}

#[cfg(test)]
mod tests {
    use parallax_profile::{ComposerMode, Source};
    use parallax_screen::Modes;

    use super::*;

    /// A delivery of "hello", and what it is shown.
    struct Bench {
        delivery: Delivery,
        observation: Observation,
        submit: Submit,
        written: u64,
        now: Instant,
        /// Default: it prints all the time.
        last_output: Option<Instant>,
        reports_prompts: bool,
    }

    impl Bench {
        fn new(composer: Composer) -> Self {
            let observation = Observation {
                status: AgentStatus::Ready,
                attention: None,
                error: None,
                composer,
                source: Source::Osc7501,
                rule: String::new(),
                evidence: String::new(),
                since: Duration::ZERO,
                detail: None,
                composer_mode: None,
                background: 0,
            };
            let now = Instant::now();
            let mut delivery = Delivery::default();
            delivery.begin("m".into(), "hello".into(), now);
            Self {
                delivery,
                observation,
                submit: Submit::default(),
                written: 0,
                now,
                last_output: None,
                reports_prompts: false,
            }
        }

        /// Lets time pass, then one step; what it asks for, in short.
        fn after(&mut self, millis: u64) -> Vec<String> {
            self.now += Duration::from_millis(millis);
            let input = DeliveryInput {
                observation: &self.observation,
                written: self.written,
                modes: &Modes::default(),
                last_output: self.last_output.unwrap_or(self.now),
                reports_prompts: self.reports_prompts,
            };
            let acts = self.delivery.step(&self.submit, &input, self.now);
            acts.iter().map(|act| self.note(act)).collect()
        }

        fn note(&mut self, act: &Act) -> String {
            match act {
                Act::Paste(bytes) => {
                    self.delivery.pasted(self.written + bytes.len() as u64, self.now);
                    format!("paste {}", String::from_utf8_lossy(bytes).replace('\x1b', "^["))
                }
                Act::Keys(bytes) => format!("keys {bytes:?}"),
                Act::Typed(_) => "typed".into(),
                Act::Taken(_) => "taken".into(),
                Act::Failed(_, problem) => format!("failed {}", problem.code),
                Act::Unknown(..) => "unknown".into(),
                Act::Close(_, outcome) => format!("close {outcome:?}"),
            }
        }

        fn pasted(&mut self) {
            assert_eq!(self.after(0), ["paste ^[[200~hello\n^[[201~"]);
            self.written = 100;
            self.observation.composer = Composer::Holds("hello".into());
        }

        fn entered(&mut self) {
            self.pasted();
            assert_eq!(self.after(1), [""; 0]);
            assert_eq!(self.after(150), ["keys [13]", "typed"]);
        }
    }

    #[test]
    fn enter_waits_for_the_echo() {
        let mut bench = Bench::new(Composer::Empty);
        assert_eq!(bench.after(0), ["paste ^[[200~hello\n^[[201~"]);
        assert_eq!(bench.after(1000), [""; 0], "the program has not read the paste");
        bench.written = 100;
        assert_eq!(bench.after(1), [""; 0]);
        assert_eq!(bench.after(500), [""; 0], "nothing is in the composer yet");
        bench.observation.composer = Composer::Holds("hello".into());
        assert_eq!(bench.after(1), ["keys [13]", "typed"]);
    }

    #[test]
    fn a_swallowed_enter_is_repeated_only_while_the_text_stands_there() {
        let mut bench = Bench::new(Composer::Empty);
        bench.entered();
        assert_eq!(bench.after(1999), [""; 0]);
        assert_eq!(bench.after(1), ["keys [13]"]);
        bench.observation.composer = Composer::Empty;
        assert_eq!(bench.after(2500), [""; 0], "the text is gone: never type it again");
        bench.observation.status = AgentStatus::Busy;
        assert_eq!(bench.after(1), ["taken"]);
    }

    #[test]
    fn without_any_sign_nobody_knows() {
        let mut bench = Bench::new(Composer::Empty);
        bench.entered();
        bench.observation.composer = Composer::Empty;
        assert_eq!(bench.after(89_999), [""; 0]);
        assert_eq!(bench.after(1), ["unknown"]);
        assert!(!bench.delivery.is_busy());
        assert!(bench.delivery.prompt_taken(Some("another"), true).is_none());
        assert!(matches!(bench.delivery.prompt_taken(Some("hello"), true), Some(Act::Taken(_))));
        assert_eq!(bench.delivery.turn_over().as_deref(), Some("m"), "it is answered after all");
    }

    #[test]
    fn a_program_that_prints_nothing_may_compute() {
        let mut bench = Bench::new(Composer::Empty);
        bench.entered();
        bench.last_output = Some(bench.now);
        bench.observation.composer = Composer::Empty;
        assert_eq!(bench.after(599_999), [""; 0]);
        assert_eq!(bench.after(1), ["unknown"]);
    }

    #[test]
    fn a_text_that_does_not_show_is_never_entered() {
        let mut bench = Bench::new(Composer::Empty);
        assert_eq!(bench.after(0).len(), 1);
        bench.written = 100;
        bench.last_output = Some(bench.now);
        assert_eq!(bench.after(1), [""; 0]);
        assert_eq!(bench.after(59_999), [""; 0], "a frozen program");
        let mut seen = bench.after(1);
        for _ in 0..10 {
            seen.extend(bench.after(150));
        }
        assert_eq!(seen.last().map(String::as_str), Some("failed AGENT_FAILED"));
        assert!(seen.iter().all(|act| !act.contains("[13]")), "{seen:?}");
        assert!(seen.contains(&"keys [21]".to_owned()), "what comes late is emptied: {seen:?}");
    }

    #[test]
    fn two_messages_are_never_glued() {
        let mut bench = Bench::new(Composer::Empty);
        assert_eq!(bench.after(0).len(), 1);
        bench.written = 100;
        bench.observation.composer = Composer::Holds("an earlier messagehello".into());
        assert_eq!(bench.after(1), [""; 0]);
        assert_eq!(bench.after(2500), [""; 0]);
        assert_eq!(bench.after(2500), [""; 0]);
        assert_eq!(bench.after(1), ["keys [21]"], "both are cleared");
        bench.observation.composer = Composer::Empty;
        assert_eq!(bench.after(150), ["paste ^[[200~hello\n^[[201~"]);
    }

    #[test]
    fn a_paste_that_was_lost_is_pasted_again() {
        let mut bench = Bench::new(Composer::Empty);
        assert_eq!(bench.after(0).len(), 1);
        bench.written = 100;
        assert_eq!(bench.after(1), [""; 0]);
        assert_eq!(bench.after(5000), [""; 0]);
        assert_eq!(bench.after(0), ["paste ^[[200~hello\n^[[201~"]);
        bench.written = 200;
        bench.observation.composer = Composer::Holds("hello".into());
        assert_eq!(bench.after(1), [""; 0]);
        assert_eq!(bench.after(150), ["keys [13]", "typed"]);
    }

    #[test]
    fn the_prompt_that_was_taken_must_be_ours() {
        let mut bench = Bench::new(Composer::Empty);
        bench.reports_prompts = true;
        bench.entered();
        bench.observation.composer = Composer::Empty;
        bench.observation.status = AgentStatus::Busy;
        assert_eq!(bench.after(10), [""; 0], "work may be somebody else's");
        assert!(bench.delivery.prompt_taken(Some("their own"), true).is_none());
        assert!(matches!(bench.delivery.prompt_taken(Some(" hello\n"), true), Some(Act::Taken(_))));
    }

    #[test]
    fn what_stands_in_the_composer_is_cleared_first() {
        let mut bench = Bench::new(Composer::Holds("left over".into()));
        assert_eq!(bench.after(0), ["keys [21]"]);
        assert_eq!(bench.after(50), [""; 0]);
        bench.observation.composer = Composer::Empty;
        assert_eq!(bench.after(100), ["paste ^[[200~hello\n^[[201~"]);
    }

    #[test]
    fn a_mode_is_left_first() {
        let mut bench = Bench::new(Composer::Holds("ls".into()));
        let leave = vec!["backspace".into()];
        bench.observation.composer_mode = Some(ComposerMode { name: "shell".into(), leave });
        assert_eq!(bench.after(0), ["keys [21]"]);
        bench.observation.composer = Composer::Empty;
        assert_eq!(bench.after(150), ["keys [127]"]);
        bench.observation.composer_mode = None;
        assert_eq!(bench.after(150), ["paste ^[[200~hello\n^[[201~"]);
    }

    #[test]
    fn a_turn_that_nobody_saw_end_is_over_when_the_agent_stays_ready() {
        let mut bench = Bench::new(Composer::Empty);
        bench.entered();
        assert!(matches!(bench.delivery.prompt_taken(Some("hello"), true), Some(Act::Taken(_))));
        bench.observation.composer = Composer::Empty;
        assert_eq!(bench.after(1000), [""; 0]);
        assert_eq!(bench.after(4999), [""; 0]);
        assert_eq!(bench.after(1), ["close Completed"]);
    }

    #[test]
    fn a_turn_that_ends_before_enter_is_somebody_elses() {
        let mut bench = Bench::new(Composer::Empty);
        bench.pasted();
        assert_eq!(bench.delivery.turn_over(), None);
        assert_eq!(bench.after(1), [""; 0]);
        assert_eq!(bench.after(150), ["keys [13]", "typed"]);
        assert_eq!(bench.delivery.turn_over().as_deref(), Some("m"));
    }
}
