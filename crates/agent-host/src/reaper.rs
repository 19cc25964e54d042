//! Waits for every child of the host, the agent and adopted orphans, and reports the agent's exit status.
//!
//! The host is a subreaper (and in a container process 1): an orphan of its agent becomes the host's child, so that no
//! process escapes [`crate::process_tree`] and no zombie stays. One thread waits for all children, because two waiters
//! would take each other's exit statuses.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex};

use rustix::process::{WaitOptions, WaitStatus, wait};
use tokio::sync::oneshot;

use crate::os;

/// The exit status of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessExit {
    /// The exit code, when the process exited.
    pub code: Option<i32>,
    /// The number of the signal that killed it.
    pub signal: Option<i32>,
}

/// Hands out exit statuses of children. Cheap to clone.
#[derive(Clone)]
pub struct Reaper(Arc<Shared>);

struct Shared {
    watched: Mutex<Watched>,
    /// Notified when a child was started, for a thread that had none to wait for.
    started: Condvar,
}

#[derive(Default)]
struct Watched {
    waiting: HashMap<i32, oneshot::Sender<ProcessExit>>,
    /// Statuses that arrived before they were asked for. Children are few, and asked for right after their start.
    ended: HashMap<i32, ProcessExit>,
    starts: u64,
}

impl Reaper {
    /// Makes this process the reaper of all its descendants and starts the waiting thread.
    pub fn start() -> std::io::Result<Self> {
        os::adopt_orphans()?;
        let shared = Arc::new(Shared { watched: Mutex::default(), started: Condvar::new() });
        let reaper = Self(shared.clone());
        std::thread::Builder::new().name("reaper".into()).spawn(move || shared.run())?;
        Ok(reaper)
    }

    /// Resolves when the child `pid` has ended. To be called once, right after the child was started.
    pub fn ended(&self, pid: u32) -> oneshot::Receiver<ProcessExit> {
        let (tx, rx) = oneshot::channel();
        let pid = pid.cast_signed();
        let mut watched = self.0.watched.lock().expect("the reaper does not panic");
        match watched.ended.remove(&pid) {
            // The receiver may be gone.
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
                Ok(Some((pid, status))) => self.record(pid.as_raw_nonzero().get(), status),
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

    fn record(&self, pid: i32, status: WaitStatus) {
        if !status.exited() && !status.signaled() {
            return;
        }
        let ended = ProcessExit { code: status.exit_status(), signal: status.terminating_signal() };
        let mut watched = self.watched.lock().expect("the reaper does not panic");
        match watched.waiting.remove(&pid) {
            // The receiver may be gone.
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
