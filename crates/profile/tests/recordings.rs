//! The detector over every recorded session.
//!
//! A recording's timeline says what a person saw, by the second. Every state of it must be concluded within [`EARLY`] and
//! [`LATE`] of its time, and no state may be concluded that is not in it. What a person saw is not always when it happened:
//! [`KNOWN`] lists where they differ, and why.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use parallax_api::{AgentStatus, AttentionKind, TerminalSize};
use parallax_profile::replay::{ReplayLine, replay};
use parallax_profile::{Profile, Profiles};
use parallax_screen::Screen;
use serde_json::Value;

/// A state may be concluded this long before it was noted, in seconds: reports come before paint, and some notes were
/// taken after a pause.
const EARLY: f64 = 1.0;
/// … and this long after: `ready` must hold for 150 ms, and Codex paints its composer 0.6 s before it says that it is idle.
const LATE: f64 = 1.0;

/// Differences that are the recording's: `(recording, state, why)`. `+state` is concluded and not noted, `-state` is noted
/// and not concluded.
const KNOWN: &[(&str, &str, &str)] = &[
    ("claude/not_logged_in", "-ready", "logged out it has a composer, but would take no message"),
    ("claude/not_logged_in", "+login_required", "told from the first moment on, not after the first message"),
    (
        "codex/daemon_default",
        "-ready",
        "without --no-daemon it paints a composer 3 s before anything is behind it",
    ),
    ("codex/first_start_login_device_no_network", "-error", "noted when the recording was about to end"),
    ("codex/first_start_login_device_no_network", "+error", "it stands on the screen 2.8 s earlier"),
    ("codex/update_prompt", "+ready", "nobody noted that it was ready after the dialog"),
    ("gemini/error_429_quota", "+error", "the turn has failed (`expected` says so too); nobody noted it"),
    (
        "gemini/first_start",
        "+login_required",
        "the choice of a login, for 150 ms until a key typed ahead answered it",
    ),
    ("gemini/screen_reader_permission", "+busy", "nobody noted it"),
    (
        "gemini/screen_reader_permission",
        "-ready",
        "a flat screen has no version, so its composer is believed late",
    ),
];

const STATES: [&str; 7] = ["starting", "login_required", "question", "ready", "busy", "error", "stopped"];

struct Recording {
    name: String,
    cli: String,
    cast: String,
    notes: Value,
}

fn recordings() -> Vec<Recording> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recordings");
    let mut casts: Vec<PathBuf> = ["claude", "codex", "gemini"]
        .iter()
        .flat_map(|cli| std::fs::read_dir(root.join(cli)).expect("recordings are there"))
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "cast"))
        .collect();
    casts.sort();
    let read = |path: &Path| std::fs::read_to_string(path).expect("readable");
    casts
        .iter()
        .map(|path| {
            let notes: Value = serde_json::from_str(&read(&path.with_extension("json"))).expect("JSON");
            let cli = notes["cli"].as_str().expect("cli").to_owned();
            let name = format!("{cli}/{}", path.file_stem().expect("named").to_string_lossy());
            Recording { name, cli, cast: read(path), notes }
        })
        .collect()
}

static PROFILES: LazyLock<Profiles> = LazyLock::new(Profiles::builtin);

impl Recording {
    fn profile(&self) -> Arc<Profile> {
        PROFILES.get(&self.cli).expect("a built-in profile")
    }

    fn replay(&self) -> Vec<ReplayLine> {
        replay(&self.profile(), &self.cast).expect("a recording")
    }

    /// The noted states and their times.
    fn noted(&self) -> Vec<(f64, &str)> {
        let timeline = self.notes["timeline"].as_array().expect("timeline");
        let noted =
            timeline.iter().map(|note| (note[0].as_f64().expect("time"), note[1].as_str().expect("state")));
        noted.filter(|(_, state)| STATES.contains(state)).collect()
    }
}

/// What is true of the agent: its status, and what a person is needed for.
fn states(line: &ReplayLine) -> BTreeSet<&'static str> {
    let status = match line.status {
        AgentStatus::Starting => "starting",
        AgentStatus::Ready => "ready",
        AgentStatus::Busy => "busy",
        AgentStatus::Error => "error",
        AgentStatus::Stopped => "stopped",
    };
    let attention = line.attention.as_ref().and_then(|attention| match attention.kind {
        AttentionKind::Login => Some("login_required"),
        AttentionKind::Question | AttentionKind::Permission | AttentionKind::Plan => Some("question"),
        // Noted by no one: the recordings were made before there were such kinds.
        AttentionKind::Stalled | AttentionKind::Unknown => None,
    });
    [status].into_iter().chain(attention).collect()
}

/// Differences between what was concluded and what was noted.
fn differences(lines: &[ReplayLine], noted: &[(f64, &str)]) -> Vec<(String, f64)> {
    let mut differences = Vec::new();
    let end = |index: usize| lines.get(index + 1).map_or(f64::INFINITY, |next| next.t);
    for (at, state) in noted.iter().filter(|(_, state)| *state != "stopped") {
        let mut held = lines.iter().enumerate().filter(|(_, line)| states(line).contains(state));
        if !held.any(|(index, line)| line.t <= at + LATE && end(index) >= at - EARLY) {
            differences.push((format!("-{state}"), *at));
        }
    }
    let mut before = BTreeSet::new();
    for line in lines {
        let now = states(line);
        for state in now.difference(&before) {
            // The end is the process's, and not in what it printed.
            if *state != "stopped"
                && !noted
                    .iter()
                    .any(|(at, noted)| noted == state && line.t >= at - EARLY && line.t <= at + LATE)
            {
                differences.push((format!("+{state}"), line.t));
            }
        }
        before = now;
    }
    differences
}

