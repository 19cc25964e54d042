//! Concludes what an agent is doing from what its session saw.
//!
//! Reports move the status at once, but for `idle`, which must hold for a moment: CLIs say it between two tasks. A dialog on
//! the screen is a question or a login whatever the reports say, and nothing is ready behind it.

mod asked_tool;
mod block;
mod claims;
mod composer;
mod conclusions;
mod dialog_match;
mod dialog_tool;
mod link;
mod option_rows;
mod reports;
mod screen_scan;
mod timing;
mod tokens;
mod turn;

use std::sync::Arc;
use std::time::Duration;

use parallax_api::AgentStatus;
use parallax_screen::{Screen, TerminalReport};
use serde_json::Value;

use crate::observation::{Composer, DetectorEvent, Observation, Outcome, Source};
use crate::profile::Profile;
use crate::profile::report::{ReportPointers, ReportedState};
use asked_tool::AskedTool;
use claims::{Claim, Claims};
use reports::{ReportFields, status_claim, title_claim};
use screen_scan::ScreenScan;
use timing::{BACKGROUND_ALONE, DIALOG_WAIT, LAST_WORDS, SCREEN_ALONE, SETTLE, STALL_AFTER, START_UP};
pub use tokens::Tokens;
use turn::Turn;

/// The screen is looked at when it has been quiet so long: what comes in one write may be read in two.
const QUIET: Duration = Duration::from_millis(20);
/// … or so long after it changed, however much goes on.
const MAX_SCAN_DELAY: Duration = Duration::from_millis(100);
/// A program that stands still in the middle of a frame for so long is not coming to its end. On a busy machine one stands for seconds.
const FRAME_GIVEN_UP: Duration = Duration::from_secs(10);

/// One thing that a session saw.
#[derive(Clone, Copy, Debug)]
pub enum DetectorInput<'a> {
    /// The screen changed and is outside a frame.
    Screen,
    /// The same, and it has been still for long enough to be looked at.
    Settled,
    /// The program reported something in the terminal stream.
    Terminal(&'a TerminalReport),
    /// A hook of the CLI ran.
    Hook {
        /// The hook's name.
        name: &'a str,
        /// Its payload.
        payload: &'a Value,
    },
    /// A line of the CLI's session file.
    SessionFile {
        /// The line.
        line: &'a Value,
    },
    /// The session file was read to its end: all that was written by now is known.
    SessionFileRead,
    /// Enter was written for a message.
    Submitted,
    /// The deadline has come.
    Tick,
}

