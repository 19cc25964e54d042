//! The conclusions: from what the sources claim and what the screen shows to status, attention and the end of turns.

use std::time::Duration;

use parallax_api::{AgentError, AgentStatus, AttentionKind};

use super::Detector;
use super::claims::Claim;
use super::dialog_tool;
use super::timing::{
    BACKGROUND_ALONE, BEFORE_VERSION, DIALOG_WAIT, FIRST_COMPOSER, LAST_WORDS, SCREEN_ALONE, SETTLE,
    START_UP, UNKNOWN_START, UNKNOWN_WAIT, UNPROMPTED,
};
use crate::observation::{AttentionRequest, DetectorEvent, DialogOption, Outcome, Source, TextEntry};
use crate::profile::answer_source::AnswerSource;
use crate::profile::report::ReportedState;

impl Detector {
    /// Draws the conclusions.
    pub(super) fn conclude(&mut self, now: Duration) -> Vec<DetectorEvent> {
        let mut events = self.turn.tick(now, self.record_read_at);
        let claim = self.claims.best(now).cloned();
        events.extend(self.end_in_background(now, claim.as_ref()));
        let claim = claim.map(|claim| self.without_background(claim));
        self.update_attention(now, claim.as_ref());
        if let Some(claim) = claim {
            match claim.means {
                ReportedState::Working if self.has_begun || now >= claim.at + START_UP => {
                    self.is_entered = false;
                    if self.profile.reports_prompts() {
                        self.turn.goes_on();
                    }
                    if self.observation.status != AgentStatus::Busy {
                        self.observation.error = None;
                        self.set_status(now, AgentStatus::Busy, &claim);
                        events.extend(self.turn.begin(None));
                    }
                }
                ReportedState::Idle | ReportedState::Done => {
                    self.close_turn(now, &claim);
                    self.conclude_ready(now, &claim);
                }
                ReportedState::Failed | ReportedState::Login if self.has_reason(now, &claim) => {
                    self.close_turn(now, &claim);
                    if self.reported_failure != Some(claim.at) {
                        self.reported_failure = Some(claim.at);
                        self.report_failure(now, &claim);
                    }
                    self.conclude_ready(now, &claim);
                }
                _ => {}
            }
            events.extend(self.turn.tick(now, self.record_read_at));
        }
        let is_busy = self.observation.status == AgentStatus::Busy;
        self.observation.background = self.background.max(self.scan.background);
        self.observation.detail = self.scan.detail.clone().filter(|_| is_busy);
        events
    }

    /// What a person is needed for: the dialog on the screen, or a report that says so.
    fn update_attention(&mut self, now: Duration, claim: Option<&Claim>) {
        let before = self.observation.attention.take();
        if let Some(asked) = self.scan.dialog.clone() {
            self.dialog_gone = None;
            self.observation.attention = asked.needed.clone().map(|needed| self.with_tool(needed));
            let is_new_error = asked.error.is_some() && asked.error != self.observation.error;
            if self.observation.rule != asked.rule || is_new_error {
                let (rule, evidence) = (asked.rule.clone(), asked.evidence.clone());
                let error = asked.error.clone();
                self.explain(Source::Screen, rule, evidence);
                if is_new_error {
                    self.observation.error = error;
                    self.change(now, AgentStatus::Error);
                }
            }
            return;
        }
        let kind = claim.and_then(|claim| match claim.means {
            ReportedState::Question => Some(AttentionKind::Question),
            ReportedState::Login => Some(AttentionKind::Login),
            _ => None,
        });
        let before = before.filter(|before| before.kind.is_question() || before.kind == AttentionKind::Login);
        if before.is_none() && kind.is_none() {
            self.observation.attention = self.unusual(now, claim);
            if let Some(needed) = &self.observation.attention {
                let (rule, evidence) = (format!("screen {}", needed.kind.as_str()), needed.text.clone());
                self.explain(Source::Screen, rule, evidence);
            }
            return;
        }
        let Some(before) = before else {
            // Where the profile knows no dialogs, nothing will come on the screen: what is typed is the answer.
            let is_plain = self.profile.dialogs.is_empty();
            if let (Some(kind), Some(claim)) = (kind, claim)
                && (kind == AttentionKind::Login || is_plain || now >= claim.at + DIALOG_WAIT)
            {
                let text = claim.message.clone().unwrap_or_else(|| claim.evidence.clone());
                self.explain(claim.source, claim.rule.clone(), claim.evidence.clone());
                let takes_text = is_plain.then(|| TextEntry {
                    before: Vec::new(),
                    in_list: false,
                    after: vec!["enter".into()],
                    waits_for_echo: false,
                });
                let request = AttentionRequest::new(kind, text);
                self.observation.attention =
                    Some(self.with_tool(AttentionRequest { on_screen: is_plain, takes_text, ..request }));
            }
            return;
        };
        // A dialog may be painted anew in two steps, and the report of its end may come after it has gone.
        let gone = *self.dialog_gone.get_or_insert(now);
        let is_said =
            kind.is_some_and(|kind| kind == before.kind || kind.is_question() && before.kind.is_question());
        if is_said || now < gone + SETTLE {
            let on_screen = is_said && self.profile.dialogs.is_empty();
            self.observation.attention = Some(AttentionRequest { on_screen, ..before });
            return;
        }
        self.dialog_gone = None;
        self.asked.retain(|asked| !asked.is_shown);
        if let Some(claim) = claim {
            self.explain(claim.source, claim.rule.clone(), claim.evidence.clone());
        }
    }

