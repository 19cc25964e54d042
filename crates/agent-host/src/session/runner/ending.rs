//! The beginning of a run, and how it is ended: for good, or to begin again.

use std::time::{Duration, Instant};

use parallax_api::agent::{AgentExit, RestartRequest};
use parallax_api::{Code, Problem, Time};
use parallax_profile::{Composer, Conversation};
use parallax_screen::{Screen, keys};

use super::super::agent_process::AgentProcess;
use super::{RESET, Runner, SCROLLBACK, agent_stopped};
use crate::auto_dismiss::AutoDismiss;
use crate::delivery::Delivery;
use crate::process_tree;
use crate::reaper::ProcessExit;
use crate::resume::ResumeState;
use crate::termination::Termination;
use crate::turn::TurnOutput;

/// A process that ends this soon after its start did not start.
const BEGIN_WINDOW: Duration = Duration::from_millis(250);
/// The signal of the out-of-memory killer.
const SIGKILL: i32 = rustix::process::Signal::KILL.as_raw();
/// Lines of its last words that a failed start tells.
const LAST_WORDS: usize = 20;

impl Runner {
    pub(super) fn begin(&mut self, now: Instant) {
        if self.process.ended.is_none()
            && now - self.process.spawned >= BEGIN_WINDOW
            && let Some(begun) = self.begun.take()
        {
            // Who no longer waits finds the agent in the list.
            drop(begun.send(Ok(())));
        }
    }

    pub(super) fn leave(&mut self, now: Instant) {
        let words = self.leave_words();
        if let Some(termination) = &mut self.termination {
            termination.step(&self.process.terminal, &words, now);
        }
    }

    /// How the program is told to leave: in its own words while it would read them.
    fn leave_words(&self) -> Vec<Vec<u8>> {
        let modes = self.screen.modes();
        let leave = self.profile.leave();
        let text = leave.text.iter().flat_map(|text| [text.clone().into_bytes(), b"\r".to_vec()]);
        let keys = leave.keys.iter().filter_map(|key| keys::encode(key, &modes));
        // Into an empty composer only: a draft would be entered with it. Once begun, what stands there is the word itself.
        let begun = self.termination.as_ref().is_some_and(|termination| !termination.is_asking());
        let empty = !self.delivery.is_busy() && !matches!(self.observation().composer, Composer::Holds(_));
        let heard = Delivery::would_take(self.observation()) && (empty || begun);
        if heard { text.chain(keys).collect() } else { Vec::new() }
    }

    pub(super) async fn on_end(&mut self, ended: ProcessExit) {
        // What the agent started goes with it; a restart begins with nothing left of before.
        process_tree::kill_all().await;
        let fed = self.screen.flush();
        self.emit(fed.output);
        let restarts = self.termination.as_ref().is_some_and(|termination| termination.restart().is_some());
        match self.delivery.abandon() {
            // Nobody has read it: it is typed again.
            Some((id, false)) if restarts => self.inbox.put_back(&id),
            Some((id, _)) => {
                self.inbox.fail(&id, Problem::new(Code::AgentStopped, "the agent ended before it answered"));
            }
            None => {}
        }
        self.keyboard.clear();
        for (reply, _) in self.interrupting.drain(..) {
            // The program has ended, so the turn is interrupted.
            drop(reply.send(Ok(())));
        }
        if let Some(answering) = self.dialog_answer.take() {
            answering.finish(Err(agent_stopped()));
        }
        match self.termination.take() {
            Some(termination) if let Some(request) = termination.restart() => {
                self.start_again(request, termination)
            }
            termination => self.finish(ended, termination),
        }
    }

    /// The conversation that a restart goes on with, or a new one.
    pub(super) fn next_conversation(&self, request: RestartRequest) -> Conversation {
        // A conversation that never began cannot be gone on with.
        if request.resume && self.has_conversed {
            Conversation::Resume { id: self.conversation.clone() }
        } else {
            Conversation::New { id: uuid::Uuid::new_v4().to_string() }
        }
    }

