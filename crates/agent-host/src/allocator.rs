//! What the allocator keeps of memory that is no longer used.
//!
//! A host lives for days beside its agent and is idle most of the time. What it once needed, for an answer of a megabyte or a log
//! that was rendered, is to go back to the system.

use crate::stack;

/// Larger pieces have pages of their own, which go back at once. Unless it is set, the allocator raises it to whatever was
/// freed last.
#[cfg(target_env = "gnu")]
const OWN_PAGES: libc::c_int = 128 * 1024;

/// To be called before there is a second thread.
pub fn set_up() {
    #[cfg(target_env = "gnu")]
    {
        // SAFETY: these set numbers of the allocator, before there are other threads.
        #[expect(unsafe_code, reason = "no safe interface exists")]
        unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, OWN_PAGES);
            // Threads that render or read files come and go: each would leave a heap of its own.
            libc::mallopt(libc::M_ARENA_MAX, 1);
        }
    }
}

/// Gives back what is free, and on the first thread its stack. To be called after much was freed.
pub fn trim() {
    stack::give_back();
    #[cfg(target_env = "gnu")]
    {
        // SAFETY: it may be called at any time, from any thread.
        #[expect(unsafe_code, reason = "no safe interface exists")]
        unsafe {
            libc::malloc_trim(0);
        }
    }
}