    /// Adds what a hook reported of the tool that the dialog on the screen is about.
    fn with_tool(&mut self, needed: AttentionRequest) -> AttentionRequest {
        match dialog_tool::of_dialog(&mut self.asked, &needed) {
            Some(asked) => asked.complete(needed),
            None => needed,
        }
    }

    /// How long a quiet screen must have stood before it counts as unknown.
    pub(super) fn unknown_wait(&self) -> Duration {
        if self.observation.status == AgentStatus::Starting { UNKNOWN_START } else { UNKNOWN_WAIT }
    }

    /// What a person should look at though the agent asks nothing: a screen that takes no message, or work of which nothing
    /// is seen.
    fn unusual(&self, now: Duration, claim: Option<&Claim>) -> Option<AttentionRequest> {
        let works = claim.is_some_and(|claim| claim.means == ReportedState::Working);
        let quiet = now.saturating_sub(self.changed_at);
        if works {
            if quiet < self.stall_after {
                return None;
            }
            let busy = self.scan.busy.clone().unwrap_or_else(|| self.scan.last_rows.clone());
            let text = format!("nothing was seen of its work for {} s\n{busy}", self.stall_after.as_secs());
            return Some(AttentionRequest::new(AttentionKind::Stalled, text));
        }
        let is_gone = claim.is_some_and(|claim| claim.means == ReportedState::Gone);
        let is_expected = self.profile.composers.is_empty()
            || self.scan.composer.is_some()
            || self.scan.busy.is_some()
            || self.scan.last_rows.is_empty()
            || is_gone
            || self.unseen.is_some()
            || self.turn.is_running();
        let is_menu = self.scan.close.is_some() && self.observation.status != AgentStatus::Starting;
        let wait = if is_menu { SETTLE } else { self.unknown_wait() };
        if is_expected || quiet < wait {
            return None;
        }
        let close = self.scan.close.clone().unwrap_or_default();
        let mut needed = AttentionRequest::new(AttentionKind::Unknown, self.scan.last_rows.clone());
        if !close.is_empty() {
            let (id, label, keys) = ("close".into(), "Close".into(), close.clone());
            needed.options.push(DialogOption { id, label, keys, ..DialogOption::default() });
        }
        needed.close = close;
        Some(needed)
    }

    /// Ends a turn whose end was reported while the CLI says that it works on, once the screen shows no work any more.
    fn end_in_background(&mut self, now: Duration, claim: Option<&Claim>) -> Vec<DetectorEvent> {
        let works = claim.is_some_and(|claim| claim.means == ReportedState::Working);
        self.only_background_works &= works && self.calm_since.is_some();
        match (self.turn.reported_end(), self.calm_since) {
            (Some((outcome, at)), Some(calm_since))
                if works && now >= at.max(calm_since) + BACKGROUND_ALONE =>
            {
                self.only_background_works = true;
                self.turn.over(outcome)
            }
            _ => Vec::new(),
        }
    }

    /// Work in the background is no work on a message.
    fn without_background(&self, claim: Claim) -> Claim {
        if self.only_background_works && claim.means == ReportedState::Working {
            return Claim { means: ReportedState::Idle, source: Source::Hook, ..claim };
        }
        claim
    }

