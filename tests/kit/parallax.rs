//! The `parallax` program as a person runs it.

use std::process::Stdio;

use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::programs;
use crate::wait::{PATIENCE, within};

/// What a run of the program came to.
#[derive(Debug)]
pub struct Run {
    /// Its exit code.
    pub code: i32,
    /// Its standard output.
    pub out: String,
    /// Its standard error.
    pub err: String,
}

impl Run {
    /// The standard output as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}\n{}", self.out, self.err))
    }

    /// The same run, which must have succeeded.
    pub fn succeeded(self) -> Self {
        assert_eq!(self.code, 0, "{}\n{}", self.out, self.err);
        self
    }
}

/// The program with the control plane's address, and with nothing else of the environment of the tests.
pub fn program(url: &str, args: &[&str]) -> Command {
    let mut command = Command::new(programs::program("parallax"));
    command
        .args(args)
        .env_clear()
        .envs([("PARALLAX_URL", url), ("PATH", "/usr/bin:/bin"), ("HOME", "/nonexistent")])
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

/// Runs the program to its end.
pub async fn parallax(url: &str, args: &[&str]) -> Run {
    finish(program(url, args), "").await
}

/// Runs a program with this standard input to its end.
pub async fn finish(mut command: Command, input: &str) -> Run {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdin = child.stdin.take().expect("piped");
    // A program that does not read its input closes it: that is no failure.
    stdin.write_all(input.as_bytes()).await.ok();
    drop(stdin);
    let output = within("a program to end", PATIENCE, child.wait_with_output()).await.expect("output");
    Run {
        code: output.status.code().expect("not killed"),
        out: String::from_utf8(output.stdout).expect("text"),
        err: String::from_utf8(output.stderr).expect("text"),
    }
}
