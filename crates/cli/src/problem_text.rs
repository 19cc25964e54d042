//! Problems as text for a person.

use std::fmt::Write;

use parallax_api::runtime::RuntimeInfo;
use parallax_api::{Attention, Code, Problem};

use crate::output::{clean, escaped, without_sequences};
use crate::question_text::{how_to_answer, question_text};

/// The problem as one line of JSON, which a terminal may show.
pub(crate) fn json(problem: &Problem) -> String {
    escaped(&serde_json::to_string(problem).expect("a problem is JSON"))
}

/// The code, the detail, the additional fields, and what to do next with this program.
pub(crate) fn text(problem: &Problem) -> String {
    let mut text = format!("error: {}: {}", problem.code, clean(&problem.detail));
    let mut add = |line: &str| write!(text, "\n  {line}").expect("writing to a string");
    let field = |key: &str| problem.more.get(key).and_then(|value| value.as_str());
    let word = |key: &str| field(key).map(clean);

    if let Some(output) = field("output") {
        without_sequences(output).lines().for_each(|line| add(&format!("| {line}")));
    }
    if let Some(runtimes) = problem.more.get("runtimes").and_then(|value| value.as_array()) {
        for runtime in runtimes {
            add(&format!("- {}", runtime_text(runtime)));
        }
    }
    let attention: Option<Attention> =
        problem.more.get("attention").and_then(|value| serde_json::from_value(value.clone()).ok());
    if let Some(attention) = &attention {
        question_text(attention).lines().for_each(&mut add);
    }
    if let Some(install) = word("install").filter(|install| !problem.detail.contains(install.as_str())) {
        add(&format!("install it: {install}"));
    }
    if let Some(run) = word("executionId") {
        add(&format!("`parallax runs {run}` tells how the run goes on"));
    }
    match problem.code {
        Code::AgentNotFound => add("`parallax ls --all` lists the agents there are"),
        Code::Unauthorized => add("set PARALLAX_API_TOKEN to the server's token"),
        Code::QuestionPending | Code::QuestionChanged => match &attention {
            Some(attention) => add(&format!("`{}` answers", how_to_answer("AGENT", attention))),
            None => add("`parallax show AGENT` shows what it asks"),
        },
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

/// A runtime's name and reason, whether it is an object of the list or a string.
fn runtime_text(runtime: &serde_json::Value) -> String {
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::text;
    use super::{Code, Problem};

    #[test]
    fn words_say_what_to_do() {
        let question = Problem::new(Code::QuestionPending, "the agent asks first").with(
            "attention",
            json!({"id": "q1", "kind": "question", "text": "Run \u{1b}[31mtouch x?", "since": "2026-01-01T00:00:00Z",
                   "options": [{"id": "yes", "label": "Yes"}, {"id": "no", "label": "No"}]}),
        );
        assert_eq!(
            text(&question),
            "error: QUESTION_PENDING: the agent asks first\n  Run ^[[31mtouch x?\n    yes  Yes\n    no  No\n  `parallax answer AGENT \
             --question q1 OPTION` answers"
        );
        let failed = Problem::new(Code::SpawnFailed, "it ended").with("output", "\u{1b}[31mcannot\nrun");
        assert_eq!(text(&failed), "error: SPAWN_FAILED: it ended\n  | cannot\n  | run");
        let nowhere = Problem::new(Code::NoRuntime, "none")
            .with("runtimes", json!([{"name": "docker", "reason": "no daemon"}, "k8s: no cluster"]));
        assert!(text(&nowhere).contains("\n  - docker: no daemon\n  - k8s: no cluster\n"));
    }
}
