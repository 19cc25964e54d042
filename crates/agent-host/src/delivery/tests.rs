//! One message, step by step, without a terminal and without waiting.

use std::time::Duration;

use parallax_profile::{ComposerMode, Profiles, Source};
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
    computed_at: Option<Instant>,
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
        delivery.begin("m".into(), "hello".into(), Vec::new(), now);
        Self {
            delivery,
            observation,
            submit: Submit::default(),
            written: 0,
            now,
            last_output: None,
            computed_at: None,
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
            computed_at: self.computed_at,
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

    fn prompt_taken(&mut self, prompt: Option<&str>, reports_prompts: bool) -> Option<Act> {
        self.delivery.prompt_taken(&self.submit, prompt, reports_prompts)
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
    assert!(bench.prompt_taken(Some("another"), true).is_none());
    assert!(matches!(bench.prompt_taken(Some("hello"), true), Some(Act::Taken(_))));
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
fn a_program_that_computes_is_waited_for() {
    let mut bench = Bench::new(Composer::Empty);
    bench.entered();
    bench.observation.composer = Composer::Empty;
    assert_eq!(bench.after(89_000), [""; 0]);
    bench.computed_at = Some(bench.now);
    assert_eq!(bench.after(89_999), [""; 0], "it printed something, and computes since");
    assert_eq!(bench.after(1), ["unknown"], "it computed, and has stopped");
}

#[test]
fn keys_that_clear_are_not_counted_until_they_are_read() {
    let mut bench = Bench::new(Composer::Holds("left over".into()));
    bench.last_output = Some(bench.now);
    assert_eq!(bench.after(0), ["keys [21]"]);
    assert_eq!(bench.after(1999), [""; 0], "it is busy");
    bench.last_output = None;
    assert_eq!(bench.after(1), ["keys [21]"]);
    bench.observation.composer = Composer::Empty;
    assert_eq!(bench.after(150).len(), 1, "it is clear: the paste");
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
    assert!(bench.prompt_taken(Some("their own"), true).is_none());
    assert!(matches!(bench.prompt_taken(Some(" hello\n"), true), Some(Act::Taken(_))));
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
    assert!(matches!(bench.prompt_taken(Some("hello"), true), Some(Act::Taken(_))));
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

/// A delivery of "hello" with two images.
fn with_images() -> Bench {
    let mut bench = Bench::new(Composer::Empty);
    bench.submit.images = Profiles::builtin().get("claude").unwrap().submit().images.clone();
    bench.delivery.begin("m".into(), "hello".into(), vec!["/1.png".into(), "/2.png".into()], bench.now);
    assert_eq!(bench.after(0), ["paste ^[[200~/1.png^[[201~"]);
    bench.written += 100;
    assert_eq!(bench.after(1), [""; 0]);
    bench
}

fn shows(bench: &mut Bench, text: &str) {
    bench.observation.composer = Composer::Holds(text.into());
}

#[test]
fn each_image_is_seen_before_the_next_and_all_before_enter() {
    let mut bench = with_images();
    bench.reports_prompts = true;
    shows(&mut bench, "[Image #4]");
    assert_eq!(bench.after(50), ["paste ^[[200~/2.png^[[201~"]);
    bench.written += 100;
    assert_eq!(bench.after(5000), [""; 0], "the second does not show yet");
    shows(&mut bench, "[Image #4] [Image #5]");
    assert_eq!(bench.after(1), ["paste ^[[200~hello\n^[[201~"]);
    bench.written += 100;
    assert_eq!(bench.after(1), [""; 0]);
    assert_eq!(bench.after(200), [""; 0], "the text does not show yet");
    shows(&mut bench, "[Image #4] [Image #5]hello");
    assert_eq!(bench.after(1), ["keys [13]", "typed"]);
    assert!(bench.prompt_taken(Some("[Image #4] another"), true).is_none());
    assert!(matches!(bench.prompt_taken(Some("[Image #4] [Image #5] hello"), true), Some(Act::Taken(_))));
}

#[test]
fn a_message_whose_image_is_not_read_is_not_entered() {
    let mut bench = with_images();
    shows(&mut bench, "/1.png");
    assert_eq!(bench.after(19_998), [""; 0]);
    let mut seen = bench.after(1);
    for _ in 0..3 {
        seen.extend(bench.after(150));
    }
    assert!(seen.contains(&"keys [21]".to_owned()), "{seen:?}");
    bench.observation.composer = Composer::Empty;
    for _ in 0..10 {
        seen.extend(bench.after(150));
    }
    assert_eq!(seen.last().map(String::as_str), Some("failed AGENT_FAILED"), "{seen:?}");
    assert!(seen.iter().all(|act| !act.contains("[13]")), "{seen:?}");
}

#[test]
fn an_image_that_goes_away_again_is_not_left_out() {
    let mut bench = with_images();
    shows(&mut bench, "[Image #1]");
    assert_eq!(bench.after(50).len(), 1);
    bench.written += 100;
    bench.after(1);
    shows(&mut bench, "[Image #1] [Image #2]");
    assert_eq!(bench.after(1), ["paste ^[[200~hello\n^[[201~"]);
    bench.written += 100;
    bench.after(1);
    shows(&mut bench, "[Image #1]hello");
    assert_eq!(bench.after(3000), [""; 0]);
    assert_eq!(bench.after(2500), [""; 0]);
    assert_eq!(bench.after(1), ["keys [21]"], "all is cleared, and begun again");
    bench.observation.composer = Composer::Empty;
    assert_eq!(bench.after(150), ["paste ^[[200~/1.png^[[201~"]);
}
