//! The published agent, and the events of its changes.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use parallax_api::agent::{Activity, AgentExit, AttentionOption, AttentionQuestion};
use parallax_api::observe::StatusChange;
use parallax_api::{Agent, AgentError, AgentStatus, Attention, AttentionKind, EventData, Message, Time};
use parallax_profile::{AttentionRequest, Composer, Observation};
use tokio::sync::watch;

use crate::journal::Journal;
use crate::same_question::is_same;

/// Changes of status that `status` returns.
const MAX_HISTORY: usize = 32;
/// A question is published with its options, which appear on the screen a moment after the CLI's own report. Without
/// them it is published after this time.
const OPTIONS_TIMEOUT: Duration = Duration::from_millis(1500);
/// An answer that does not name its question is for the one that has stood for so long …
const STANDS: Duration = Duration::from_secs(1);
/// … if no other one stood within this time: the caller may have seen that.
const ALONE: Duration = Duration::from_secs(2);
/// How often activity alone is published.
const ACTIVITY_INTERVAL: Duration = Duration::from_secs(1);

/// Publishes the desired state of the agent, and an event for each difference.
pub struct Publisher {
    agent_tx: watch::Sender<Agent>,
    journal: Journal,
    history: VecDeque<StatusChange>,
    /// A question that waits for its options.
    held_since: Option<Instant>,
    /// Since when the published request stands.
    asked_at: Option<Instant>,
    /// When the request before it ended, and the questions of which it was one.
    last_asked: Option<(Instant, Vec<AttentionQuestion>)>,
    /// Something was printed or typed since the last `touch`.
    active: bool,
    activity_published_at: Option<Instant>,
}

/// The state to publish.
pub struct Desired<'a> {
    /// The status to publish.
    pub status: AgentStatus,
    /// The request for a person.
    pub needed: Option<&'a AttentionRequest>,
    /// Why the status is `error`, or what the last turn failed with.
    pub error: Option<&'a AgentError>,
    /// The source of the status.
    pub source: &'a str,
    /// The rule that decided it.
    pub rule: &'a str,
}

/// The status to publish when `published` was the last. A CLI is idle for a moment between two first-run screens, and
/// reports it: an agent does not become ready while such a screen is being dismissed, a question is open or no composer
/// is visible. An agent that was ready stays ready.
pub fn published_status(
    observation: &Observation,
    published: AgentStatus,
    is_dismissing: bool,
) -> AgentStatus {
    let could_take = observation.attention.is_none() && observation.composer != Composer::Absent;
    match observation.status {
        AgentStatus::Ready if is_dismissing => AgentStatus::Starting,
        AgentStatus::Ready if published != AgentStatus::Ready && !could_take => published,
        status => status,
    }
}

impl Publisher {
    /// Starts with the agent as it was launched. An agent that was here before may have been on a machine whose clock is ahead of
    /// this one's: what is published now is later than what was published there.
    pub fn new(mut agent: Agent, journal: Journal) -> Self {
        agent.updated_at = journal.last_update().unwrap_or(agent.updated_at).max(agent.updated_at);
        let first = StatusChange {
            at: agent.created_at,
            status: agent.status,
            source: "process".into(),
            rule: "spawned".into(),
        };
        Self {
            agent_tx: watch::Sender::new(agent),
            journal,
            history: VecDeque::from([first]),
            held_since: None,
            asked_at: None,
            last_asked: None,
            active: false,
            activity_published_at: None,
        }
    }

    /// The agent, to watch.
    pub fn subscribe(&self) -> watch::Receiver<Agent> {
        self.agent_tx.subscribe()
    }

    /// The agent as published.
    pub fn agent(&self) -> Agent {
        self.agent_tx.borrow().clone()
    }

    /// Its status.
    pub fn status(&self) -> AgentStatus {
        self.agent_tx.borrow().status
    }

    /// The last changes of status, oldest first.
    pub fn history(&self) -> Vec<StatusChange> {
        self.history.iter().cloned().collect()
    }

    /// When a held question is due, with or without options.
    pub fn deadline(&self) -> Option<Instant> {
        self.held_since.map(|since| since + OPTIONS_TIMEOUT)
    }

    /// The agent's process was started, for the first time or again.
    pub fn started(&mut self) {
        self.change(AgentStatus::Starting, "process", "spawned", |agent| {
            agent.attention = None;
            agent.error = None;
            agent.exit = None;
        });
        self.emit(|agent| EventData::AgentStarted { agent });
    }

