//! The requests of the session's callers.

use std::time::{Duration, Instant};

use bytes::Bytes;
use parallax_api::agent::{RestartRequest, StopRequest};
use parallax_api::host::HostSend;
use parallax_api::message::{AnswerRequest, MessageImage};
use parallax_api::observe::{Metrics, StatusReport};
use parallax_api::terminal::InputRequest;
use parallax_api::{AgentStatus, Attention, AttentionKind, Code, Problem, WhenBusy};
use parallax_profile::{AttentionRequest, Conversation, DetectorInput};
use parallax_screen::keys;

use super::super::agent_process::AgentProcess;
use super::super::command::{Command, Reply, View};
use super::{Runner, agent_stopped, auth_required};
use crate::lease::{Claim, ViewerId};
use crate::process_tree;
use crate::same_question::answers_both;
use crate::viewers::Joining;

/// Input in one request, in bytes, and keys.
const MAX_INPUT: usize = 64 * 1024;
const MAX_KEYS: usize = 64;
/// Keys that may wait to be pressed.
const MAX_PENDING_KEYS: usize = 1024;

impl Runner {
    pub(super) fn on_command(&mut self, command: Command) {
        // A caller that no longer waits needs no reply: errors of `send` are dropped throughout.
        match command {
            Command::Send { message, images, reply } => {
                let accepted = self.on_send(message, images);
                // On disk before the sender relies on it.
                self.message_log.step(self.messaging.inbox(), Instant::now());
                drop(reply.send(accepted));
            }
            Command::Withdraw { message, reply } => {
                let withdrawn = self.messaging.inbox().withdraw(&message);
                self.message_log.step(self.messaging.inbox(), Instant::now());
                drop(reply.send(withdrawn));
            }
            Command::Input { request, reply } => drop(reply.send(self.on_input(&request))),
            Command::Type { viewer, bytes, taken } => self.on_type(viewer, bytes, taken),
            Command::Claim { viewer, claim, reply } => drop(reply.send(self.on_claim(viewer, claim))),
            Command::Answer { request, reply } => self.on_answer(request, reply),
            Command::Interrupt { reply } => self.on_interrupt(reply),
            Command::Restart { request, reply } => self.on_restart(request, reply),
            Command::Stop { request, reply } => self.on_stop(request, reply),
            Command::Exceeded { reason } => self.on_exceeded(reason),
            Command::Suspend { reply } => self.on_suspend(reply),
            Command::Launch { reply } => drop(reply.send(Ok(self.launch.clone()))),
            Command::Report(report) => {
                if !self.lifecycle.is_finished() {
                    self.observe(DetectorInput::Hook { name: &report.hook, payload: &report.payload });
                }
            }
            Command::View { joining, reply } => {
                self.tidying.note(Instant::now());
                drop(reply.send(self.on_view(joining)));
            }
            Command::Screen { reply } => drop(reply.send(Ok(self.output.view()))),
            Command::Status { reply } => drop(reply.send(Ok(self.on_status()))),
            Command::Metrics { reply } => drop(reply.send(Ok(self.on_metrics()))),
        }
    }

    fn on_send(&mut self, message: HostSend, images: Vec<MessageImage>) -> Result<(), Problem> {
        if self.messaging.inbox().get(&message.message_id).is_some() {
            // A retry: the sender did not hear that the message was accepted.
            return Ok(());
        }
        self.input.touch(Instant::now());
        self.may_send(&message)?;
        self.messaging.inbox().accept(&message.message_id, message.request.message, images)?;
        if message.request.when_busy == WhenBusy::Interrupt && self.observation().status == AgentStatus::Busy
        {
            self.press_interrupt();
        }
        Ok(())
    }

    fn may_send(&self, message: &HostSend) -> Result<(), Problem> {
        if self.lifecycle.is_finished() || self.lifecycle.is_stopping() {
            return Err(agent_stopped());
        }
        let agent = self.publisher.agent();
        if let Some(attention) = agent.attention {
            match attention.kind {
                AttentionKind::Login => {
                    return Err(auth_required(attention.login_url.as_deref(), &attention.text));
                }
                kind if kind.is_question() => return Err(question_pending(&attention)),
                // The message waits.
                _ => {}
            }
        }
        // Once the answer is there the turn is over, also while it takes a moment until `ready` is certain.
        let runs = agent.status == AgentStatus::Busy && !self.messaging.turn().is_over();
        let busy = runs || self.messaging.is_delivering() || self.messaging.inbox().queued() > 0;
        if busy && message.request.when_busy == WhenBusy::Reject {
            return Err(Problem::new(
                Code::AgentBusy,
                "the agent works on another message; leave `whenBusy` out to queue this one",
            ));
        }
        Ok(())
    }

