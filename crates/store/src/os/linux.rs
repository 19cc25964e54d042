//! Linux: `/proc`.

use std::io;

/// Changes with every boot.
pub(crate) fn boot_id() -> io::Result<String> {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
}