/// Concludes what one agent is doing: a state machine without clock or I/O.
#[derive(Debug)]
pub struct Detector {
    profile: Arc<Profile>,
    observation: Observation,
    claims: Claims,
    scan: ScreenScan,
    turn: Turn,
    tokens: Tokens,
    /// When the current turn was reported to have begun. Older claims are not about it.
    turn_begun: Duration,
    /// Since when the composer has been on the screen.
    composer_since: Option<Duration>,
    /// When the dialog that is still published was last on the screen.
    dialog_gone: Option<Duration>,
    /// The first and the last change of the screen that has not been looked at.
    unseen: Option<(Duration, Duration)>,
    /// Since when nothing has come into the frame that is open.
    frame_quiet_since: Option<Duration>,
    /// It has been ready, or something was entered: work that is reported is work on a prompt.
    has_begun: bool,
    /// A message was entered, and nothing has been heard of it.
    is_entered: bool,
    /// When the last failure was reported: `error` stands for a moment before the agent is ready again.
    failed_at: Option<Duration>,
    /// The time of the claim whose failure was reported already.
    reported_failure: Option<Duration>,
    is_version_reported: bool,
    /// The screen as it was last, without what moves by itself, and when it or a report last changed.
    look: Option<u64>,
    changed_at: Duration,
    /// How long an agent may work with nothing of it to be seen.
    stall_after: Duration,
    /// The tools that hooks reported the agent to ask for, oldest first.
    asked: Vec<AskedTool>,
    /// Since when the screen has shown a composer and no work.
    calm_since: Option<Duration>,
    /// The CLI says that it works, but not on a message.
    only_background_works: bool,
    /// Tasks that run on in the background, as the last report of an end has it.
    background: usize,
    /// When the session file was last read to its end, if one is followed.
    record_read_at: Option<Duration>,
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
            composer_mode: None,
            background: 0,
        };
        Self {
            profile,
            observation,
            claims: Claims::default(),
            scan: ScreenScan::default(),
            turn: Turn::default(),
            tokens: Tokens::default(),
            turn_begun: Duration::ZERO,
            composer_since: None,
            dialog_gone: None,
            unseen: None,
            frame_quiet_since: None,
            has_begun: false,
            is_entered: false,
            failed_at: None,
            reported_failure: None,
            is_version_reported: false,
            background: 0,
            record_read_at: None,
            due: None,
            look: None,
            changed_at: Duration::ZERO,
            stall_after: STALL_AFTER,
            asked: Vec::new(),
            calm_since: None,
            only_background_works: false,
        }
    }

    /// Whether what was last reported of the screen has been looked at.
    pub fn has_seen_screen(&self) -> bool {
        self.unseen.is_none()
    }

    /// Takes in one input, `now` after the spawn, and tells what happened.
    pub fn observe(
        &mut self,
        now: Duration,
        screen: &Screen,
        input: DetectorInput<'_>,
    ) -> Vec<DetectorEvent> {
        let profile = Arc::clone(&self.profile);
        let mut events = Vec::new();
        match input {
            DetectorInput::Screen | DetectorInput::Settled => {
                self.unseen = Some((self.unseen.map_or(now, |(first, _)| first), now));
                self.frame_quiet_since = None;
            }
            DetectorInput::Terminal(TerminalReport::Status(status)) => {
                if let Some(claim) = profile.status.as_ref().and_then(|rule| status_claim(rule, status, now))
                {
                    // Done with what was entered before it could say that it works: done anew.
                    if claim.means == ReportedState::Done && self.is_entered {
                        self.is_entered = false;
                        events.extend(self.turn.begin(None));
                        self.claims.renew(claim);
                    } else {
                        self.claims.update(claim);
                    }
                }
            }
            DetectorInput::Terminal(TerminalReport::Title(title)) => {
                title_claim(&profile, title, now).into_iter().for_each(|claim| self.claims.update(claim));
            }
            DetectorInput::Terminal(TerminalReport::Bell | TerminalReport::Prompt(_))
            | DetectorInput::Tick => {}
            DetectorInput::Hook { name, payload } => {
                for rule in profile.hooks.iter().filter(|rule| rule.name == name) {
                    if let Some(means) = rule.means {
                        let evidence = payload.to_string().chars().take(HOOK_EVIDENCE_CHARS).collect();
                        let (source, rule) = (Source::Hook, format!("hook {name}"));
                        self.claims.update(Claim { means, at: now, source, rule, evidence, message: None });
                    }
                    let report = Report { pointers: &rule.read, value: payload, source: Source::Hook };
                    let end = rule.over.map(|outcome| (outcome, rule.awaits_idle));
                    events.extend(self.on_report(now, report, end));
                }
            }
            DetectorInput::SessionFile { line } => {
                let rules = profile.record.iter().flat_map(|record| &record.lines);
                for rule in rules.filter(|rule| rule.matches(line)) {
                    let report = Report { pointers: &rule.read, value: line, source: Source::SessionFile };
                    events.extend(self.on_report(now, report, rule.over.map(|outcome| (outcome, false))));
                }
            }
            DetectorInput::SessionFileRead => self.record_read_at = Some(now),
            // An Enter that answers a start-up dialog begins nothing.
            DetectorInput::Submitted => {
                self.is_entered = self.scan.dialog.is_none();
                self.only_background_works &= !self.is_entered;
                self.has_begun |= self.is_entered;
            }
        }
        let is_settled = matches!(input, DetectorInput::Settled);
        if self.is_scan_due(now, screen, is_settled) {
            events.extend(self.scan_screen(now, screen));
        }
        if events.iter().any(|event| matches!(event, DetectorEvent::TurnOver { .. })) {
            self.asked.clear();
        }
        if events.contains(&DetectorEvent::PromptTaken { text: None }) {
            self.turn_begun = now;
        }
        events.extend(self.conclude(now));
        self.due = self.next_due(now);
        events
    }

    /// Goes on counting from what the agent used before.
    pub fn carry_tokens(&mut self, tokens: Tokens) {
        self.tokens = tokens;
    }

    /// Sets how long an agent may work with nothing of it to be seen.
    pub fn set_stall_after(&mut self, after: Duration) {
        self.stall_after = after;
    }

    /// What the agent has used so far.
    pub fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// When [`DetectorInput::Tick`] is due though nothing else comes.
    pub fn deadline(&self) -> Option<Duration> {
        self.due
    }

    /// Whether a turn is over by all signs, and only its answer is awaited: what comes now still belongs to it.
    pub fn is_closing(&self) -> bool {
        self.turn.due().is_some()
    }

    /// Whether a turn will end without its answer unless the session file has it: it is to be read now, whenever it was read
    /// last, and [`DetectorInput::SessionFileRead`] is to follow.
    pub fn awaits_record(&self, now: Duration) -> bool {
        self.record_read_at.is_some() && self.turn.awaits_answer(now)
    }

    /// A session file is followed, and will be read when [`Self::awaits_record`] says so.
    pub fn follow_record(&mut self) {
        self.record_read_at = self.record_read_at.or(Some(Duration::ZERO));
    }

    /// What is concluded now.
    pub fn observation(&self) -> &Observation {
        &self.observation
    }

    /// Takes in what a hook or a line of the session file says. `end` is how it ends the turn, and whether that waits for
    /// the CLI to be idle.
    fn on_report(
        &mut self,
        now: Duration,
        report: Report<'_>,
        end: Option<(Outcome, bool)>,
    ) -> Vec<DetectorEvent> {
        let Report { pointers, value, source } = report;
        let fields = ReportFields::read(pointers, value);
        let mut events = Vec::new();
        self.changed_at = now;
        if let Some(tool) = fields.tool {
            asked_tool::keep(&mut self.asked, tool);
        }
        let version = fields.version.filter(|_| !self.is_version_reported);
        self.is_version_reported |= version.is_some();
        events.extend(version.map(DetectorEvent::Version));
        events.extend(fields.cost.map(|usd| DetectorEvent::Cost { usd }));
        if let Some(id) = &fields.session {
            self.tokens.of_conversation(id);
        }
        events.extend(fields.session.map(|id| DetectorEvent::Session { id }));
        events.extend(self.tokens.add(pointers, value, fields.id.as_deref()));
        if fields.prompt.is_some() {
            self.only_background_works = false;
            events.extend(self.turn.begin(fields.prompt));
        }
        if self.is_of_turn_before(now, source, end.map(|(outcome, _)| outcome)) {
            return events;
        }
        if let Some(said) = fields.said {
            events.extend(self.turn.say(said, fields.id.clone(), source));
        }
        if end.is_some() {
            self.background = fields.background.unwrap_or_default();
            events.extend(self.turn.another_end(fields.continued));
        }
        // An end that has no answer where others have theirs: the model said nothing.
        let names_answer = end.is_some() && pointers.answer.is_some() && fields.failure.is_none();
        if let Some(answer) = fields.answer.or_else(|| names_answer.then(String::new)) {
            events.extend(self.turn.answer(answer, fields.id, source));
        }
        let failed = fields.failure.is_some();
        if let Some(message) = fields.failure {
            self.observation.error = Some(self.profile.error(&message));
        }
        if let Some((outcome, awaits_idle)) = end {
            let outcome = if failed { Outcome::Failed } else { outcome };
            let works = self.claims.best(now).is_some_and(|claim| claim.means == ReportedState::Working);
            if awaits_idle && works && self.turn.is_running() {
                self.turn.may_be_over(outcome, now);
            } else if self.turn.is_held() {
                self.turn.close_again(outcome, now, LAST_WORDS);
            } else {
                events.extend(self.turn.over(outcome));
            }
        } else if self.turn.has_words(now) && !self.tells_whole_answers() {
            self.turn.wait_no_longer();
        }
        events
    }

    /// Whether a report of this source is of the turn before, whose end this source may still tell. `end`: how it ends a turn.
    fn is_of_turn_before(&mut self, now: Duration, source: Source, end: Option<Outcome>) -> bool {
        let may_tell = |outcome| self.profile.reports_ends_in(source, outcome);
        if !self.turn.untold().is_some_and(may_tell) {
            return false;
        }
        if self.profile.reports_prompts_in(source) {
            return self.turn.take_as_of_before(end.is_some());
        }
        let is_interruption = end == Some(Outcome::Interrupted) && self.profile.reports_prompts();
        is_interruption && self.turn.take_interruption_as_of_before(now)
    }

    fn is_scan_due(&mut self, now: Duration, screen: &Screen, is_settled: bool) -> bool {
        let Some((first, last)) = self.unseen else { return false };
        if screen.modes().in_frame {
            // Half a frame shows what never was; its end is the next change, unless its program died in it.
            let since = *self.frame_quiet_since.get_or_insert(now);
            if now < since + FRAME_GIVEN_UP {
                return false;
            }
        } else {
            self.frame_quiet_since = None;
        }
        is_settled || now >= last + self.quiet() || now >= first + MAX_SCAN_DELAY
    }

    /// A screen is looked at when it has not changed for so long: for [`QUIET`], or for as long as the program needs to show
    /// what was typed, if that is shorter.
    fn quiet(&self) -> Duration {
        QUIET.min(Duration::from_millis(self.profile.submit().settle_ms))
    }

    fn scan_screen(&mut self, now: Duration, screen: &Screen) -> Vec<DetectorEvent> {
        self.unseen = None;
        self.scan = ScreenScan::of(&self.profile, screen);
        self.observation.composer = self.scan.composer();
        self.observation.composer_mode.clone_from(&self.scan.mode);
        if self.look != Some(self.scan.look) {
            self.look = Some(self.scan.look);
            self.changed_at = now;
        }
        let is_there = self.scan.composer.is_some();
        self.composer_since = self.composer_since.or(Some(now)).filter(|_| is_there);
        let is_calm = is_there && self.scan.busy.is_none();
        self.calm_since = self.calm_since.or(Some(now)).filter(|_| is_calm);
        let means = match (&self.scan.busy, &self.scan.composer) {
            (Some(_), _) => Some(ReportedState::Working),
            (None, Some(_)) => Some(ReportedState::Idle),
            (None, None) => None,
        };
        if let Some(means) = means {
            let rule = if means == ReportedState::Working { "screen busy" } else { "screen composer" }.into();
            let evidence = self.scan.busy.clone().unwrap_or_default();
            self.claims.update(Claim {
                means,
                at: now,
                source: Source::Screen,
                rule,
                evidence,
                message: None,
            });
        }
        let version = self.scan.version.take().filter(|_| !self.is_version_reported);
        self.is_version_reported |= version.is_some();
        version.map(DetectorEvent::Version).into_iter().collect()
    }

    /// The next moment at which a conclusion may change by itself.
    fn next_due(&self, now: Duration) -> Option<Duration> {
        let quiet = self.quiet();
        let looked = self.unseen.map(|(first, last)| match self.frame_quiet_since {
            Some(since) => since + FRAME_GIVEN_UP,
            None => (last + quiet).min(first + MAX_SCAN_DELAY).max(now + quiet / 2),
        });
        let claim = self.claims.best(now);
        let settled = claim.map(|claim| match claim.means {
            ReportedState::Working => claim.at + START_UP,
            ReportedState::Question => claim.at + DIALOG_WAIT,
            _ => claim.at + SETTLE,
        });
        let ready_again = self.failed_at.map(|at| at + SETTLE);
        let typed_in = self.composer_since.filter(|_| self.observation.status == AgentStatus::Starting);
        let first_ready = typed_in.map(|since| since + self.first_composer());
        let screen_alone = self.composer_since.map(|since| since + SCREEN_ALONE);
        let cleared = self.dialog_gone.map(|at| at + SETTLE);
        let turn = self.turn.due();
        let background = self.turn.reported_end().zip(self.calm_since);
        let in_background = background.map(|((_, at), calm)| at.max(calm) + BACKGROUND_ALONE);
        let menu = Some(self.changed_at + SETTLE);
        let unknown = Some(self.changed_at + self.unknown_wait());
        let stalled = Some(self.changed_at + self.stall_after);
        let other_claim = self.claims.next_change(now);
        [
            looked,
            settled,
            ready_again,
            first_ready,
            screen_alone,
            cleared,
            turn,
            in_background,
            menu,
            unknown,
            stalled,
            other_claim,
        ]
        .into_iter()
        .flatten()
        .filter(|at| *at > now)
        .min()
    }
}

/// A report of a hook or of the session file.
#[derive(Clone, Copy)]
struct Report<'a> {
    pointers: &'a ReportPointers,
    value: &'a Value,
    source: Source,
}

/// How much of a hook's payload stands in an explanation.
const HOOK_EVIDENCE_CHARS: usize = 200;
