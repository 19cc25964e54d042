//! A journal and a log that somebody damaged: what is whole is read, and both go on.

use std::fs;
use std::time::Instant;

use bytes::Bytes;
use parallax_agent_host::journal::Journal;
use parallax_agent_host::log::OutputLog;
use parallax_api::{EventData, TerminalSize, Time};

pub const TOKENS: &[&str] = &[
    "\n",
    "{\"seq\":1,",
    "\"at\":\"2026-01-01T00:00:00Z\",",
    "{\"seq\":18446744073709551615,",
    "\"event\":\"reset\",\"data\":{\"reason\":\"x\"}}\n",
    "\u{0}",
    "{\"seq\":1,\"timestamp\":\"2026-01-01T00:00:00Z\",\"event\":\"reset\",\"data\":{\"reason\":\"x\"}}\n",
    "{",
    "}",
    "80 24 ",
    "0 0 0 0\n",
    "\u{feff}",
];

/// The largest log, in bytes: small, so that segments come and go.
const LIMIT: u64 = 16 * 1024;

pub fn run(input: &[u8]) {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let journal_path = dir.path().join("journal");
    fs::write(&journal_path, input).expect("a file can be written");
    let now = Time::from_millis(1_790_000_000_000);
    let reset = || EventData::Reset { reason: "fuzzed".into() };
    let clock = Instant::now();
    if let Ok(journal) = Journal::open(&journal_path) {
        let before = *journal.head().borrow();
        journal.append(reset(), now, clock);
        let head = *journal.head().borrow();
        assert!(head > before, "numbers go on: {before}, {head}");
        let again = Journal::open(&journal_path).expect("what it wrote can be opened");
        assert!(*again.head().borrow() >= head, "no number is given twice");
    }

    let log_dir = dir.path().join("log");
    let mut log = OutputLog::open(&log_dir, LIMIT).expect("a log can be made");
    log.append(&Bytes::from_static(b"before"), now, TerminalSize::default(), clock);
    drop(log);
    // The same damage to every file that there is.
    for entry in fs::read_dir(&log_dir).expect("it is there").flatten() {
        fs::write(entry.path(), input).expect("a file can be written");
    }
    if let Ok(mut log) = OutputLog::open(&log_dir, LIMIT) {
        let end = log.end();
        log.append(&Bytes::from_static(b"after"), now, TerminalSize::default(), clock);
        let (offset, bytes) = log.reader().read(end, 16).expect("what was written can be read");
        assert_eq!((offset, bytes.as_slice()), (end, &b"after"[..]));
        drop(log.reader().index());
    }
}
