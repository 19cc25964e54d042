//! What processes use, as the kernel counts it.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// A process is quiet when it has had no more than so much of a core.
const QUIET_SHARE: f64 = 0.005;
/// A process that never is is not waited for longer.
const QUIET_LIMIT: Duration = Duration::from_secs(60);

/// CPU time of these processes so far, in seconds, by the scheduler's clock.
pub(crate) fn cpu_seconds(pids: &[u32]) -> f64 {
    let nanos: u64 = tasks(pids).filter_map(|task| first_number(&format!("{task}/schedstat"))).sum();
    #[expect(clippy::cast_precision_loss, reason = "a measurement")]
    let nanos = nanos as f64;
    nanos / 1e9
}

/// What each thread of these processes has used so far. A thread that ends takes what it used out of every sum, so they are held
/// against each other one by one.
pub(crate) struct Used(HashMap<String, (u64, u64)>);

impl Used {
    pub(crate) fn by(pids: &[u32]) -> Self {
        let used = |task: String| {
            let nanos = first_number(&format!("{task}/schedstat"))?;
            let switches = sum_of(&format!("{task}/status"), |key| key.ends_with("ctxt_switches"))?;
            Some((task, (nanos, switches)))
        };
        Self(tasks(pids).filter_map(used).collect())
    }

    /// CPU time since then, in seconds, and how often they were put aside for another, or slept: of the threads that are left.
    pub(crate) fn since(&self, before: &Self) -> (f64, u64) {
        let more = self.0.iter().map(|(task, now)| {
            let then = before.0.get(task).copied().unwrap_or_default();
            (now.0.saturating_sub(then.0), now.1.saturating_sub(then.1))
        });
        let (nanos, switches) = more.fold((0, 0), |sum, more| (sum.0 + more.0, sum.1 + more.1));
        #[expect(clippy::cast_precision_loss, reason = "a measurement")]
        let nanos = nanos as f64;
        (nanos / 1e9, switches)
    }
}

/// Waits until this process has done nothing in the background for so long.
pub(crate) async fn quiet(pid: u32, for_so_long: Duration) {
    let limit = Instant::now() + QUIET_LIMIT;
    loop {
        let before = cpu_seconds(&[pid]);
        tokio::time::sleep(for_so_long).await;
        let used = cpu_seconds(&[pid]) - before;
        if used <= QUIET_SHARE * for_so_long.as_secs_f64() || Instant::now() >= limit {
            return;
        }
    }
}

/// Memory that only this process has, and that the system cannot take back, in megabytes. What it has read of a file, its own program above all,
/// is not counted: that would be its own for as long as no other process of this program runs, and nobody's from then on.
pub(crate) fn private_mb(pid: u32) -> f64 {
    kilobytes(pid, is_own)
}

fn is_own(key: &str) -> bool {
    matches!(key, "Private_Dirty" | "Swap")
}

/// Memory of this process, with its share of what several programs have, in megabytes: as it would be if it ran alone. Another process of the
/// same program, which stands here for what is measured before, would have half of the program's own pages.
pub(crate) fn proportional_mb(pid: u32) -> f64 {
    let program = fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
    let maps = fs::read_to_string(format!("/proc/{pid}/smaps")).unwrap_or_default();
    let mut is_program = false;
    let mut kilobytes = 0u32;
    for line in maps.lines() {
        let mut words = line.split_whitespace();
        match (words.next(), words.next()) {
            (Some("Rss:"), Some(number)) if is_program => kilobytes += number.parse().unwrap_or(0),
            (Some("Pss:"), Some(number)) if !is_program => kilobytes += number.parse().unwrap_or(0),
            // Where a mapping begins: its addresses, and behind its inode the file.
            (Some(first), _) if !first.ends_with(':') => {
                is_program = words.nth(3).is_some_and(|file| Path::new(file) == program);
            }
            _ => {}
        }
    }
    f64::from(kilobytes) / 1024.0
}

/// Memory of this machine that programs could have, in megabytes.
pub(crate) fn available_mb() -> f64 {
    let sum = sum_of("/proc/meminfo", |key| key == "MemAvailable").unwrap_or_default();
    #[expect(clippy::cast_precision_loss, reason = "a measurement")]
    let sum = sum as f64;
    sum / 1024.0
}

/// The processes whose command line contains all of these words.
pub(crate) fn with_command(words: &[&str]) -> Vec<u32> {
    let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
    pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            words.iter().all(|word| line.contains(word))
        })
        .collect()
}

/// The process that this one started first, as long as it runs.
pub(crate) fn child_of(pid: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}

fn tasks(pids: &[u32]) -> impl Iterator<Item = String> {
    let entries = pids.iter().flat_map(|pid| fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten());
    entries.flatten().map(|entry| entry.path().to_string_lossy().into_owned())
}

fn kilobytes(pid: u32, wanted: impl Fn(&str) -> bool) -> f64 {
    let sum = sum_of(&format!("/proc/{pid}/smaps_rollup"), wanted).unwrap_or_default();
    #[expect(clippy::cast_precision_loss, reason = "a measurement")]
    let sum = sum as f64;
    sum / 1024.0
}

fn first_number(file: &str) -> Option<u64> {
    fs::read_to_string(file).ok()?.split_whitespace().next()?.parse().ok()
}

/// The sum of the lines `key: number` whose key is wanted.
fn sum_of(file: &str, wanted: impl Fn(&str) -> bool) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    let values = text.lines().filter_map(|line| line.split_once(':')).filter(|(key, _)| wanted(key));
    Some(values.filter_map(|(_, value)| value.split_whitespace().next()?.parse::<u64>().ok()).sum())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_was_read_of_a_file_is_no_memory_of_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("smaps_rollup");
        let told =
            ["Pss: 9000 kB", "Private_Clean: 8700 kB", "Private_Dirty: 500 kB", "Swap: 40 kB"].join("\n");
        fs::write(&file, told).unwrap();
        assert_eq!(sum_of(file.to_str().unwrap(), is_own), Some(540));
    }

    #[test]
    fn a_thread_that_has_ended_takes_nothing_from_the_others() {
        let own = [std::process::id()];
        let ((slept_tx, slept), (end, ended)) = (mpsc::channel(), mpsc::channel::<()>());
        let thread = thread::spawn(move || {
            (0..200).for_each(|_| thread::sleep(Duration::from_micros(100)));
            slept_tx.send(()).unwrap();
            let _ = ended.recv();
        });
        slept.recv().unwrap();
        let before = Used::by(&own);
        assert!(before.0.values().any(|(_, switches)| *switches >= 100));
        drop(end);
        thread.join().unwrap();
        let (_, switches) = Used::by(&own).since(&before);
        assert!(switches < 100, "{switches}");
    }
}
