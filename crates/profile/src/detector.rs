//! From what a session tells to what its agent is doing.
//!
//! Reports move the status at once, but for `idle`, which must hold for a moment: CLIs say it between two tasks. A dialog on
//! the screen is a question or a login whatever the reports say, and nothing is ready behind it.

mod claims;
mod composer;
mod conclusions;
mod dialog;
mod link;
mod observation;
mod reports;
mod sight;
mod turn;

use std::sync::Arc;
use std::time::Duration;

use parallax_api::AgentStatus;
use parallax_screen::{Screen, TerminalReport};
use serde_json::Value;

use crate::profile::Profile;
use crate::profile::report::{Means, Reading};
use claims::{Claim, Claims};
use conclusions::{DIALOG_WAIT, FIRST_COMPOSER, SCREEN_ALONE, SETTLE, START_UP};
pub use observation::{Choice, Composer, Fact, Needed, Observation, Outcome, Source, TextEntry};
use reports::{Tokens, Told, status_claim, title_claim};
use sight::Sight;
use turn::Turn;

/// The screen is looked at when it has been quiet so long: what comes in one write may be read in two.
const QUIET: Duration = Duration::from_millis(20);
/// … or so long after it changed, however much goes on.
const LOOK_ANYWAY: Duration = Duration::from_millis(100);

/// Something the detector is told.
#[derive(Clone, Copy, Debug)]
pub enum Signal<'a> {
    /// The screen changed and is outside a frame.
    Screen,
    /// The program reported something in the terminal stream.
    Terminal(&'a TerminalReport),
    /// A hook of the CLI ran.
    Hook {
        /// The hook's name.
        name: &'a str,
        /// What it was told.
        payload: &'a Value,
    },
    /// A line of the CLI's session file.
    Record {
        /// The line.
        line: &'a Value,
    },
    /// Enter was written for a message.
    Typed,
    /// The deadline has come.
    Tick,
}

/// Concludes what one agent is doing: a state machine without clock or I/O.
#[derive(Debug)]
pub struct Detector {
    profile: Arc<Profile>,
    observation: Observation,
    claims: Claims,
    sight: Sight,
    turn: Turn,
    tokens: Tokens,
    /// When the current turn was told to have begun: what was claimed before says nothing of it.
    turn_begun: Duration,
    /// Since when the composer has been on the screen.
    composer_since: Option<Duration>,
    /// When the dialog that is still told was last on the screen.
    dialog_gone: Option<Duration>,
    /// The first and the last change of the screen that has not been looked at.
    unseen: Option<(Duration, Duration)>,
    /// It has been ready, or something was entered: work that is reported is work on a prompt.
    has_begun: bool,
    /// A message was entered, and nothing has been heard of it.
    is_entered: bool,
    /// When the last failure was told. It is shown for a moment before the agent is ready again.
    failed_at: Option<Duration>,
    /// The claim of a failure that has been told.
    told_failure: Option<Duration>,
    version_told: bool,
    due: Option<Duration>,
}

impl Detector {
    /// A detector for an agent that has just been spawned.
    pub fn new(profile: Arc<Profile>) -> Self {
        let observation = Observation {
            status: AgentStatus::Starting,
            attention: None,
            error: None,
            composer: Composer::Absent,
            source: Source::Process,
            rule: "spawned".into(),
            evidence: String::new(),
            since: Duration::ZERO,
            detail: None,
        };
        Self {
            profile,
            observation,
            claims: Claims::default(),
            sight: Sight::default(),
            turn: Turn::default(),
            tokens: Tokens::default(),
            turn_begun: Duration::ZERO,
            composer_since: None,
            dialog_gone: None,
            unseen: None,
            has_begun: false,
            is_entered: false,
            failed_at: None,
            told_failure: None,
            version_told: false,
            due: None,
        }
    }

    /// Takes in one signal, `now` after the spawn, and tells what happened.
    pub fn observe(&mut self, now: Duration, screen: &Screen, signal: Signal<'_>) -> Vec<Fact> {
        let profile = Arc::clone(&self.profile);
        let mut facts = Vec::new();
        match signal {
            Signal::Screen => self.unseen = Some((self.unseen.map_or(now, |(first, _)| first), now)),
            Signal::Terminal(TerminalReport::Status(status)) => {
                if let Some(claim) = profile.status.as_ref().and_then(|rule| status_claim(rule, status, now))
                {
                    // Done with what was entered before it could say that it works: done anew.
                    if claim.means == Means::Done && self.is_entered {
                        self.is_entered = false;
                        facts.extend(self.turn.begin(None));
                        self.claims.renew(claim);
                    } else {
                        self.claims.make(claim);
                    }
                }
            }
            Signal::Terminal(TerminalReport::Title(title)) => {
                title_claim(&profile, title, now).into_iter().for_each(|claim| self.claims.make(claim));
            }
            Signal::Terminal(TerminalReport::Bell | TerminalReport::Prompt(_)) | Signal::Tick => {}
            Signal::Hook { name, payload } => {
                for rule in profile.hooks.iter().filter(|rule| rule.name == name) {
                    if let Some(means) = rule.means {
                        let evidence = payload.to_string().chars().take(HOOK_EVIDENCE_CHARS).collect();
                        let (source, rule) = (Source::Hook, format!("hook {name}"));
                        self.claims.make(Claim { means, at: now, source, rule, evidence, message: None });
                    }
                    facts.extend(self.hear(&rule.read, payload, rule.over));
                }
            }
            Signal::Record { line } => {
                let rules = profile.record.iter().flat_map(|record| &record.lines);
                for rule in rules.filter(|rule| rule.matches(line)) {
                    facts.extend(self.hear(&rule.read, line, rule.over));
                }
            }
            // An Enter that answers a start-up dialog begins nothing.
            Signal::Typed => {
                self.is_entered = self.sight.dialog.is_none();
                self.has_begun |= self.is_entered;
            }
        }
        if self.is_time_to_look(now, screen) {
            facts.extend(self.look(now, screen));
        }
        if facts.contains(&Fact::PromptTaken { text: None }) {
            self.turn_begun = now;
        }
        facts.extend(self.settle(now));
        self.due = self.next_due(now);
        facts
    }

