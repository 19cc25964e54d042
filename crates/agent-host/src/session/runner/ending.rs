//! The beginning of a run, and how it is ended: for good, or to begin again.

use std::time::{Duration, Instant};

use parallax_api::agent::{AgentExit, RestartRequest};
use parallax_api::{Code, Problem, Time};
use parallax_profile::{Composer, Conversation};
use parallax_screen::{Screen, keys};

use super::super::process::Process;
use super::{RESET, Runner, SCROLLBACK, agent_stopped};
use crate::delivery::Delivery;
use crate::leaving::Leaving;
use crate::memory::Memory;
use crate::passing::Passing;
use crate::reaper::Ended;
use crate::tree;
use crate::turn::Turn;

/// A process that ends this soon after its start did not start.
const BEGIN_WINDOW: Duration = Duration::from_millis(250);
/// How the kernel ends what it has no memory for.
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
        if let Some(leaving) = &mut self.leaving {
            leaving.step(&self.process.terminal, &words, now);
        }
    }

    /// How the program is told to leave: in its own words while it would read them.
    fn leave_words(&self) -> Vec<Vec<u8>> {
        let modes = self.screen.modes();
        let leave = self.profile.leave();
        let text = leave.text.iter().flat_map(|text| [text.clone().into_bytes(), b"\r".to_vec()]);
        let keys = leave.keys.iter().filter_map(|key| keys::encode(key, &modes));
        // Into an empty composer only: a draft would be entered with it. Once begun, what stands there is the word itself.
        let begun = self.leaving.as_ref().is_some_and(|leaving| !leaving.is_asking());
        let empty = !self.delivery.is_busy() && !matches!(self.observation().composer, Composer::Holds(_));
        let heard = Delivery::would_take(self.observation()) && (empty || begun);
        if heard { text.chain(keys).collect() } else { Vec::new() }
    }

    pub(super) async fn on_end(&mut self, ended: Ended) {
        // What the agent started goes with it; a restart begins with nothing left of before.
        tree::kill_all().await;
        let fed = self.screen.flush();
        self.emit(fed.output);
        let restarts = self.leaving.as_ref().is_some_and(|leaving| leaving.restart().is_some());
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
            // Ended is interrupted.
            drop(reply.send(Ok(())));
        }
        if let Some(answering) = self.answering.take() {
            answering.finish(Err(agent_stopped()));
        }
        match self.leaving.take() {
            Some(leaving) if let Some(request) = leaving.restart() => self.start_again(request, leaving),
            leaving => self.finish(ended, leaving),
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

    fn start_again(&mut self, request: RestartRequest, leaving: Leaving) {
        let conversation = self.next_conversation(request);
        if let Conversation::New { id } = &conversation {
            self.conversation.clone_from(id);
        }
        match Process::spawn(&self.launch, &self.profile, &conversation, self.size, &self.surroundings) {
            Ok(process) => {
                self.process = process;
                self.screen = Screen::new(self.size, SCROLLBACK);
                // Viewers and readers of the log start with a clean screen, too (RIS).
                self.emit(RESET.to_vec());
                self.turn = Turn::default();
                (self.last_output, self.last_input) = (Instant::now(), Instant::now());
                self.passing = Passing::default();
                self.publisher.started();
                leaving.finish(&Ok(()));
            }
            Err(problem) => {
                leaving.finish(&Err(problem));
                self.finish(Ended { code: None, signal: None }, None);
            }
        }
    }

    fn finish(&mut self, ended: Ended, leaving: Option<Leaving>) {
        let reason = match &leaving {
            Some(leaving) => leaving.reason().to_owned(),
            None if ended.signal == Some(SIGKILL) && self.process.ran_out_of_memory() => "oom".into(),
            None if ended.signal.is_some() => "killed".into(),
            None => "exited".into(),
        };
        self.inbox.fail_queued(&agent_stopped());
        let memory = Memory {
            conversation: self.conversation.clone(),
            has_conversed: self.has_conversed,
            messages: self.inbox.keep(),
        };
        if let Err(error) = memory.write(&self.surroundings.dir) {
            tracing::error!(%error, "what the next host would go on from cannot be written");
        }
        self.publisher.note(0, false, Instant::now());
        self.publisher.stopped(AgentExit {
            code: ended.code,
            signal: ended.signal.and_then(signal_name),
            reason,
            at: Time::now(),
        });
        self.viewers.end();
        self.finished = true;
        if let Some(begun) = self.begun.take() {
            let failed = ended.code != Some(0) && leaving.is_none();
            // Who no longer waits finds the agent in the list.
            drop(begun.send(if failed { Err(self.did_not_start(ended)) } else { Ok(()) }));
        }
        if let Some(leaving) = leaving {
            leaving.finish(&Ok(()));
        }
    }

    fn did_not_start(&self, ended: Ended) -> Problem {
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
    pub(super) fn begun_at(&self) -> Option<Instant> {
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