    fn on_input(&mut self, request: &InputRequest) -> Result<(), Problem> {
        if self.lifecycle.is_finished() {
            return Err(agent_stopped());
        }
        self.dialogs.person_typed(self.process.detector.observation());
        match (&request.text, &request.keys) {
            (Some(text), None) if text.len() <= MAX_INPUT => {
                let bytes = text.clone().into_bytes();
                if self.input.pending_keys() == 0 {
                    self.write(bytes)?;
                } else {
                    // In the order of the requests: keys are still being pressed.
                    self.input.press([bytes]);
                }
            }
            (Some(_), None) => {
                return Err(Problem::new(
                    Code::PayloadTooLarge,
                    format!("at most {MAX_INPUT} bytes at once"),
                ));
            }
            (None, Some(names))
                if names.len() <= MAX_KEYS && self.input.pending_keys() < MAX_PENDING_KEYS =>
            {
                let modes = self.output.screen().modes();
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
                self.input.press(encoded?);
            }
            (None, Some(_)) => {
                return Err(Problem::invalid("keys", format!("at most {MAX_KEYS} keys at once")));
            }
            _ => return Err(Problem::invalid("text", "give either `text` or `keys`")),
        }
        Ok(())
    }

    fn on_type(&mut self, viewer: ViewerId, bytes: Bytes, taken: Reply<()>) {
        let now = Instant::now();
        self.output.typed(viewer);
        self.input.person_typed(now);
        self.dialogs.person_typed(self.process.detector.observation());
        self.input.type_through(&mut self.process.terminal, bytes.clone(), taken, now);
        self.note_interrupt(&bytes);
        self.publisher.mark_active();
    }

    fn on_claim(&mut self, viewer: ViewerId, claim: Claim) -> Result<(), Problem> {
        if self.lifecycle.is_finished() {
            return Err(agent_stopped());
        }
        if let Some(size) = self.output.claim(viewer, claim, Instant::now())?
            && let Err(problem) = self.process.terminal.resize(size)
        {
            tracing::warn!(%problem, "the terminal could not be resized");
        }
        Ok(())
    }

    fn on_answer(&mut self, request: AnswerRequest, reply: Reply<()>) {
        if self.lifecycle.is_finished() {
            return drop(reply.send(Err(agent_stopped())));
        }
        let needed = self.process.detector.observation().attention.as_ref();
        if let Err(problem) = self.names_question(&request, needed) {
            return drop(reply.send(Err(problem)));
        }
        self.dialogs.answer(request, needed, reply, Instant::now());
    }

    /// Whether the answer is for the question that stands now, `needed`, and that was published: nobody answers what nobody was told of.
    fn names_question(
        &self,
        request: &AnswerRequest,
        needed: Option<&AttentionRequest>,
    ) -> Result<(), Problem> {
        let attention = self.publisher.agent().attention;
        let detail = match (&request.attention_id, &attention) {
            (None, None) if needed.is_none() => return Ok(()),
            (None, None) => "a question is just coming; `attention` has it in a moment",
            (Some(id), published) if published.as_ref().is_none_or(|published| published.id != *id) => {
                "that question is over; `attention` has the one that stands now, if any"
            }
            (None, Some(_)) if !self.publisher.is_unmistakable(Instant::now()) => {
                "this question has just come; say with `attentionId` that it is the one you have seen"
            }
            (_, Some(published)) if needed.is_none_or(|needed| answers_both(request, published, needed)) => {
                return Ok(());
            }
            (_, _) => "another question has just come; `attention` has it in a moment",
        };
        let problem = Problem::new(Code::QuestionChanged, detail);
        Err(problem.with("attention", serde_json::to_value(attention).unwrap_or_default()))
    }

    fn on_interrupt(&mut self, reply: Reply<()>) {
        if self.lifecycle.is_finished() {
            drop(reply.send(Err(agent_stopped())));
        } else if self.is_working() {
            self.press_interrupt();
            self.interrupts.wait(reply, Instant::now());
        } else {
            drop(reply.send(Ok(())));
        }
    }

