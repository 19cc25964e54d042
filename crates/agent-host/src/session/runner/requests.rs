//! What the session is asked, one answer each.

use std::time::{Duration, Instant};

use parallax_api::agent::RestartRequest;
use parallax_api::host::HostSend;
use parallax_api::message::AnswerRequest;
use parallax_api::observe::{Metrics, StatusReport};
use parallax_api::terminal::InputRequest;
use parallax_api::{AgentStatus, AttentionKind, Code, Problem, TerminalSize, WhenBusy};
use parallax_profile::Signal;
use parallax_screen::keys;

use super::super::agent_process::AgentProcess;
use super::super::{Command, Reply, View};
use super::{Runner, agent_stopped, auth_required, grace};
use crate::dialog_answer::DialogAnswer;
use crate::process_tree;
use crate::termination::Termination;

/// How long an interrupted turn may take to end.
const INTERRUPT_LIMIT: Duration = Duration::from_secs(10);
/// Between two presses of the interrupt keys.
const INTERRUPT_GAP: Duration = Duration::from_secs(2);
/// Input in one request, in bytes, and keys.
const MAX_INPUT: usize = 64 * 1024;
const MAX_KEYS: usize = 64;
/// Keys that may wait to be pressed.
const MAX_PENDING_KEYS: usize = 1024;

impl Runner {
    pub(super) fn on_command(&mut self, command: Command) {
        match command {
            Command::Send { message, reply } => self.on_send(message, reply),
            Command::Input { request, reply } => drop(reply.send(self.on_input(&request))),
            Command::Type(bytes) => {
                self.last_typed = Some(Instant::now());
                // A viewer sees on the screen that nothing was taken.
                drop(self.write(bytes));
            }
            Command::Resize(size) => self.on_resize(size),
            Command::Answer { request, reply } => self.on_answer(request, reply),
            Command::Interrupt { reply } => {
                let busy = self.is_working();
                if self.finished {
                    drop(reply.send(Err(agent_stopped())));
                } else if busy {
                    self.interrupt();
                    self.interrupting.push((reply, Instant::now() + INTERRUPT_LIMIT));
                } else {
                    drop(reply.send(Ok(())));
                }
            }
            Command::Restart { request, reply } => self.on_restart(request, reply),
            Command::Stop { request, reply } => {
                if self.finished {
                    drop(reply.send(Ok(())));
                    return;
                }
                let grace = if request.force { Duration::ZERO } else { grace(request.grace_ms) };
                let now = Instant::now();
                let termination =
                    self.termination.get_or_insert_with(|| Termination::new("stopped", grace, now));
                termination.stop(grace, reply, now);
            }
            Command::Report(report) => {
                if !self.finished {
                    self.observe(Signal::Hook { name: &report.hook, payload: &report.payload });
                }
            }
            Command::View { reply } => drop(reply.send(self.on_view())),
            Command::Screen { reply } => drop(reply.send(Ok(self.screen.view(self.log.end())))),
            Command::Status { reply } => drop(reply.send(Ok(self.on_status()))),
            Command::Metrics { reply } => drop(reply.send(Ok(self.on_metrics()))),
        }
    }

    fn on_send(&mut self, message: HostSend, reply: Reply<()>) {
        if self.inbox.get(&message.message_id).is_some() {
            // Sent again by somebody who did not hear that it was accepted.
            drop(reply.send(Ok(())));
            return;
        }
        let accepted = self.may_send(&message).and_then(|()| {
            self.inbox.accept(&message.message_id, message.request.message)?;
            Ok(())
        });
        if accepted.is_ok()
            && message.request.when_busy == WhenBusy::Interrupt
            && self.observation().status == AgentStatus::Busy
        {
            self.interrupt();
        }
        self.last_input = Instant::now();
        drop(reply.send(accepted));
    }

