//! Linux: `/proc`.

use std::fs;
use std::sync::LazyLock;
use std::time::Duration;

/// Changes with every boot, after which process numbers and start times mean nothing.
pub fn boot_id() -> &'static str {
    static ID: LazyLock<String> = LazyLock::new(|| {
        fs::read_to_string("/proc/sys/kernel/random/boot_id")
            .map(|id| id.trim().to_owned())
            .unwrap_or_default()
    });
    &ID
}

/// The time since the boot, with the time that the machine slept. `None`: the system does not say.
pub fn uptime() -> Option<Duration> {
    let text = fs::read_to_string("/proc/uptime").ok()?;
    let seconds: f64 = text.split_ascii_whitespace().next()?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}