#[test]
fn every_noted_state_and_no_other() {
    let (mut noted, mut known, mut wrong) = (0, BTreeSet::new(), Vec::new());
    let recordings = recordings();
    assert!(recordings.len() >= 82, "only {} recordings", recordings.len());
    for recording in &recordings {
        let states = recording.noted();
        noted += states.len();
        for (difference, at) in differences(&recording.replay(), &states) {
            match KNOWN.iter().position(|(name, what, _)| *name == recording.name && *what == difference) {
                Some(index) => drop(known.insert(index)),
                None => wrong.push(format!("{}: {difference} at {at}", recording.name)),
            }
        }
    }
    println!("{} recordings, {noted} noted states, {} known differences", recordings.len(), known.len());
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
    let stale: Vec<_> =
        (0..KNOWN.len()).filter(|index| !known.contains(index)).map(|index| KNOWN[index].0).collect();
    assert!(stale.is_empty(), "no longer different: {stale:?}");
}

#[test]
fn every_login_address_is_whole() {
    let mut seen = 0;
    let is_about_it = |recording: &Recording| {
        recording.name.contains("trap")
            || recording.noted().iter().any(|(_, state)| *state == "login_required")
    };
    for recording in recordings().into_iter().filter(is_about_it) {
        let expected = recording.notes["expected"].as_array().expect("expected");
        let addresses: BTreeSet<&str> =
            expected.iter().filter_map(|note| note["login_url"].as_str()).collect();
        let lines = recording.replay();
        let attention = lines.iter().filter_map(|line| line.attention.as_ref());
        let concluded: BTreeSet<&str> =
            attention.filter_map(|attention| attention.login_url.as_deref()).collect();
        // A wrong code brings a new address, which nobody noted.
        let is_known = addresses.is_subset(&concluded);
        assert!(
            is_known && addresses.is_empty() == concluded.is_empty(),
            "{}: {concluded:?}",
            recording.name
        );
        seen += addresses.len();
    }
    assert!(seen >= 6, "only {seen} addresses");
}

/// Answers that cannot be read off the screen whole, and why. The CLIs' own records have them.
const NOT_ON_SCREEN: [(&str, &str); 7] = [
    ("claude/ax_screen_reader_permission", "a flat screen without markers"),
    ("codex/long_answer", "the alternate screen has no scrollback"),
    ("gemini/long_answer", "code is shown with line numbers"),
    ("gemini/resize_during_output", "a resize loses rows"),
    ("gemini/screen_reader_permission", "a flat screen without markers"),
    ("gemini/trap_answer_looks_like_dialog", "code is shown with line numbers"),
    ("codex/resize_during_output", "the alternate screen has no scrollback"),
];

/// What the screen shows of an answer: letters and digits, without Markdown and fences.
fn bare(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.starts_with("```"));
    lines.flat_map(str::chars).filter(|c| c.is_alphanumeric()).collect()
}

#[test]
fn answers_stand_on_the_screen() {
    let (mut right, mut wrong) = (0, Vec::new());
    for recording in recordings() {
        let profile = recording.profile();
        let Some(end) = recording.end_of_last_turn() else { continue };
        let expected = recording.notes["expected"].as_array().expect("expected");
        let Some((prompt, answer)) =
            expected.last().and_then(|last| last["prompt"].as_str().zip(last["answer"].as_str()))
        else {
            continue;
        };
        let screen = recording.screen_at(end);
        let found = profile.screen_answer(&screen.history(5000), &screen.rows(), prompt).unwrap_or_default();
        let is_known = NOT_ON_SCREEN.iter().any(|(name, _)| *name == recording.name);
        match bare(&found) == bare(answer) {
            true => right += 1,
            false if is_known => {}
            false => {
                wrong.push(format!("{}: {:?}", recording.name, found.chars().take(200).collect::<String>()));
            }
        }
    }
    println!("{right} answers read off the screen");
    assert!(wrong.is_empty(), "{right} right, {} not:\n{}", wrong.len(), wrong.join("\n"));
}

impl Recording {
    /// Half a second after the last answer was noted.
    fn end_of_last_turn(&self) -> Option<f64> {
        let timeline = self.notes["timeline"].as_array().expect("timeline");
        let last = timeline.iter().rfind(|note| note[1] == "message")?;
        Some(last[0].as_f64().expect("time") + 0.5)
    }

    fn screen_at(&self, time: f64) -> Screen {
        let mut lines = self.cast.lines();
        let header: Value = serde_json::from_str(lines.next().expect("header")).expect("JSON");
        let number = |key: &str| u16::try_from(header[key].as_u64().expect("number")).expect("small");
        let mut screen = Screen::new(TerminalSize { cols: number("width"), rows: number("height") }, 5000);
        for line in lines {
            let (at, kind, data): (f64, String, String) = serde_json::from_str(line).expect("event");
            if at > time {
                break;
            }
            match kind.as_str() {
                "o" => drop(screen.feed(data.as_bytes())),
                "r" => {
                    let (cols, rows) = data.split_once('x').expect("size");
                    screen.resize(TerminalSize {
                        cols: cols.parse().expect("cols"),
                        rows: rows.parse().expect("rows"),
                    });
                }
                _ => {}
            }
        }
        screen
    }
}
