//! How an agent's program is brought to its end: ask, wait, insist, for everything it started.

use std::time::{Duration, Instant};

use parallax_api::Problem;
use parallax_api::agent::RestartRequest;
use rustix::process::Signal;
use tokio::sync::oneshot;

use crate::terminal::Terminal;
use crate::tree;

/// Between two writes: a program may complete a command while it is typed, and then eats an Enter that comes too soon.
const WORD_GAP: Duration = Duration::from_millis(300);
/// A program that was told to leave does so within this time; then signals follow.
const WORD_PATIENCE: Duration = Duration::from_secs(3);
/// After insisting: look again so often.
const INSIST_EVERY: Duration = Duration::from_millis(200);

type Reply = oneshot::Sender<Result<(), Problem>>;

/// A program that is to end, and who waits for it.
pub struct Leaving {
    reason: &'static str,
    restart: Option<RestartRequest>,
    replies: Vec<Reply>,
    step: Step,
    insist_at: Instant,
}

#[derive(Clone, Copy)]
enum Step {
    /// Nothing was said yet.
    Ask,
    /// The program is told to leave in its own words, one write after the other.
    Telling { said: usize, next_at: Instant },
    /// It was sent the signals of a terminal that closes.
    Signalled,
    /// It was killed.
    Insisted { again_at: Instant },
}

impl Leaving {
    /// Begins to end the program, with the reason to tell.
    pub fn new(reason: &'static str, grace: Duration, now: Instant) -> Self {
        Self { reason, restart: None, replies: Vec::new(), step: Step::Ask, insist_at: now + grace }
    }

    /// Begins to end the program, to start it again.
    pub fn restarting(request: RestartRequest, grace: Duration, reply: Reply, now: Instant) -> Self {
        Self { restart: Some(request), replies: vec![reply], ..Self::new("restarted", grace, now) }
    }

    /// Somebody wants it stopped: this wins over a restart, and the shorter grace counts.
    pub fn stop(&mut self, grace: Duration, reply: Reply, now: Instant) {
        if self.restart.take().is_some() {
            self.reason = "stopped";
        }
        self.insist_at = self.insist_at.min(now + grace);
        self.replies.push(reply);
    }

    /// Whether, and how, it is to be started again.
    pub fn restart(&self) -> Option<RestartRequest> {
        self.restart
    }

    /// Whether nothing was said to it yet.
    pub fn is_asking(&self) -> bool {
        matches!(self.step, Step::Ask)
    }

    /// Why it ends.
    pub fn reason(&self) -> &'static str {
        self.reason
    }

    /// When something is due.
    pub fn deadline(&self) -> Option<Instant> {
        Some(match self.step {
            Step::Ask => Instant::now(),
            Step::Telling { next_at, .. } => next_at.min(self.insist_at),
            Step::Signalled => self.insist_at,
            Step::Insisted { again_at } => again_at,
        })
    }

    /// Does what is due. `words` are what the program understands as a request to leave, when it would read them now.
    pub fn step(&mut self, terminal: &Terminal, words: &[Vec<u8>], now: Instant) {
        match self.step {
            Step::Insisted { again_at } if now < again_at => {}
            _ if now >= self.insist_at => {
                tree::signal_all(Signal::KILL);
                self.step = Step::Insisted { again_at: now + INSIST_EVERY };
            }
            Step::Ask => self.tell(terminal, words, 0, now),
            Step::Telling { said, next_at } if now >= next_at => self.tell(terminal, words, said, now),
            _ => {}
        }
    }

    fn tell(&mut self, terminal: &Terminal, words: &[Vec<u8>], said: usize, now: Instant) {
        let told = words.get(said).is_some_and(|word| terminal.write(word.clone()).is_ok());
        if !told {
            return self.signal();
        }
        let wait = if said + 1 == words.len() { WORD_PATIENCE } else { WORD_GAP };
        self.step = Step::Telling { said: said + 1, next_at: now + wait };
    }

    /// SIGTERM is the request to end; an interactive shell ignores it and heeds SIGHUP, the sign of a closed terminal.
    fn signal(&mut self) {
        tree::signal_all(Signal::TERM);
        tree::signal_all(Signal::HUP);
        self.step = Step::Signalled;
    }

    /// Tells everyone who waits.
    pub fn finish(self, result: &Result<(), Problem>) {
        for reply in self.replies {
            // Who no longer waits sees it in the agent.
            drop(reply.send(result.clone()));
        }
    }
}