    fn may_send(&self, message: &HostSend) -> Result<(), Problem> {
        if self.finished
            || self.termination.as_ref().is_some_and(|termination| termination.restart().is_none())
        {
            return Err(agent_stopped());
        }
        let agent = self.publisher.agent();
        if let Some(attention) = agent.attention {
            return Err(match attention.kind {
                AttentionKind::Login => auth_required(attention.login_url.as_deref(), &attention.text),
                AttentionKind::Question => {
                    let detail =
                        format!("the agent asks first: {}; answer it with `/answer`", attention.text);
                    let problem = Problem::new(Code::QuestionPending, detail);
                    problem.with("attention", serde_json::to_value(attention).unwrap_or_default())
                }
            });
        }
        // Once the answer is there the turn is over, also while it takes a moment until `ready` is certain.
        let runs = agent.status == AgentStatus::Busy && !self.turn.is_over();
        let busy = runs || self.delivery.is_busy() || self.inbox.queued() > 0;
        if busy && message.request.when_busy == WhenBusy::Reject {
            return Err(Problem::new(
                Code::AgentBusy,
                "the agent works on another message; leave `whenBusy` out to queue this one",
            ));
        }
        Ok(())
    }

    fn on_input(&mut self, request: &InputRequest) -> Result<(), Problem> {
        if self.finished {
            return Err(agent_stopped());
        }
        match (&request.text, &request.keys) {
            (Some(text), None) if text.len() <= MAX_INPUT => {
                if self.keyboard.is_empty() {
                    self.write(text.clone().into_bytes())?;
                } else {
                    // In the order of the requests: keys are still being pressed.
                    self.keyboard.push_back(text.clone().into_bytes());
                }
            }
            (Some(_), None) => {
                return Err(Problem::new(
                    Code::PayloadTooLarge,
                    format!("at most {MAX_INPUT} bytes at once"),
                ));
            }
            (None, Some(names)) if names.len() <= MAX_KEYS && self.keyboard.len() < MAX_PENDING_KEYS => {
                let modes = self.screen.modes();
                let unknown = |name: &String| {
                    Problem::invalid(
                        "keys",
                        format!("`{name}` is no key; try `enter`, `esc`, `up`, `ctrl-c`, `f1`"),
                    )
                };
                let encoded: Result<Vec<_>, _> = names
                    .iter()
                    .map(|name| keys::encode(name, &modes).ok_or_else(|| unknown(name)))
                    .collect();
                self.keyboard.extend(encoded?);
            }
            (None, Some(_)) => {
                return Err(Problem::invalid("keys", format!("at most {MAX_KEYS} keys at once")));
            }
            _ => return Err(Problem::invalid("text", "give either `text` or `keys`")),
        }
        Ok(())
    }

    fn on_resize(&mut self, size: TerminalSize) {
        if self.finished || !size.is_sane() || size == self.size {
            return;
        }
        self.size = size;
        self.screen.resize(size);
        if let Err(problem) = self.process.terminal.resize(size) {
            tracing::warn!(%problem, "the terminal could not be resized");
        }
        self.viewers.resized(size);
        self.dirty_since.get_or_insert_with(Instant::now);
        self.last_output = Instant::now();
    }

    fn on_answer(&mut self, request: AnswerRequest, reply: Reply<()>) {
        if self.finished {
            drop(reply.send(Err(agent_stopped())));
            return;
        }
        if self.dialog_answer.is_some() {
            drop(reply.send(Err(Problem::new(Code::Conflict, "another answer is being given"))));
            return;
        }
        match DialogAnswer::new(request, self.observation().attention.as_ref(), reply, Instant::now()) {
            Ok(answering) => self.dialog_answer = Some(answering),
            Err((problem, reply)) => drop(reply.send(Err(problem))),
        }
    }

    fn on_restart(&mut self, request: RestartRequest, reply: Reply<()>) {
        if self.finished {
            drop(reply.send(Err(agent_stopped())));
        } else if self.termination.is_some() {
            drop(reply.send(Err(Problem::new(Code::Conflict, "the agent is being stopped or restarted"))));
        } else if let Err(problem) =
            AgentProcess::check(&self.launch, &self.next_conversation(request), &self.context)
        {
            // Refused while the program still runs: it goes on.
            drop(reply.send(Err(problem)));
        } else {
            self.termination = Some(Termination::restarting(request, grace(5000), reply, Instant::now()));
        }
    }

