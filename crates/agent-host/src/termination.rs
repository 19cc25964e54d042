//! Graceful termination of an agent's program and of everything it started: ask, wait, kill.

use std::time::{Duration, Instant};

use parallax_api::Problem;
use parallax_api::agent::SUSPENDED;
use parallax_profile::Conversation;
use rustix::process::Signal;
use tokio::sync::oneshot;

use crate::process_tree;
use crate::terminal::Terminal;

/// Between two writes of the exit command: a program that completes a command while it is typed swallows an Enter that
/// comes too soon.
const WRITE_GAP: Duration = Duration::from_millis(300);
/// How long the program may take to exit after its exit command; then signals follow.
const EXIT_COMMAND_TIMEOUT: Duration = Duration::from_secs(3);
/// How often SIGKILL is repeated, for processes that were started meanwhile.
const KILL_INTERVAL: Duration = Duration::from_millis(200);

type Reply = oneshot::Sender<Result<(), Problem>>;

/// A program that is to end, and the requests that wait for it.
pub struct Termination {
    reason: &'static str,
    /// The conversation of the restart. Decided before the program is asked to end: its exit command is no conversation.
    restart: Option<Conversation>,
    replies: Vec<Reply>,
    step: Step,
    kill_at: Instant,
}

#[derive(Clone, Copy)]
enum Step {
    /// Nothing was sent yet.
    Ask,
    /// The CLI's own exit command is being typed, one write after the other.
    ExitCommand { sent: usize, next_at: Instant },
    /// SIGTERM and SIGHUP were sent.
    Signalled,
    /// SIGKILL was sent.
    Killed { again_at: Instant },
}

impl Termination {
    /// Ends the program; `reason` is published with its end.
    pub fn new(reason: &'static str, grace: Duration, now: Instant) -> Self {
        Self { reason, restart: None, replies: Vec::new(), step: Step::Ask, kill_at: now + grace }
    }

    /// Ends the program to start it again.
    pub fn restarting(conversation: Conversation, grace: Duration, reply: Reply, now: Instant) -> Self {
        Self { restart: Some(conversation), replies: vec![reply], ..Self::new("restarted", grace, now) }
    }

    /// Ends the program, which another host is to start again.
    pub fn suspending(grace: Duration, reply: Reply, now: Instant) -> Self {
        Self { replies: vec![reply], ..Self::new(SUSPENDED, grace, now) }
    }

    /// A stop was requested: it wins over a restart and a suspension, and the shorter grace counts.
    pub fn stop(&mut self, grace: Duration, reply: Reply, now: Instant) {
        if self.restart.take().is_some() || self.reason == SUSPENDED {
            self.reason = "stopped";
        }
        self.kill_at = self.kill_at.min(now + grace);
        self.replies.push(reply);
    }

    /// The conversation of the restart that follows, if one was requested.
    pub fn restart(&self) -> Option<&Conversation> {
        self.restart.as_ref()
    }

    /// Whether nothing was sent to the program yet.
    pub fn is_asking(&self) -> bool {
        matches!(self.step, Step::Ask)
    }

    /// Why the program ends.
    pub fn reason(&self) -> &'static str {
        self.reason
    }

    /// When [`Termination::step`] is due.
    pub fn deadline(&self, now: Instant) -> Instant {
        match self.step {
            Step::Ask => now,
            Step::ExitCommand { next_at, .. } => next_at.min(self.kill_at),
            Step::Signalled => self.kill_at,
            Step::Killed { again_at } => again_at,
        }
    }

    /// Does what is due. `exit_command` is empty when the program would not read it now.
    pub fn step(&mut self, terminal: &mut Terminal, exit_command: &[Vec<u8>], now: Instant) {
        match self.step {
            Step::Killed { again_at } if now < again_at => {}
            _ if now >= self.kill_at => {
                process_tree::signal_all(Signal::KILL);
                self.step = Step::Killed { again_at: now + KILL_INTERVAL };
            }
            Step::Ask => self.send_exit_command(terminal, exit_command, 0, now),
            Step::ExitCommand { sent, next_at } if now >= next_at => {
                self.send_exit_command(terminal, exit_command, sent, now);
            }
            _ => {}
        }
    }

    fn send_exit_command(
        &mut self,
        terminal: &mut Terminal,
        exit_command: &[Vec<u8>],
        sent: usize,
        now: Instant,
    ) {
        let written = exit_command.get(sent).is_some_and(|bytes| terminal.write(bytes.clone()).is_ok());
        if !written {
            return self.signal();
        }
        let wait = if sent + 1 == exit_command.len() { EXIT_COMMAND_TIMEOUT } else { WRITE_GAP };
        self.step = Step::ExitCommand { sent: sent + 1, next_at: now + wait };
    }

    /// SIGTERM is the common request to end; an interactive shell ignores it, but ends at SIGHUP.
    fn signal(&mut self) {
        process_tree::signal_all(Signal::TERM);
        process_tree::signal_all(Signal::HUP);
        self.step = Step::Signalled;
    }

    /// Answers the requests that wait.
    pub fn finish(self, result: &Result<(), Problem>) {
        for reply in self.replies {
            // A caller that no longer waits sees the result in the agent.
            drop(reply.send(result.clone()));
        }
    }
}
