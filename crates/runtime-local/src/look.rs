//! All processes by their parents, looked at once for all agents that are measured together.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::os;
use crate::process::Children;

/// How long one look is good for: a control plane has all agents measured at once, and there may be hundreds.
const GOOD_FOR: Duration = Duration::from_millis(250);

/// The last look.
#[derive(Default)]
pub(crate) struct Look {
    /// What was seen, and when.
    last: Mutex<Option<(Instant, Arc<Children>)>>,
    /// Held while somebody looks.
    looking: Mutex<()>,
}

impl Look {
    /// The processes as they were a moment ago, if somebody looked then.
    pub(crate) fn recent(&self) -> Option<Arc<Children>> {
        let last = lock(&self.last);
        last.as_ref().filter(|(at, _)| at.elapsed() < GOOD_FOR).map(|(_, seen)| seen.clone())
    }

    /// The processes as they are or were a moment ago. Blocks.
    pub(crate) fn now(&self) -> Arc<Children> {
        let _looking = lock(&self.looking);
        self.recent().unwrap_or_else(|| {
            let seen = Arc::new(Children::among(&os::all()));
            *lock(&self.last) = Some((Instant::now(), seen.clone()));
            seen
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
