//! Waits for every child, the agent and the orphans that come to this process, and tells how the agent ended.
//!
//! The host is a subreaper (and in a container the first process): whatever its agent leaves behind becomes the host's
//! child, so nothing escapes [`crate::tree`] and no zombie stays. One thread waits for all, because two waiters would
//! steal each other's children.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex};

use rustix::process::{WaitOptions, WaitStatus, getpid, set_child_subreaper, wait};
use tokio::sync::oneshot;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The exit code, when it exited.
    pub code: Option<i32>,
    /// The number of the signal, when it was killed.
    pub signal: Option<i32>,
}

/// The one place that waits for children.
#[derive(Clone)]
pub struct Reaper(Arc<Shared>);

struct Shared {
    watched: Mutex<Watched>,
    /// Rung when a child was started, for a thread that has none to wait for.
    started: Condvar,
}

#[derive(Default)]
struct Watched {
    waiting: HashMap<i32, oneshot::Sender<Ended>>,
    /// Ends that came before somebody asked; children are few, and asked for right after their start.
    ended: HashMap<i32, Ended>,
    starts: u64,
}

impl Reaper {
    /// Makes this process the reaper of all its descendants and starts the waiting thread.
    pub fn start() -> std::io::Result<Self> {
        set_child_subreaper(Some(getpid()))?;
        let shared = Arc::new(Shared { watched: Mutex::default(), started: Condvar::new() });
        let reaper = Self(shared.clone());
        std::thread::Builder::new().name("reaper".into()).spawn(move || shared.run())?;
        Ok(reaper)
    }

    /// Resolves when the child `pid` has ended. To be called once, right after the child was started.
    pub fn ended(&self, pid: u32) -> oneshot::Receiver<Ended> {
        let (tx, rx) = oneshot::channel();
        let pid = pid.cast_signed();
        let mut watched = self.0.watched.lock().expect("the reaper does not panic");
        match watched.ended.remove(&pid) {
            // A receiver that is gone has lost interest.
            Some(ended) => drop(tx.send(ended)),
            None => drop(watched.waiting.insert(pid, tx)),
        }
        watched.starts += 1;
        self.0.started.notify_one();
        rx
    }
}

impl Shared {
    fn run(&self) {
        let mut seen = 0;
        loop {
            match wait(WaitOptions::empty()) {
                Ok(Some((pid, status))) => self.tell(pid.as_raw_nonzero().get(), status),
                Ok(None) => {}
                Err(rustix::io::Errno::INTR) => {}
                // No child at the moment: wait until one is started.
                Err(_) => {
                    let mut watched = self.watched.lock().expect("the reaper does not panic");
                    while watched.starts == seen {
                        watched = self.started.wait(watched).expect("the reaper does not panic");
                    }
                    seen = watched.starts;
                }
            }
        }
    }

    fn tell(&self, pid: i32, status: WaitStatus) {
        if !status.exited() && !status.signaled() {
            return;
        }
        let ended = Ended { code: status.exit_status(), signal: status.terminating_signal() };
        let mut watched = self.watched.lock().expect("the reaper does not panic");
        match watched.waiting.remove(&pid) {
            // A receiver that is gone has lost interest.
            Some(tx) => drop(tx.send(ended)),
            None => {
                if watched.ended.len() > 256 {
                    watched.ended.clear();
                }
                watched.ended.insert(pid, ended);
            }
        }
    }
}