    /// When [`Signal::Tick`] is due though nothing else comes.
    pub fn deadline(&self) -> Option<Duration> {
        self.due
    }

    /// Whether a turn is over by all signs, and only its answer is awaited: what comes now still belongs to it.
    pub fn is_closing(&self) -> bool {
        self.turn.due().is_some()
    }

    /// What is concluded now.
    pub fn observation(&self) -> &Observation {
        &self.observation
    }

    /// Takes in what a hook or a line of the session file tells.
    fn hear(&mut self, reading: &Reading, value: &Value, over: Option<Outcome>) -> Vec<Fact> {
        let told = Told::read(reading, value);
        let mut facts = Vec::new();
        let version = told.version.filter(|_| !self.version_told);
        self.version_told |= version.is_some();
        facts.extend(version.map(Fact::Version));
        facts.extend(told.cost.map(|usd| Fact::Cost { usd }));
        facts.extend(told.session.map(|id| Fact::Session { id }));
        facts.extend(self.tokens.add(reading, value, told.id.as_deref()));
        if told.prompt.is_some() {
            facts.extend(self.turn.begin(told.prompt));
        }
        if let Some(said) = told.said {
            self.turn.say(said, told.id.clone());
        }
        if let Some(answer) = told.answer {
            facts.push(self.turn.answer(answer, told.id));
        }
        let failed = told.failure.is_some();
        if let Some(message) = told.failure {
            self.observation.error = Some(self.profile.error(&message));
        }
        if let Some(outcome) = over {
            facts.extend(self.turn.over(if failed { Outcome::Failed } else { outcome }));
        } else if self.turn.has_words() && !self.tells_whole_answers() {
            self.turn.wait_no_longer();
        }
        facts
    }

    fn is_time_to_look(&mut self, now: Duration, screen: &Screen) -> bool {
        let Some((first, last)) = self.unseen else { return false };
        if screen.modes().in_frame {
            // Half a frame shows what never was; its end is the next change.
            self.unseen = Some((first, now));
            return false;
        }
        now >= last + QUIET || now >= first + LOOK_ANYWAY
    }

    fn look(&mut self, now: Duration, screen: &Screen) -> Vec<Fact> {
        self.unseen = None;
        self.sight = Sight::take(&self.profile, screen);
        self.observation.composer = self.sight.composer();
        let is_there = self.sight.composer.is_some();
        self.composer_since = self.composer_since.or(Some(now)).filter(|_| is_there);
        let means = match (&self.sight.busy, &self.sight.composer) {
            (Some(_), _) => Some(Means::Working),
            (None, Some(_)) => Some(Means::Idle),
            (None, None) => None,
        };
        if let Some(means) = means {
            let rule = if means == Means::Working { "screen busy" } else { "screen composer" }.into();
            let evidence = self.sight.busy.clone().unwrap_or_default();
            self.claims.make(Claim { means, at: now, source: Source::Screen, rule, evidence, message: None });
        }
        let version = self.sight.version.take().filter(|_| !self.version_told);
        self.version_told |= version.is_some();
        version.map(Fact::Version).into_iter().collect()
    }

    /// The next moment at which a conclusion may change by itself.
    fn next_due(&self, now: Duration) -> Option<Duration> {
        let looked =
            self.unseen.map(|(first, last)| (last + QUIET).min(first + LOOK_ANYWAY).max(now + QUIET / 2));
        let claim = self.claims.best(now);
        let settled = claim.map(|claim| match claim.means {
            Means::Working => claim.at + START_UP,
            Means::Question => claim.at + DIALOG_WAIT,
            _ => claim.at + SETTLE,
        });
        let ready_again = self.failed_at.map(|at| at + SETTLE);
        let typed_in = self.composer_since.filter(|_| self.observation.status == AgentStatus::Starting);
        let first_ready = typed_in.map(|since| since + FIRST_COMPOSER);
        let screen_alone = self.composer_since.map(|since| since + SCREEN_ALONE);
        let cleared = self.dialog_gone.map(|at| at + SETTLE);
        let turn = self.turn.due();
        let other_claim = self.claims.next_change(now);
        [looked, settled, ready_again, first_ready, screen_alone, cleared, turn, other_claim]
            .into_iter()
            .flatten()
            .filter(|at| *at > now)
            .min()
    }
}

/// How much of a hook's payload stands in an explanation.
const HOOK_EVIDENCE_CHARS: usize = 200;
