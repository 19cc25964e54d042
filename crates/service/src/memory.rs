//! What the allocator keeps of memory that a server no longer uses.
//!
//! By itself the GNU allocator gives each thread a heap, up to eight for each core, and gives back only the end of one: after much work a
//! server had eight times as much memory as it used.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

use crate::shutdown::Shutdown;

/// Larger pieces have pages of their own, which go back at once. Unless it is set, the allocator raises it to whatever was freed last.
#[cfg(target_env = "gnu")]
const OWN_PAGES: libc::c_int = 512 * 1024;
/// How long after work what is free is given back; work that never pauses has it given back as often.
const PAUSE: Duration = Duration::from_secs(5);

/// Something was done since what is free was given back.
static WORKED: AtomicBool = AtomicBool::new(false);
/// Wakes who gives it back.
static NOTED: Notify = Notify::const_new();

/// Sets how the allocator keeps memory. To be called before there is a second thread, by programs that serve.
pub fn set_up() {
    #[cfg(target_env = "gnu")]
    {
        // A heap for each thread that can run at once, and for the first one.
        let heaps = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        // SAFETY: these set numbers of the allocator.
        #[expect(unsafe_code, reason = "no safe interface exists")]
        unsafe {
            libc::mallopt(libc::M_ARENA_MAX, libc::c_int::try_from(heaps).unwrap_or(libc::c_int::MAX).max(2));
            libc::mallopt(libc::M_MMAP_THRESHOLD, OWN_PAGES);
            libc::mallopt(libc::M_TRIM_THRESHOLD, 2 * OWN_PAGES);
        }
    }
}

/// Something was done that needed memory.
pub(crate) fn worked() {
    if !WORKED.swap(true, Ordering::Relaxed) {
        NOTED.notify_one();
    }
}

/// Gives back what is free a while after something was done, until the shutdown. Nothing wakes it otherwise.
pub(crate) async fn tidy(shutdown: Shutdown) {
    let tidying = async {
        loop {
            NOTED.notified().await;
            WORKED.store(false, Ordering::Relaxed);
            tokio::time::sleep(PAUSE).await;
            // It may take some milliseconds. That it was given up is the end of this process.
            let _ = tokio::task::spawn_blocking(trim).await;
        }
    };
    tokio::select! {
        () = shutdown.begun() => {}
        () = tidying => {}
    }
}

/// Gives back what the allocator keeps and nobody uses.
pub(crate) fn trim() {
    #[cfg(target_env = "gnu")]
    {
        // SAFETY: it may be called at any time, from any thread.
        #[expect(unsafe_code, reason = "no safe interface exists")]
        unsafe {
            libc::malloc_trim(0);
        }
    }
}

#[cfg(all(test, target_os = "linux", target_env = "gnu"))]
mod tests {
    use super::*;

    const PIECE: usize = 1024;
    const PIECES: usize = 64 * 1024;

    fn resident_bytes() -> usize {
        let statm = std::fs::read_to_string("/proc/self/statm").expect("it can be read");
        let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok());
        pages.expect("a number") * rustix::param::page_size()
    }

    #[tokio::test(start_paused = true)]
    async fn what_work_needed_is_given_back_after_it() {
        let shutdown = Shutdown::new();
        let tidying = tokio::spawn(tidy(shutdown.clone()));
        let mut pieces: Vec<Vec<u8>> = (0..PIECES).map(|_| vec![1; PIECE]).collect();
        // What is in use behind it keeps the allocator from giving back what is free by itself.
        let last = pieces.split_off(PIECES - 1);
        drop(pieces);
        let before = resident_bytes();
        worked();
        let waited = async {
            while resident_bytes() + PIECES * PIECE / 2 > before {
                tokio::time::sleep(PAUSE / 10).await;
            }
        };
        tokio::time::timeout(PAUSE * 3, waited).await.expect("what is free goes back");
        drop(last);
        shutdown.begin();
        tidying.await.unwrap();
    }
}