    /// Publishes `desired`, with an event for each difference.
    pub fn apply(&mut self, desired: &Desired<'_>, now: Instant) {
        // Most steps change nothing, and each key is one.
        if desired.needed.is_none() && self.shows(desired) {
            self.held_since = None;
            return;
        }
        let before = self.agent();
        self.apply_attention(&before, desired.needed, now);
        let is_same_error = match (&before.error, desired.error) {
            (Some(before), Some(desired)) => before.is_same(desired),
            (before, desired) => before.is_none() && desired.is_none(),
        };
        if before.status == desired.status && is_same_error {
            return;
        }
        self.change(desired.status, desired.source, desired.rule, |agent| {
            if !is_same_error {
                agent.error =
                    desired.error.map(|error| AgentError { since: Some(Time::now()), ..error.clone() });
            }
        });
        match desired.status {
            AgentStatus::Ready if before.status != AgentStatus::Ready => {
                self.emit(|agent| EventData::AgentReady { agent });
            }
            // What the last turn failed with is known better now, or is over.
            AgentStatus::Ready => match self.agent().error {
                Some(error) => self.emit(|agent| EventData::AgentError { agent, error }),
                None => self.emit(|agent| EventData::AgentReady { agent }),
            },
            AgentStatus::Busy if before.status != AgentStatus::Busy => {
                self.emit(|agent| EventData::AgentBusy { agent });
            }
            AgentStatus::Error => {
                let error = self.agent().error;
                let error =
                    error.unwrap_or_else(|| AgentError::new("cli_error", "the agent reports an error"));
                self.emit(|agent| EventData::AgentError { agent, error });
            }
            _ => {}
        }
    }

    /// Whether the agent is published like this, with no request for a person.
    fn shows(&self, desired: &Desired<'_>) -> bool {
        let agent = self.agent_tx.borrow();
        agent.attention.is_none() && agent.status == desired.status && agent.error.as_ref() == desired.error
    }

    /// Whether an answer that names no question can only be meant for the one that is published. The parts of one
    /// question are one.
    pub fn is_unmistakable(&self, now: Instant) -> bool {
        let attention = self.agent_tx.borrow().attention.clone();
        let questions = attention.map(|attention| attention.questions).unwrap_or_default();
        let is_part = |others: &[AttentionQuestion]| !questions.is_empty() && *others == questions;
        let stands = self.asked_at.is_some_and(|at| now >= at + STANDS);
        stands && self.last_asked.as_ref().is_none_or(|(at, others)| now >= *at + ALONE || is_part(others))
    }

    /// Publishes what the agent said.
    pub fn said(&mut self, message: Message) {
        self.append(EventData::Message { message });
    }

    /// Publishes the end of the agent, once.
    pub fn stopped(&mut self, exit: AgentExit) {
        let reason = exit.reason.clone();
        self.held_since = None;
        self.change(AgentStatus::Stopped, "process", "ended", |agent| {
            agent.attention = None;
            agent.exit = Some(exit);
            agent.activity = None;
            agent.queued = 0;
        });
        self.emit(|agent| EventData::AgentStopped { agent, reason });
    }

    /// Something was printed or typed.
    pub fn mark_active(&mut self) {
        self.active = true;
    }

    /// Publishes the length of the queue, how many tasks run in the background, and the time of the last activity,
    /// without an event.
    pub fn touch(&mut self, queued: usize, background: usize, now: Instant) {
        let active = std::mem::take(&mut self.active);
        let due = active && self.activity_published_at.is_none_or(|at| now - at >= ACTIVITY_INTERVAL);
        if due {
            self.activity_published_at = Some(now);
        }
        self.agent_tx.send_if_modified(|agent| {
            let activity = (background > 0).then_some(Activity { background });
            let is_news = agent.queued != queued || agent.activity != activity;
            let changed = due || is_news;
            if is_news {
                // An event that is on its way has a copy without it.
                agent.updated_at = Time::now().or_just_after(agent.updated_at);
            }
            agent.queued = queued;
            agent.activity = activity;
            if due {
                agent.last_activity_at = Some(Time::now());
            }
            changed
        });
    }

