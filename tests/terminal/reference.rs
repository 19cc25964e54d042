//! xterm.js without a page, in a process of its own.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::{Deserialize, Serialize};

/// What a terminal goes through.
#[derive(Clone, Debug, Serialize)]
pub struct Case {
    pub cols: u16,
    pub rows: u16,
    pub scrollback: usize,
    pub steps: Vec<Step>,
    pub attaches: Vec<Attach>,
}

/// One thing that happens to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Step {
    /// The program wrote.
    #[serde(rename = "w")]
    Write(String),
    /// Columns and rows.
    #[serde(rename = "r")]
    Resize(u16, u16),
}

/// A viewer that comes before step `at`, and gets a snapshot.
#[derive(Clone, Debug, Serialize)]
pub struct Attach {
    pub at: usize,
    pub size: (u16, u16),
    pub snapshot: String,
}

/// How the terminals stand in the end: the one that was there all along, and each that came late.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Answer {
    pub live: String,
    pub late: Vec<String>,
    /// Widths, when these were asked for.
    pub widths: Vec<u8>,
    pub error: Option<String>,
}

/// The process.
pub struct Reference {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Reference {
    /// Starts it, with the modules of npm from `PARALLAX_TERMINAL_MODULES`.
    pub fn start() -> Self {
        let modules = std::env::var("PARALLAX_TERMINAL_MODULES")
            .expect("make test-terminal says where npm put xterm.js");
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/terminal/reference.mjs");
        let mut child = Command::new("node")
            .args([script, &modules])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node is installed");
        let stdin = child.stdin.take().expect("it is piped");
        let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        Reference { child, stdin, stdout }
    }

    /// Plays a case.
    pub fn play(&mut self, case: &impl Serialize) -> Answer {
        let mut line = serde_json::to_string(case).expect("a case is JSON");
        line.push('\n');
        self.stdin.write_all(line.as_bytes()).expect("node reads");
        let mut answer = String::new();
        self.stdout.read_line(&mut answer).expect("node answers");
        serde_json::from_str(&answer).expect("the answer is JSON")
    }
}

impl Drop for Reference {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
