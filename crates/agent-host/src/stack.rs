//! The stack of the first thread, deeper than it is used.
//!
//! To read a launch and to start an agent takes a hundred kilobytes of stack once. What lies below the frames that are there is
//! garbage, but the system keeps it, beside every agent.

use std::ptr::from_ref;

/// What is called from here lies less far below: one system call.
const MARGIN: usize = 8 * 1024;

/// Gives back what was used once. On any other than the first thread it does nothing.
pub fn give_back() {
    let here = 0_u8;
    let here = from_ref(&here).addr();
    let Some(lowest) = lowest().filter(|lowest| *lowest < here.saturating_sub(MARGIN)) else { return };
    let page = rustix::param::page_size();
    let (from, to) = (lowest.next_multiple_of(page), (here - MARGIN) / page * page);
    if from < to {
        // SAFETY: these pages belong to the stack that this runs on, below everything that is in use and what is called from here.
        #[expect(unsafe_code, reason = "no safe interface exists")]
        unsafe {
            libc::madvise(std::ptr::with_exposed_provenance_mut(from), to - from, libc::MADV_DONTNEED);
        }
    }
}

/// Where the stack of the first thread ends that this is called on.
fn lowest() -> Option<usize> {
    let here = 0_u8;
    let here = from_ref(&here).addr();
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    let line = maps.lines().find(|line| line.ends_with("[stack]"))?;
    let (from, to) = line.split(' ').next()?.split_once('-')?;
    let (from, to) = (usize::from_str_radix(from, 16).ok()?, usize::from_str_radix(to, 16).ok()?);
    (from..to).contains(&here).then_some(from)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tests run on other threads, whose stacks are none of its business.
    #[test]
    fn other_threads_keep_theirs() {
        assert_eq!(lowest(), None);
        give_back();
    }
}