    fn apply_attention(&mut self, before: &Agent, needed: Option<&AttentionRequest>, now: Instant) {
        let Some(needed) = needed else {
            self.held_since = None;
            if let Some(shown) = &before.attention {
                self.last_asked = Some((now, shown.questions.clone()));
                self.asked_at = None;
                self.update(|agent| agent.attention = None);
                self.emit(|agent| EventData::AttentionCleared { agent });
            }
            return;
        };
        if needed.kind.is_question() && !needed.on_screen {
            let since = *self.held_since.get_or_insert(now);
            if now - since < OPTIONS_TIMEOUT {
                return;
            }
        }
        self.held_since = None;
        let shown = before.attention.as_ref();
        let same = shown.filter(|shown| is_same(*shown, needed));
        let attention = Attention {
            id: same.map_or_else(|| uuid::Uuid::now_v7().to_string(), |same| same.id.clone()),
            kind: needed.kind,
            text: needed.text.clone(),
            login_url: login_url(
                same.and_then(|same| same.login_url.as_deref()),
                needed.login_url.as_deref(),
            ),
            options: needed.options.iter().map(AttentionOption::from).collect(),
            tool: needed.tool.clone(),
            questions: needed.questions.clone(),
            plan: needed.plan.clone(),
            danger: needed.danger.clone(),
            since: same.map_or_else(Time::now, |same| same.since),
        };
        if shown == Some(&attention) {
            return;
        }
        if same.is_none() {
            self.asked_at = Some(now);
            if let Some(shown) = shown {
                self.last_asked = Some((now, shown.questions.clone()));
            }
        }
        let is_new = same.is_none_or(|same| same.login_url != attention.login_url);
        let (text, login_url) = (attention.text.clone(), attention.login_url.clone());
        self.update(|agent| agent.attention = Some(attention));
        match needed.kind {
            _ if !is_new => {}
            AttentionKind::Login => self.emit(|agent| EventData::LoginRequired { agent, login_url }),
            kind if kind.is_question() => self.emit(|agent| EventData::Question { agent, question: text }),
            _ => self.emit(|agent| EventData::Attention { agent }),
        }
    }

    fn change(&mut self, status: AgentStatus, source: &str, rule: &str, more: impl FnOnce(&mut Agent)) {
        if self.history.len() == MAX_HISTORY {
            self.history.pop_front();
        }
        self.history.push_back(StatusChange {
            at: Time::now(),
            status,
            source: source.into(),
            rule: rule.into(),
        });
        self.update(|agent| {
            agent.status = status;
            more(agent);
        });
    }

    fn update(&mut self, change: impl FnOnce(&mut Agent)) {
        self.agent_tx.send_modify(|agent| {
            change(agent);
            agent.updated_at = Time::now().or_just_after(agent.updated_at);
        });
    }

    fn emit(&mut self, event: impl FnOnce(Box<Agent>) -> EventData) {
        let agent = Box::new(self.agent());
        self.append(event(agent));
    }

    fn append(&mut self, data: EventData) {
        self.journal.append(data, Time::now(), Instant::now());
    }
}

/// The address of a login. What a narrow screen cut off does not replace the whole one.
fn login_url(shown: Option<&str>, seen: Option<&str>) -> Option<String> {
    let is_cut = shown.zip(seen).is_some_and(|(shown, seen)| shown.starts_with(seen));
    if is_cut { shown } else { seen.or(shown) }.map(Into::into)
}

#[cfg(test)]
mod tests {
    use parallax_profile::Source;

    use super::*;

    #[test]
    fn no_agent_becomes_ready_behind_a_dialog() {
        use AgentStatus::{Busy, Ready, Starting};
        let login = AttentionRequest::new(AttentionKind::Login, "Log in");
        let ready = |attention: Option<&AttentionRequest>, composer| Observation {
            status: Ready,
            attention: attention.cloned(),
            error: None,
            composer,
            source: Source::Osc7501,
            rule: "idle".into(),
            evidence: String::new(),
            since: Duration::ZERO,
            detail: None,
            composer_mode: None,
            background: 0,
        };
        let table = [
            ("ready", ready(None, Composer::Empty), Starting, false, Ready),
            ("between first-run screens", ready(None, Composer::Empty), Starting, true, Starting),
            ("idle, then a login", ready(Some(&login), Composer::Absent), Starting, false, Starting),
            (
                "the login has gone, nothing else has come",
                ready(None, Composer::Absent),
                Starting,
                false,
                Starting,
            ),
            ("a person logs in anew", ready(Some(&login), Composer::Absent), Ready, false, Ready),
            ("a turn is over", ready(None, Composer::Empty), Busy, false, Ready),
        ];
        for (name, observation, published, is_dismissing, expected) in table {
            assert_eq!(published_status(&observation, published, is_dismissing), expected, "{name}");
        }
    }