    fn on_view(&mut self) -> Result<View, Problem> {
        if self.finished {
            return Err(agent_stopped());
        }
        let feed = self.viewers.join()?;
        Ok(View { snapshot: self.screen.snapshot(), offset: self.log.end(), size: self.size, feed })
    }

    fn on_status(&self) -> StatusReport {
        let agent = self.publisher.agent();
        let observation = self.observation();
        let history = self.publisher.history();
        StatusReport {
            status: agent.status,
            since: history.last().map_or(agent.created_at, |change| change.at),
            attention: agent.attention,
            source: if self.finished { "process".into() } else { observation.source.as_str().into() },
            rule: if self.finished { "ended".into() } else { observation.rule.clone() },
            evidence: observation.evidence.clone(),
            detail: observation.detail.clone(),
            cli_version: self.usage.version.clone(),
            checked_versions: self.profile.checked_versions().to_vec(),
            history,
        }
    }

    fn on_metrics(&mut self) -> Metrics {
        let processes = process_tree::descendants();
        let cpu_seconds = processes.iter().map(|process| process.cpu_seconds).sum();
        let now = Instant::now();
        let before = self.usage.cpu.replace((now, cpu_seconds));
        let cpu_percent = before.map(|(at, seconds)| {
            let elapsed = (now - at).as_secs_f64().max(0.001);
            ((cpu_seconds - seconds) / elapsed * 100.0).max(0.0)
        });
        let (messages_sent, messages_answered) = self.inbox.counts();
        let until = self.process.ended.map_or(now, |(at, _)| at);
        Metrics {
            cpu_percent,
            cpu_seconds,
            memory_bytes: processes.iter().map(|process| process.memory_bytes).sum(),
            processes: u32::try_from(processes.len()).unwrap_or(u32::MAX),
            uptime_seconds: (until - self.process.spawned).as_secs_f64(),
            output_bytes: self.log.end(),
            input_bytes: self.input_bytes,
            messages_sent,
            messages_answered,
            tokens: self.usage.tokens,
            cost_usd: self.usage.cost_usd,
        }
    }

    /// Passes a first-run screen that is nobody's business.
    pub(super) fn pass(&mut self, now: Instant) {
        let modes = self.screen.modes();
        let keys = self.auto_dismiss.step(self.process.detector.observation().attention.as_ref(), now);
        self.keyboard.extend(keys::encode_all(keys, &modes));
    }

    pub(super) fn answer(&mut self, now: Instant) {
        let Some(answering) = &mut self.dialog_answer else { return };
        let modes = self.screen.modes();
        match answering.step(self.process.detector.observation().attention.as_ref(), &modes, now) {
            Ok(keys) => self.keyboard.extend(keys),
            Err(done) => {
                let answering = self.dialog_answer.take().expect("it is being stepped");
                answering.finish(done);
            }
        }
    }

    pub(super) fn end_interrupts(&mut self, now: Instant) {
        let busy = self.is_working();
        for (reply, until) in std::mem::take(&mut self.interrupting) {
            if !busy {
                // Who no longer waits needs no answer.
                drop(reply.send(Ok(())));
            } else if now >= until {
                let why = "the agent works on although it was interrupted; try again, or stop it";
                // As above.
                drop(reply.send(Err(Problem::new(Code::Timeout, why))));
            } else {
                self.interrupting.push((reply, until));
            }
        }
    }

    /// Presses the interrupt keys, once for all who ask at the same time: a second Esc means something else.
    fn interrupt(&mut self) {
        let now = Instant::now();
        if self.interrupted_at.is_some_and(|at| now - at < INTERRUPT_GAP) {
            return;
        }
        self.interrupted_at = Some(now);
        let modes = self.screen.modes();
        let encoded = self.profile.interrupt_keys().iter().filter_map(|key| keys::encode(key, &modes));
        self.keyboard.extend(encoded);
    }

    /// Whether a turn runs, or is about to.
    fn is_working(&self) -> bool {
        self.observation().status == AgentStatus::Busy || self.delivery.is_entered()
    }
}
