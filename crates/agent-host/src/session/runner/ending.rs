//! The end of a run of the program: for good, or to start again.

use std::time::Instant;

use parallax_api::agent::{AgentExit, RestartRequest};
use parallax_api::{Code, Problem, Time};
use parallax_profile::{Composer, Conversation};
use parallax_screen::keys;

use super::super::agent_process::AgentProcess;
use super::super::messaging::Messaging;
use super::{Runner, agent_stopped};
use crate::inbox::KeptMessages;
use crate::reaper::ProcessExit;
use crate::resume::ResumeState;
use crate::termination::Termination;

/// The signal of the out-of-memory killer.
const SIGKILL: i32 = rustix::process::Signal::KILL.as_raw();

impl Runner {
    /// The CLI's exit command, one write each, while the program would read it.
    pub(super) fn exit_command(&mut self) -> Vec<Vec<u8>> {
        let modes = self.output.screen().modes();
        let leave = self.profile.leave();
        let text = leave.text.iter().flat_map(|text| [text.clone().into_bytes(), b"\r".to_vec()]);
        let keys = leave.keys.iter().filter_map(|key| keys::encode(key, &modes));
        // Into an empty composer only: a draft would be entered with it. Once begun, the composer holds the command.
        let observation = self.observation();
        let empty = !self.messaging.is_delivering() && !matches!(observation.composer, Composer::Holds(_));
        let reads = Messaging::would_take(observation) && (empty || self.lifecycle.has_asked());
        if reads { text.chain(keys).collect() } else { Vec::new() }
    }

    /// The conversation that a restart resumes, or a new one.
    pub(super) fn next_conversation(&self, request: RestartRequest) -> Conversation {
        // A conversation that never began cannot be resumed.
        if request.resume && self.messaging.has_conversed {
            Conversation::Resume { id: self.messaging.conversation_id.clone() }
        } else {
            Conversation::New { id: uuid::Uuid::new_v4().to_string() }
        }
    }

    /// The program has ended, its output is complete, and nothing that it started is left.
    pub(super) fn on_end(&mut self, exit: ProcessExit) {
        self.output.flush();
        let termination = self.lifecycle.take_termination();
        let restart = termination.as_ref().and_then(Termination::restart).cloned();
        let unanswered = Problem::new(Code::AgentStopped, "the agent ended before it answered");
        self.messaging.abandon(restart.is_some(), unanswered);
        self.input.clear();
        // A turn that ended with the program is interrupted.
        self.interrupts.step(false, self.output.last_at(), Instant::now());
        self.dialogs.abandon(agent_stopped());
        match (restart, termination) {
            (Some(conversation), Some(termination)) => self.start_again(&conversation, termination),
            (_, termination) => self.finish(exit, termination),
        }
    }

    fn start_again(&mut self, conversation: &Conversation, termination: Termination) {
        if let Conversation::New { id } = conversation {
            self.messaging.conversation_id.clone_from(id);
        }
        let is_resumed = matches!(conversation, Conversation::Resume { .. });
        let tokens = self.process.detector.tokens().clone().carried_over(is_resumed);
        let size = self.output.size();
        match AgentProcess::spawn(&self.launch, &self.profile, conversation, size, &self.context) {
            Ok(process) => {
                let now = Instant::now();
                self.process = process;
                self.process.detector.carry_tokens(tokens);
                self.output.reset(now);
                self.input.touch(now);
                self.messaging.restart();
                self.dialogs.restart();
                self.publisher.started();
                termination.finish(&Ok(()));
            }
            Err(problem) => {
                termination.finish(&Err(problem));
                self.finish(ProcessExit { code: None, signal: None }, None);
            }
        }
    }

    fn finish(&mut self, exit: ProcessExit, termination: Option<Termination>) {
        let reason = match &termination {
            Some(termination) => termination.reason().to_owned(),
            None if exit.signal == Some(SIGKILL) && self.process.ran_out_of_memory() => "oom".into(),
            None if exit.signal.is_some() => "killed".into(),
            None => "exited".into(),
        };
        self.messaging.inbox().fail_queued(&agent_stopped());
        self.write_resume_state(self.messaging.inbox().keep());
        self.publisher.touch(0, 0, Instant::now());
        self.publisher.stopped(AgentExit {
            code: exit.code,
            signal: exit.signal.and_then(signal_name),
            reason,
            at: Time::now(),
            workspace: None,
        });
        self.output.close();
        self.journal.close();
        let failed = exit.code != Some(0) && termination.is_none();
        let problem = failed.then(|| self.start_failure(exit));
        self.lifecycle.finish(|| problem.map_or(Ok(()), Err));
        if let Some(termination) = termination {
            termination.finish(&Ok(()));
        }
    }

    /// Leaves what the next host of this directory needs.
    pub(super) fn write_resume_state(&self, messages: KeptMessages) {
        let resume = ResumeState {
            conversation: self.messaging.conversation_id.clone(),
            has_conversed: self.messaging.has_conversed,
            messages,
            tokens: self.usage.tokens,
        };
        if let Err(error) = resume.write(&self.context.dir) {
            tracing::error!(%error, "the state for the next host cannot be written");
        }
    }

    fn start_failure(&mut self, exit: ProcessExit) -> Problem {
        let how = match (exit.code, exit.signal.and_then(signal_name)) {
            (_, Some(signal)) => format!("was killed by {signal}"),
            (Some(code), None) => format!("exited with code {code}"),
            (None, None) => "ended".into(),
        };
        let detail = format!(
            "`{}` {how} as soon as it was started; `output` has its last words",
            self.launch.agent.r#type
        );
        Problem::new(Code::SpawnFailed, detail).with("output", self.output.last_lines())
    }
}

/// The name (`SIGKILL`) of a signal's number on Linux; see signal(7).
fn signal_name(number: i32) -> Option<String> {
    let signal = rustix::process::Signal::from_named_raw(number)?;
    let debug = format!("{signal:?}");
    // `Signal::KILL` or `KILL`, depending on the version of the crate.
    debug.rsplit("::").next().map(|name| {
        format!("SIG{}", name.trim_start_matches("SIG").trim_matches(|c: char| !c.is_ascii_alphanumeric()))
    })
}
