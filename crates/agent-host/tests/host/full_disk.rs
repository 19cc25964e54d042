//! The disk of the host's directory is full for a while. Needs root, for a small file system of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::harness::{Host, shell_launch, wait_for};

/// A small file system. Dropping it unmounts it.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(path: &Path, size: &str) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: needs root to mount a small file system");
            return None;
        }
        std::fs::create_dir(path).unwrap();
        let options = format!("size={size},mode=700");
        let done = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(path).status();
        if !done.unwrap().success() {
            eprintln!("skipped: a file system cannot be mounted here");
            return None;
        }
        Some(Self(path.into()))
    }

    /// Leaves no room at all.
    fn fill(&self) {
        let copied = std::fs::File::create(self.0.join("fill"))
            .and_then(|mut file| std::io::copy(&mut std::io::repeat(0), &mut file));
        assert!(copied.is_err());
    }

    fn make_room(&self) {
        std::fs::remove_file(self.0.join("fill")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // The host may still have files open: unmounted when it has ended.
        drop(Command::new("umount").arg("-l").arg(&self.0).status());
    }
}

fn raw(host: &Host, since: u64) -> Vec<u8> {
    host.call("GET", &format!("/logs?format=raw&since={since}"), None).1
}

/// The numbers of the lines `L0000001`, as ranges without a gap.
fn numbers(log: &[u8]) -> Vec<(u64, u64)> {
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    for word in String::from_utf8_lossy(log).split('L').skip(1) {
        let Some(number) = word.get(..7).and_then(|digits| digits.parse().ok()) else { continue };
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => ranges.push((number, number)),
        }
    }
    ranges
}

fn print(host: &Host, from: u64, to: u64) -> String {
    host.ask(&format!("for i in $(seq {from} {to}); do printf \"L%07d\\n\" $i; done"))
}

#[test]
fn nothing_is_lost_that_memory_holds() {
    let parent = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(&parent.path().join("d"), "8m") else { return };
    let stderr = std::fs::File::create(disk.0.join("stderr")).unwrap();
    let launch = shell_launch(parent.path());
    let dir = disk.0.join("a");
    let host = Host::start_with_stderr(&dir, &launch, &["--contained"], Stdio::from(stderr));
    assert_eq!(numbers(print(&host, 1, 3000).as_bytes()), [(1, 3000)]);
    disk.fill();
    assert_eq!(numbers(print(&host, 3001, 6000).as_bytes()), [(3001, 6000)], "answers go on from memory");
    assert_eq!(host.ask("echo full"), "full");
    assert_eq!(numbers(&raw(&host, 0)), [(1, 6000)], "and so does the log");
    let answers = |events: &[(u64, String)]| events.iter().filter(|(_, event)| event == "message").count();
    let (during, gap) = host.events_when(0, "the answers", |events| answers(events) >= 3);
    assert!(!gap);
    disk.make_room();
    wait_for("the log on disk", || {
        let mut files: Vec<_> =
            std::fs::read_dir(dir.join("log")).unwrap().flatten().map(|file| file.path()).collect();
        files.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
        files.sort();
        let bytes: Vec<u8> = files.iter().flat_map(|path| std::fs::read(path).unwrap()).collect();
        assert!(files.iter().all(|path| path.metadata().unwrap().len() > 0), "no empty segment");
        numbers(&bytes) == [(1, 6000)]
    });
    assert_eq!(host.ask("echo after"), "after");
    let (events, gap) = host.events(0);
    assert!(!gap && events.starts_with(&during));
    wait_for("the journal on disk", || {
        let text = std::fs::read_to_string(dir.join("journal.ndjson")).unwrap();
        let seqs: Vec<u64> = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["seq"].as_u64().unwrap())
            .collect();
        seqs == events.iter().map(|(seq, _)| *seq).collect::<Vec<_>>()
    });
}

#[test]
fn what_memory_does_not_hold_is_a_gap_and_no_number_is_given_twice() {
    let parent = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(&parent.path().join("d"), "8m") else { return };
    let launch = shell_launch(parent.path());
    let dir = disk.0.join("a");
    let host = Host::start_with_stderr(&dir, &launch, &["--contained"], Stdio::null());
    print(&host, 1, 1000);
    disk.fill();
    host.ask("head -c 6000000 /dev/zero | tr '\\0' x | fold -w 99");
    disk.make_room();
    print(&host, 1001, 2000);
    let log = raw(&host, 0);
    assert_eq!(numbers(&log), [(1, 2000)], "before and after the gap");
    let end = host.get("/metrics")["outputBytes"].as_u64().unwrap();
    assert!((log.len() as u64) < end, "{} of {end} bytes", log.len());
    let cast = host.call("GET", "/logs?format=asciicast", None).1;
    assert_eq!(String::from_utf8_lossy(&cast).matches("\"m\",\"log_gap: bytes ").count(), 1);
    let text = host.get("/logs?tail=10000");
    let lines = text["logs"].as_array().unwrap();
    assert!(lines.iter().any(|line| line == "L0002000"));

    // The host dies while events are published that the disk does not take.
    disk.fill();
    // More than what fits into the last page of the file.
    let messages = |events: &[(u64, String)]| events.iter().filter(|(_, event)| event == "message").count();
    let before = messages(&host.events_when(0, "the answers before", |events| messages(events) >= 3).0);
    (0..10).for_each(|_| drop(host.ask("echo published")));
    let (published, _) = host.events_when(0, "the answers", |events| messages(events) >= before + 10);
    let last = published.last().unwrap().0;
    drop(host);
    disk.make_room();
    let host = Host::start_with_stderr(&dir, &launch, &["--contained"], Stdio::null());
    assert_eq!(host.ask("echo again"), "again");
    let (again, gap) = host.events_when(last, "an answer", |events| messages(events) > 0);
    assert!(gap, "what was only in memory is told as a gap");
    assert!(again.iter().all(|(seq, _)| *seq > last));
}