    /// A turn that is over by this claim ends as soon as its answer is there.
    fn close_turn(&mut self, now: Duration, claim: &Claim) {
        let is_own_word = claim.source == Source::Osc7501;
        if claim.at < self.turn_begun
            || !self.turn.is_running()
            || (!is_own_word && !self.has_settled(now, claim))
        {
            return;
        }
        let reported = self.turn.reported_end().map(|(outcome, _)| outcome);
        let outcome = match claim.means {
            ReportedState::Idle | ReportedState::Done if reported.is_some() => {
                reported.unwrap_or(Outcome::Completed)
            }
            ReportedState::Done => Outcome::Completed,
            ReportedState::Failed | ReportedState::Login => Outcome::Failed,
            // A CLI that reports itself says `done` when a turn was finished, and `idle` when it was not.
            _ if is_own_word => Outcome::Interrupted,
            _ if self.scan.failed.is_some() => Outcome::Failed,
            _ if self.scan.interrupted => Outcome::Interrupted,
            _ => Outcome::Completed,
        };
        if outcome == Outcome::Failed && claim.means == ReportedState::Idle {
            self.report_failure(now, claim);
        }
        let answer = self.profile.answer();
        let wait = match outcome {
            // What it failed with, and its end, which is not to be taken for the next turn's.
            Outcome::Failed if self.record_read_at.is_some() && self.profile.records_failures() => LAST_WORDS,
            Outcome::Failed => Duration::ZERO,
            _ if reported.is_some() && self.turn.is_held() => LAST_WORDS,
            _ if reported.is_some() => Duration::ZERO,
            _ if answer.source == AnswerSource::Output => Duration::ZERO,
            _ if self.turn.has_words(now)
                && (outcome == Outcome::Interrupted || !self.tells_whole_answers()) =>
            {
                Duration::ZERO
            }
            // Its prompt may still be on the way to it: Codex says `idle` once more when it starts.
            Outcome::Interrupted if self.profile.reports_prompts() && !self.turn.is_prompted() => {
                let wait = Duration::from_millis(answer.wait_ms);
                let is_slow = self.profile.reports_prompts_in(Source::SessionFile) && !self.scan.interrupted;
                if is_slow { wait.max(UNPROMPTED) } else { wait }
            }
            Outcome::Interrupted => Duration::from_millis(answer.wait_ms).min(LAST_WORDS),
            Outcome::Completed => Duration::from_millis(answer.wait_ms),
        };
        self.turn.close(outcome, now, wait);
    }

    /// Whether some report holds the whole answer of a turn.
    pub(super) fn tells_whole_answers(&self) -> bool {
        let hooks = self.profile.hooks.iter().map(|rule| &rule.read);
        let lines = self.profile.record.iter().flat_map(|record| &record.lines).map(|rule| &rule.read);
        hooks.chain(lines).any(|reading| reading.answer.is_some())
    }

    /// Whether `idle` has held; `done` is a CLI's word that a turn is over and need not. A title says `idle` while a permission
    /// dialog is on its way: then the screen still shows work.
    fn has_settled(&self, now: Duration, claim: &Claim) -> bool {
        let is_own_word = claim.source == Source::Osc7501;
        let holds = is_own_word && claim.means == ReportedState::Done || now >= claim.at + SETTLE;
        holds && (is_own_word || self.scan.busy.is_none())
    }

    /// Ready once `idle` has held, a message can be typed, and nobody is asked anything.
    fn conclude_ready(&mut self, now: Duration, claim: &Claim) {
        let Some(composer_since) = self.composer_since else { return };
        let is_first = self.observation.status == AgentStatus::Starting;
        let is_settled = match claim.source {
            Source::Osc7501 => true,
            Source::Screen => now >= composer_since + SCREEN_ALONE,
            _ => !is_first || now >= composer_since + self.first_composer(),
        } && self.has_settled(now, claim)
            && self.failed_at.is_none_or(|at| now >= at + SETTLE);
        if is_settled && self.observation.attention.is_none() && self.observation.status != AgentStatus::Ready
        {
            self.has_begun = true;
            if is_first {
                // Of a dialog at the start, which is over.
                self.observation.error = None;
            }
            self.set_status(now, AgentStatus::Ready, claim);
        }
    }

    /// How long the first composer must have stood when the CLI does not report its own state.
    pub(super) fn first_composer(&self) -> Duration {
        let tells_version = self.profile.screen.version.is_some();
        if tells_version && !self.is_version_reported { BEFORE_VERSION } else { FIRST_COMPOSER }
    }

    /// Whether the reason of a failure is known, or was waited for long enough.
    fn has_reason(&self, now: Duration, claim: &Claim) -> bool {
        let is_known =
            claim.message.is_some() || self.observation.error.is_some() || self.scan.failed.is_some();
        is_known || now >= claim.at + SETTLE
    }

    fn report_failure(&mut self, now: Duration, claim: &Claim) {
        self.failed_at = Some(now);
        let message = claim.message.as_ref().or(self.scan.failed.as_ref());
        if let Some(message) = message {
            self.observation.error = Some(self.profile.error(message));
        }
        if self.observation.error.is_none() {
            let message = format!("{} reported an error without saying which", self.profile.title);
            self.observation.error = Some(AgentError::new("cli_error", message));
        }
        // An agent that waits for a person keeps its status.
        if claim.means != ReportedState::Login {
            self.set_status(now, AgentStatus::Error, claim);
        }
    }

    fn set_status(&mut self, now: Duration, status: AgentStatus, claim: &Claim) {
        self.change(now, status);
        self.explain(claim.source, claim.rule.clone(), claim.evidence.clone());
    }

    fn change(&mut self, now: Duration, status: AgentStatus) {
        self.observation.status = status;
        self.observation.since = now;
    }

    fn explain(&mut self, source: Source, rule: String, evidence: String) {
        self.observation.source = source;
        self.observation.rule = rule;
        self.observation.evidence = evidence;
    }
}
