//! The detector over a recorded session: what a profile makes of it, without the CLI.

use std::sync::Arc;
use std::time::Duration;

use parallax_api::{AgentError, AgentStatus, AttentionKind, TerminalSize};
use parallax_screen::Screen;
use serde::{Deserialize, Serialize};

use crate::detector::{Detector, DetectorInput};
use crate::observation::{AttentionRequest, Observation};
use crate::profile::Profile;

/// What is concluded from here on.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplayLine {
    /// Seconds since the spawn.
    pub t: f64,
    /// The status.
    pub status: AgentStatus,
    /// What a person is needed for, `null` when nobody is.
    pub attention: Option<ReplayAttention>,
    /// What went wrong, when the status is `error`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<AgentError>,
    /// Where it is known from.
    pub source: String,
    /// The rule that said so.
    pub rule: String,
    /// What the rule saw.
    pub evidence: String,
    /// What a busy agent waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// What a person is needed for, as the API has it, with the keys that make each choice.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplayAttention {
    /// A login or a question.
    pub kind: AttentionKind,
    /// What the CLI says.
    pub text: String,
    /// Where to log in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login_url: Option<String>,
    /// The choices.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<ReplayChoice>,
}

/// A choice and its keys.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReplayChoice {
    /// Its id.
    pub id: String,
    /// What the CLI shows.
    pub label: String,
    /// The keys.
    pub keys: Vec<String>,
}

/// A recording that cannot be replayed.
#[derive(Debug, thiserror::Error)]
#[error("line {line} of the recording: {why}")]
pub struct ReplayError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub why: String,
}

#[derive(Deserialize)]
struct Header {
    version: u32,
    width: u16,
    height: u16,
}

/// How much scrollback a replay keeps: the detector reads the visible screen alone.
const SCROLLBACK: usize = 0;

/// How long the detector runs on after the last output: nothing may be printed between it and the end.
const LAST_CONCLUSIONS: Duration = Duration::from_secs(1);

/// The conclusions over a recording (asciicast v2), one line a change. The recorded session was answered live, so what
/// the screen would reply is dropped. The recording ends with the process: the last line is `stopped`.
pub fn replay(profile: &Profile, cast: &str) -> Result<Vec<ReplayLine>, ReplayError> {
    let mut lines = cast.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let wrong = |line: usize, why: String| ReplayError { line: line + 1, why };
    let (at, header) = lines.next().ok_or_else(|| wrong(0, "it is empty".into()))?;
    let header: Header =
        serde_json::from_str(header).map_err(|error| wrong(at, format!("no header: {error}")))?;
    if header.version != 2 {
        return Err(wrong(at, format!("asciicast version {} is not 2", header.version)));
    }
    let mut replay = Replay::new(profile, TerminalSize { cols: header.width, rows: header.height });
    let mut end = Duration::ZERO;
    for (at, line) in lines {
        let (seconds, kind, data): (f64, String, String) =
            serde_json::from_str(line).map_err(|error| wrong(at, format!("no event: {error}")))?;
        end = Duration::try_from_secs_f64(seconds).map_err(|error| wrong(at, error.to_string()))?;
        replay.until(end);
        match kind.as_str() {
            "o" => replay.print(end, &data),
            "i" if data.contains('\r') => replay.observe(end, DetectorInput::Submitted),
            "r" => {
                let size = data
                    .split_once('x')
                    .and_then(|(cols, rows)| Some((cols.parse().ok()?, rows.parse().ok()?)));
                let (cols, rows) = size.ok_or_else(|| wrong(at, format!("`{data}` is no size")))?;
                replay.screen.resize(TerminalSize { cols, rows });
                replay.observe(end, DetectorInput::Screen);
            }
            _ => {}
        }
    }
    Ok(replay.finish(end))
}

struct Replay {
    screen: Screen,
    detector: Detector,
    lines: Vec<ReplayLine>,
}

impl Replay {
    fn new(profile: &Profile, size: TerminalSize) -> Self {
        let detector = Detector::new(Arc::new(profile.clone()));
        let mut replay = Self { screen: Screen::new(size, SCROLLBACK), detector, lines: Vec::new() };
        replay.write_down(Duration::ZERO);
        replay
    }

    /// Lets time pass: deadlines that come before `now` are met.
    fn until(&mut self, now: Duration) {
        while let Some(due) = self.detector.deadline().filter(|due| *due < now) {
            self.observe(due, DetectorInput::Tick);
        }
    }

    fn print(&mut self, now: Duration, data: &str) {
        let fed = self.screen.feed(data.as_bytes());
        for report in &fed.reports {
            self.observe(now, DetectorInput::Terminal(report));
        }
        if !self.screen.modes().in_frame {
            self.observe(now, DetectorInput::Screen);
        }
    }

    fn observe(&mut self, now: Duration, input: DetectorInput<'_>) {
        self.detector.observe(now, &self.screen, input);
        self.write_down(now);
    }

    fn write_down(&mut self, now: Duration) {
        let line = ReplayLine::new(now, self.detector.observation());
        let is_news = self.lines.last().is_none_or(|last| {
            (last.status, &last.attention, &last.error, &last.detail)
                != (line.status, &line.attention, &line.error, &line.detail)
        });
        if is_news {
            self.lines.push(line);
        }
    }

    fn finish(mut self, end: Duration) -> Vec<ReplayLine> {
        self.until(end + LAST_CONCLUSIONS);
        self.lines.push(ReplayLine {
            t: self.lines.last().map_or(0.0, |last| last.t).max(seconds(end)),
            status: AgentStatus::Stopped,
            attention: None,
            error: None,
            source: "process".into(),
            rule: "end of recording".into(),
            evidence: String::new(),
            detail: None,
        });
        self.lines
    }
}

impl ReplayLine {
    fn new(now: Duration, seen: &Observation) -> Self {
        Self {
            t: seconds(now),
            status: seen.status,
            attention: seen.attention.as_ref().map(ReplayAttention::from),
            error: seen.error.clone().filter(|_| seen.status == AgentStatus::Error),
            source: seen.source.as_str().into(),
            rule: seen.rule.clone(),
            evidence: seen.evidence.clone(),
            detail: seen.detail.clone(),
        }
    }
}

impl From<&AttentionRequest> for ReplayAttention {
    fn from(needed: &AttentionRequest) -> Self {
        let choice = |choice: &crate::DialogOption| ReplayChoice {
            id: choice.id.clone(),
            label: choice.label.clone(),
            keys: choice.keys.clone(),
        };
        Self {
            kind: needed.kind,
            text: needed.text.clone(),
            login_url: needed.login_url.clone(),
            options: needed.options.iter().map(choice).collect(),
        }
    }
}

/// Milliseconds are enough.
fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1000.0).round() / 1000.0
}
