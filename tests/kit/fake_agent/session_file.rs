//! The session file: what was asked and answered, one JSON object a line, for the host that follows it and for `--resume`.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, bail};
use serde_json::{Value, json};
use uuid::Uuid;

use super::options::Options;
use crate::models::log::digest;

/// How a turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Completed,
    Interrupted,
    Failed,
}

/// The session file of one conversation.
pub(super) struct SessionFile {
    file: File,
    prompts: Vec<String>,
    turn: u64,
}

impl SessionFile {
    /// The file `sessions/ID.jsonl` of the state directory: a new one, or the one to go on with.
    pub(super) fn open(options: &Options) -> anyhow::Result<Self> {
        let state = match &options.state {
            Some(dir) => dir.clone(),
            None => PathBuf::from(std::env::var_os("HOME").context("HOME is not set")?).join(".fake-agent"),
        };
        let sessions = state.join("sessions");
        fs::create_dir_all(&sessions)?;
        let id = options.resume.clone().or(options.session.clone());
        let id = id.unwrap_or_else(|| Uuid::new_v4().to_string());
        let path = sessions.join(format!("{id}.jsonl"));
        let mut prompts = Vec::new();
        if options.resume.is_some() {
            let Ok(text) = fs::read_to_string(&path) else {
                bail!("no conversation found with session ID {id}")
            };
            let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let asked = lines.filter(|line| line["type"] == "user");
            prompts.extend(asked.filter_map(|line| line["text"].as_str().map(str::to_owned)));
        }
        let file = OpenOptions::new().create(true).append(true).open(&path)?;
        let mut record = Self { file, turn: prompts.len() as u64, prompts };
        record.append(&json!({"type": "session", "session": id}))?;
        Ok(record)
    }

    pub(super) fn asked(&mut self, prompt: &str) -> anyhow::Result<()> {
        self.turn += 1;
        self.append(&json!({"type": "user", "turn": self.turn, "text": prompt}))?;
        self.prompts.push(prompt.to_owned());
        Ok(())
    }

    /// The turn is over: one line has its outcome and answer, as in the real CLIs' session files.
    pub(super) fn over(&mut self, outcome: Outcome, answer: &str, error: Option<&str>) -> anyhow::Result<()> {
        let outcome = match outcome {
            Outcome::Completed => "completed",
            Outcome::Interrupted => "interrupted",
            Outcome::Failed => "failed",
        };
        let answer = Some(answer).filter(|answer| !answer.is_empty());
        self.append(&json!({
            "type": "turn_over", "turn": self.turn, "outcome": outcome, "answer": answer, "error": error,
        }))
    }

    /// How many prompts came before this one, and their digest.
    pub(super) fn recall(&self) -> String {
        let before = &self.prompts[..self.prompts.len().saturating_sub(1)];
        format!("{} before: {}", before.len(), digest(&before.join("\0")))
    }

    fn append(&mut self, line: &Value) -> anyhow::Result<()> {
        // One write, so that a reader that follows the file never reads half a line.
        self.file.write_all(format!("{line}\n").as_bytes()).context("failed to write the session file")
    }
}