    fn start_again(&mut self, request: RestartRequest, termination: Termination) {
        let conversation = self.next_conversation(request);
        if let Conversation::New { id } = &conversation {
            self.conversation.clone_from(id);
        }
        match AgentProcess::spawn(&self.launch, &self.profile, &conversation, self.size, &self.context) {
            Ok(process) => {
                self.process = process;
                self.screen = Screen::new(self.size, SCROLLBACK);
                // Viewers and readers of the log start with a clean screen, too (RIS).
                self.emit(RESET.to_vec());
                self.turn = TurnOutput::default();
                (self.last_output, self.last_input) = (Instant::now(), Instant::now());
                self.auto_dismiss = AutoDismiss::default();
                self.publisher.started();
                termination.finish(&Ok(()));
            }
            Err(problem) => {
                termination.finish(&Err(problem));
                self.finish(ProcessExit { code: None, signal: None }, None);
            }
        }
    }

    fn finish(&mut self, ended: ProcessExit, termination: Option<Termination>) {
        let reason = match &termination {
            Some(termination) => termination.reason().to_owned(),
            None if ended.signal == Some(SIGKILL) && self.process.ran_out_of_memory() => "oom".into(),
            None if ended.signal.is_some() => "killed".into(),
            None => "exited".into(),
        };
        self.inbox.fail_queued(&agent_stopped());
        let resume = ResumeState {
            conversation: self.conversation.clone(),
            has_conversed: self.has_conversed,
            messages: self.inbox.keep(),
        };
        if let Err(error) = resume.write(&self.context.dir) {
            tracing::error!(%error, "what the next host would go on from cannot be written");
        }
        self.publisher.touch(0, false, Instant::now());
        self.publisher.stopped(AgentExit {
            code: ended.code,
            signal: ended.signal.and_then(signal_name),
            reason,
            at: Time::now(),
        });
        self.viewers.end();
        self.finished = true;
        if let Some(begun) = self.begun.take() {
            let failed = ended.code != Some(0) && termination.is_none();
            // Who no longer waits finds the agent in the list.
            drop(begun.send(if failed { Err(self.did_not_start(ended)) } else { Ok(()) }));
        }
        if let Some(termination) = termination {
            termination.finish(&Ok(()));
        }
    }

    fn did_not_start(&self, ended: ProcessExit) -> Problem {
        let rows = self.screen.history(LAST_WORDS).into_iter().chain(self.screen.rows());
        let mut lines: Vec<String> =
            rows.map(|row| row.text).filter(|text| !text.trim().is_empty()).collect();
        let output = lines.split_off(lines.len().saturating_sub(LAST_WORDS)).join("\n");
        let how = match (ended.code, ended.signal.and_then(signal_name)) {
            (_, Some(signal)) => format!("was killed by {signal}"),
            (Some(code), None) => format!("exited with code {code}"),
            (None, None) => "ended".into(),
        };
        let detail = format!(
            "`{}` {how} as soon as it was started; `output` has its last words",
            self.launch.agent.r#type
        );
        Problem::new(Code::SpawnFailed, detail).with("output", output)
    }

    /// When the program counts as started.
    pub(super) fn started_at(&self) -> Option<Instant> {
        let runs = self.process.ended.is_none();
        self.begun.as_ref().filter(|_| runs).map(|_| self.process.spawned + BEGIN_WINDOW)
    }
}

/// The name that people know (`SIGKILL`) of a signal's number on Linux; see signal(7).
fn signal_name(number: i32) -> Option<String> {
    let signal = rustix::process::Signal::from_named_raw(number)?;
    let debug = format!("{signal:?}");
    // `Signal::KILL` or `KILL`, as the crate prints it.
    debug.rsplit("::").next().map(|name| {
        format!("SIG{}", name.trim_start_matches("SIG").trim_matches(|c: char| !c.is_ascii_alphanumeric()))
    })
}