    fn press_interrupt(&mut self) {
        if self.interrupts.may_press(Instant::now()) {
            self.press_interrupt_keys();
        }
    }

    pub(super) fn press_interrupt_keys(&mut self) {
        let modes = self.output.screen().modes();
        let names = self.profile.interrupt_keys().iter();
        self.input.press(names.filter_map(|key| keys::encode(key, &modes)));
    }

    fn on_restart(&mut self, request: RestartRequest, reply: Reply<()>) {
        let conversation = self.next_conversation(request);
        let checked = if self.lifecycle.is_finished() {
            Err(agent_stopped())
        } else if self.lifecycle.is_terminating() {
            Err(Problem::new(Code::Conflict, "the agent is being stopped or restarted"))
        } else {
            // Checked while the program still runs: when the restart is refused it goes on.
            AgentProcess::check(&self.launch, &conversation, &self.context)
        };
        match checked {
            Ok(()) => self.lifecycle.restart(conversation, reply, Instant::now()),
            Err(problem) => drop(reply.send(Err(problem))),
        }
    }

    fn on_stop(&mut self, request: StopRequest, reply: Reply<()>) {
        if self.lifecycle.is_finished() {
            return drop(reply.send(Ok(())));
        }
        let grace = if request.force { Duration::ZERO } else { Duration::from_millis(request.grace_ms) };
        self.lifecycle.stop(grace, reply, Instant::now());
    }

    fn on_exceeded(&mut self, reason: &'static str) {
        if !self.lifecycle.is_finished() && !self.lifecycle.is_stopping() {
            self.lifecycle.terminate(reason, Instant::now());
        }
    }

    fn on_suspend(&mut self, reply: Reply<()>) {
        let id = self.messaging.conversation_id.clone();
        let checked = if self.lifecycle.is_finished() {
            Err(agent_stopped())
        } else if self.lifecycle.is_terminating() {
            Err(Problem::new(Code::Conflict, "the agent is being stopped or restarted"))
        } else {
            // Checked while the program still runs, also for a conversation that has yet to begin.
            AgentProcess::check(&self.launch, &Conversation::Resume { id }, &self.context)
        };
        match checked {
            Ok(()) => self.lifecycle.suspend(reply, Instant::now()),
            Err(problem) => drop(reply.send(Err(problem))),
        }
    }

    fn on_view(&mut self, joining: Joining) -> Result<View, Problem> {
        if self.lifecycle.is_finished() {
            return Err(agent_stopped());
        }
        self.output.join(joining)
    }

    fn on_status(&self) -> StatusReport {
        let agent = self.publisher.agent();
        let observation = self.observation();
        let history = self.publisher.history();
        let finished = self.lifecycle.is_finished();
        StatusReport {
            status: agent.status,
            since: history.last().map_or(agent.created_at, |change| change.at),
            attention: agent.attention,
            source: if finished { "process".into() } else { observation.source.as_str().into() },
            rule: if finished { "ended".into() } else { observation.rule.clone() },
            evidence: observation.evidence.clone(),
            detail: observation.detail.clone(),
            cli_version: self.usage.cli_version.clone(),
            checked_versions: self.profile.checked_versions().to_vec(),
            history,
        }
    }

    fn on_metrics(&mut self) -> Metrics {
        let processes = process_tree::descendants();
        let cpu_seconds = processes.iter().map(|process| process.cpu_seconds).sum();
        let now = Instant::now();
        let (messages_sent, messages_answered) = self.messaging.inbox().counts();
        let until = self.process.ended.map_or(now, |(at, _)| at);
        Metrics {
            cpu_percent: self.usage.cpu_percent(cpu_seconds, now),
            cpu_seconds,
            memory_bytes: processes.iter().map(|process| process.memory_bytes).sum(),
            processes: u32::try_from(processes.len()).unwrap_or(u32::MAX),
            uptime_seconds: (until - self.process.spawned).as_secs_f64(),
            output_bytes: self.output.end(),
            input_bytes: self.input.bytes(),
            messages_sent,
            messages_answered,
            tokens: self.usage.tokens,
            cost_usd: self.usage.cost_usd,
        }
    }
}

fn question_pending(attention: &Attention) -> Problem {
    let detail = format!("the agent asks first: {}; answer it with `/answer`", attention.text);
    let problem = Problem::new(Code::QuestionPending, detail);
    problem.with("attention", serde_json::to_value(attention).unwrap_or_default())
}