    /// A server that has both copies keeps the newer: two changes within a millisecond are two.
    #[test]
    fn every_change_is_later_than_the_one_before() {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::open(&dir.path().join("journal")).unwrap();
        let mut publisher = Publisher::new(agent(), journal);
        let mut last = publisher.agent().updated_at;
        for round in 0..100 {
            publisher.update(|agent| agent.queued = round);
            let now = publisher.agent().updated_at;
            assert!(now > last, "{now} after {last}");
            publisher.touch(round + 1, 0, Instant::now());
            let touched = publisher.agent().updated_at;
            assert!(touched > now, "{touched} after {now}: one more waits");
            publisher.touch(round + 1, 0, Instant::now());
            last = publisher.agent().updated_at;
            assert_eq!(last, touched, "nothing has changed");
        }
    }

    /// It was moved to another machine: an end there that nobody has heard of yet is before all that it does here.
    #[test]
    fn a_clock_that_is_behind_shows_nothing_before_what_was() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let ahead = Time::from_millis(Time::now().as_millis() + 3_600_000);
        let mut there = Publisher::new(Agent { updated_at: ahead, ..agent() }, Journal::open(&path).unwrap());
        there.stopped(AgentExit::for_reason("node_shutdown", ahead));
        let ended = there.agent().updated_at;
        let mut here = Publisher::new(agent(), Journal::open(&path).unwrap());
        here.started();
        let started = here.agent().updated_at;
        assert!(started > ended, "{started} after {ended}");
    }

    fn question(text: &str, set: &str) -> AttentionRequest {
        let questions = if set.is_empty() { Vec::new() } else { vec![one_of(set)] };
        AttentionRequest { questions, ..AttentionRequest::new(AttentionKind::Question, text) }
    }

    fn one_of(set: &str) -> AttentionQuestion {
        AttentionQuestion {
            id: set.into(),
            text: set.into(),
            header: None,
            multiple: false,
            options: Vec::new(),
            free_text: true,
        }
    }

    #[test]
    fn an_answer_without_a_name_is_for_the_only_question() {
        let dir = tempfile::tempdir().unwrap();
        let start = Instant::now();
        let at = |millis: u64| start + Duration::from_millis(millis);
        let (first, second) = (question("first", ""), question("second", ""));
        let (part, next_part) = (question("part", "parts"), question("next part", "parts"));
        let table = [
            ("it has stood for a second", vec![(0, Some(&first))], 1000, true),
            ("it has just come", vec![(0, Some(&first))], 999, false),
            ("nothing is asked", vec![(0, Some(&first)), (5000, None)], 9000, false),
            ("another one stood there", vec![(0, Some(&first)), (5000, Some(&second))], 6999, false),
            ("… two seconds ago", vec![(0, Some(&first)), (5000, Some(&second))], 7000, true),
            ("… and went", vec![(0, Some(&first)), (5000, None), (5500, Some(&second))], 6900, false),
            ("the other was a part of it", vec![(0, Some(&part)), (5000, Some(&next_part))], 6000, true),
        ];
        for (index, (name, shown, asked, expected)) in table.into_iter().enumerate() {
            let journal = Journal::open(&dir.path().join(format!("{index}.ndjson"))).unwrap();
            let mut publisher = Publisher::new(agent(), journal);
            for (millis, needed) in shown {
                let (status, source, rule) = (AgentStatus::Busy, "screen", "dialog");
                publisher.apply(&Desired { status, needed, error: None, source, rule }, at(millis));
            }
            assert_eq!(publisher.is_unmistakable(at(asked)), expected, "{name}");
        }
    }

    #[test]
    fn an_error_that_comes_or_goes_while_an_agent_is_ready_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let mut publisher = Publisher::new(agent(), Journal::open(&dir.path().join("journal")).unwrap());
        let [unknown, limit] = ["cli_error", "rate_limit"].map(|code| AgentError::new(code, "it failed"));
        let mut told = Vec::new();
        for error in [None, Some(&unknown), Some(&unknown), Some(&limit), None, None] {
            let (status, source, rule) = (AgentStatus::Ready, "hook", "failed");
            let before = publisher.journal.after(0, 100).0.len();
            publisher.apply(&Desired { status, needed: None, error, source, rule }, Instant::now());
            told.push((
                publisher.journal.after(0, 100).0.len() - before,
                publisher.agent().error.map(|error| error.code),
            ));
        }
        let code = |code: &str| Some(code.to_owned());
        let expected = [
            (1, None),
            (1, code("cli_error")),
            (0, code("cli_error")),
            (1, code("rate_limit")),
            (1, None),
            (0, None),
        ];
        assert_eq!(told, expected);
    }

    fn agent() -> Agent {
        let agent = serde_json::json!({
            "id": "a", "name": "a", "type": "claude", "status": "busy", "runtime": "local",
            "createdAt": Time::now(), "updatedAt": Time::now(),
        });
        serde_json::from_value(agent).expect("an agent")
    }
}
