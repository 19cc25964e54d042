//! Why a command did not do what it was asked: the words, and the exit code.

use std::fmt::Write;
use std::io;
use std::process::ExitCode;

use parallax_api::runtime::RuntimeInfo;
use parallax_api::{Attention, Code, Problem};

use crate::output::{Output, clean};

/// The end of a command that did not succeed.
#[derive(Debug)]
pub enum Failure {
    /// A server refused, or is not there.
    Problem(Problem),
    /// The command line asks for something that cannot be.
    Usage(String),
    /// Something of this machine failed.
    Here(anyhow::Error),
    /// Everything was said already.
    Silent(u8),
    /// Nobody reads our output any more (`parallax logs … | head`): not a failure of ours.
    OutputClosed,
}

impl Failure {
    /// Says what is wrong, on standard error, and gives the exit code.
    pub fn report(&self, output: &Output) -> ExitCode {
        match self {
            Self::Problem(problem) if output.json() => output.complain(&as_json(problem)),
            Self::Problem(problem) => output.complain(&in_words(problem)),
            Self::Usage(text) => output.complain(&format!("error: {text}")),
            Self::Here(error) => output.complain(&format!("error: {error:#}")),
            Self::Silent(_) | Self::OutputClosed => {}
        }
        ExitCode::from(self.exit_code())
    }

    /// The exit code; the list stands in `parallax --help` and `docs/cli.md`.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Problem(problem) => exit_code_of(problem.code),
            Self::Usage(_) => 2,
            Self::Here(_) => 1,
            Self::Silent(code) => *code,
            Self::OutputClosed => 0,
        }
    }
}

fn exit_code_of(code: Code) -> u8 {
    match code {
        Code::Validation | Code::PayloadTooLarge | Code::UnsupportedMediaType | Code::MethodNotAllowed => 2,
        Code::AgentNotFound | Code::NotFound => 3,
        Code::AuthRequired
        | Code::QuestionPending
        | Code::AgentStopped
        | Code::AgentBusy
        | Code::Conflict
        | Code::IdempotencyConflict => 4,
        Code::Unauthorized | Code::Forbidden => 5,
        Code::CliNotFound
        | Code::WorkdirNotFound
        | Code::WorkdirForbidden
        | Code::ImageNotFound
        | Code::Unsupported
        | Code::ResourceLimit
        | Code::SpawnFailed => 6,
        Code::NoRuntime | Code::RuntimeUnavailable | Code::ShuttingDown => 7,
        Code::Timeout => 8,
        Code::Internal | Code::AgentFailed => 1,
    }
}

fn as_json(problem: &Problem) -> String {
    serde_json::to_string(problem).expect("a problem is JSON")
}

/// The code, the detail, what came along, and what to do in this program's own words.
fn in_words(problem: &Problem) -> String {
    let mut text = format!("error: {}: {}", problem.code, clean(&problem.detail));
    let mut add = |line: &str| write!(text, "\n  {line}").expect("writing to a string");
    let word = |key: &str| problem.more.get(key).and_then(|value| value.as_str()).map(clean);

    if let Some(output) = word("output") {
        output.lines().for_each(|line| add(&format!("| {line}")));
    }
    if let Some(runtimes) = problem.more.get("runtimes").and_then(|value| value.as_array()) {
        for runtime in runtimes {
            add(&format!("- {}", runtime_in_words(runtime)));
        }
    }
    let attention =
        problem.more.get("attention").and_then(|value| serde_json::from_value(value.clone()).ok());
    if let Some(attention) = &attention {
        question_in_words(attention).lines().for_each(&mut add);
    }
    if let Some(install) = word("install").filter(|install| !problem.detail.contains(install.as_str())) {
        add(&format!("install it: {install}"));
    }
    match problem.code {
        Code::AgentNotFound => add("`parallax ls --all` lists the agents there are"),
        Code::Unauthorized => add("set PARALLAX_API_TOKEN to the server's token"),
        Code::QuestionPending => add("`parallax answer AGENT OPTION` answers"),
        Code::AuthRequired => match word("loginUrl") {
            Some(url) => add(&format!("log in at {url}, or with `parallax attach AGENT`")),
            None => add("log in with `parallax attach AGENT`"),
        },
        Code::Timeout if problem.more.contains_key("messageId") => {
            add("the message is not lost: `parallax show AGENT` has the answer once it is there");
        }
        Code::CliNotFound | Code::NoRuntime => add("`parallax doctor` tells what is missing"),
        _ => {}
    }
    text
}

/// A runtime's name and reason, whether it came as an object of the list or as words.
fn runtime_in_words(runtime: &serde_json::Value) -> String {
    if let Ok(info) = serde_json::from_value::<RuntimeInfo>(runtime.clone()) {
        return format!(
            "{}: {}",
            clean(&info.name),
            clean(info.status.reason.as_deref().unwrap_or("healthy"))
        );
    }
    let field = |name: &str| runtime.get(name).and_then(|value| value.as_str());
    match (field("name").or(field("runtime")), field("reason").or(field("detail"))) {
        (Some(name), Some(reason)) => format!("{}: {}", clean(name), clean(reason)),
        _ => clean(&runtime.as_str().map_or_else(|| runtime.to_string(), str::to_owned)),
    }
}

/// The question and its options, as a person picks one.
pub(crate) fn question_in_words(attention: &Attention) -> String {
    let mut text = clean(attention.text.trim());
    for option in &attention.options {
        write!(text, "\n  {}  {}", clean(&option.id), clean(&option.label)).expect("writing to a string");
    }
    text
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Here(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::OutputClosed,
            _ => Self::Here(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn words_say_what_to_do() {
        let question = Problem::new(Code::QuestionPending, "the agent asks first").with(
            "attention",
            json!({"id": "q1", "kind": "question", "text": "Run \u{1b}[31mtouch x?", "since": "2026-01-01T00:00:00Z",
                   "options": [{"id": "yes", "label": "Yes"}, {"id": "no", "label": "No"}]}),
        );
        assert_eq!(
            in_words(&question),
            "error: QUESTION_PENDING: the agent asks first\n  Run touch x?\n    yes  Yes\n    no  No\n  `parallax answer AGENT \
             OPTION` answers"
        );
        let failed = Problem::new(Code::SpawnFailed, "it ended").with("output", "cannot\nrun");
        assert_eq!(in_words(&failed), "error: SPAWN_FAILED: it ended\n  | cannot\n  | run");
        let nowhere = Problem::new(Code::NoRuntime, "none")
            .with("runtimes", json!([{"name": "docker", "reason": "no daemon"}, "k8s: no cluster"]));
        assert!(in_words(&nowhere).contains("\n  - docker: no daemon\n  - k8s: no cluster\n"));
    }

    #[test]
    fn every_code_has_an_exit_code() {
        for code in Code::ALL {
            assert!((1..=8).contains(&exit_code_of(*code)), "{code}");
        }
    }
}
