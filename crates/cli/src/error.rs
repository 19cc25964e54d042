//! How a command fails.

use std::io;
use std::process::ExitCode;

use parallax_api::Problem;

use crate::exit_code;
use crate::output::{Output, clean};
use crate::problem_text;

/// The failure of a command.
#[derive(Debug)]
pub enum CliError {
    /// A server refused the request, or cannot be reached.
    Problem(Problem),
    /// The command line is wrong.
    Usage(String),
    /// Something on this machine failed.
    Local(anyhow::Error),
    /// The exit code alone: the message was printed before.
    Silent(u8),
    /// Standard output was closed by its reader (`parallax logs … | head`): not a failure.
    OutputClosed,
}

impl CliError {
    /// Prints the failure on standard error and returns the exit code.
    pub fn report(&self, output: &Output) -> ExitCode {
        match self {
            Self::Problem(problem) if output.json() => output.error(&problem_text::json(problem)),
            Self::Problem(problem) => output.error(&problem_text::text(problem)),
            Self::Usage(text) => output.error(&clean(&format!("error: {text}"))),
            Self::Local(error) => output.error(&clean(&format!("error: {error:#}"))),
            Self::Silent(_) | Self::OutputClosed => {}
        }
        ExitCode::from(self.exit_code())
    }

    /// The exit code; the list stands in `parallax --help` and `docs/cli.md`.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Problem(problem) => exit_code::of(problem.code),
            Self::Usage(_) => 2,
            Self::Local(_) => 1,
            Self::Silent(code) => *code,
            Self::OutputClosed => 0,
        }
    }
}

impl From<Problem> for CliError {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<anyhow::Error> for CliError {
    fn from(error: anyhow::Error) -> Self {
        Self::Local(error)
    }
}

impl From<io::Error> for CliError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::OutputClosed,
            _ => Self::Local(error.into()),
        }
    }
}
