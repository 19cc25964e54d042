//! `parallax run`.

mod asking;
mod progress;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use parallax_api::client::{ExecutionChange, Retry};
use parallax_api::execution::{
    Execution, ExecutionAnswer, ExecutionEventData, ExecutionStatus, Question, USER,
};
use parallax_api::pattern::{ExecuteRequest, Finding, PatternInput};
use parallax_api::{Code, Problem};
use parallax_patterns::check;
use serde_json::{Value, json};

use crate::context::{Context, RETRY};
use crate::error::CliError;
use crate::output::{Output, clean, one_line};
use crate::spawn::is_loopback_url;
use crate::values;
use asking::Asking;
use progress::Progress;

#[derive(Args, Debug)]
pub(crate) struct RunArgs {
    /// A pattern file, or the name of a pattern of the library
    #[arg(value_name = "FILE")]
    pattern: String,
    /// An input of the pattern (repeatable)
    #[arg(short, long = "input", value_name = "NAME=VALUE", value_parser = values::pair)]
    inputs: Vec<(String, String)>,
    /// Working directory of roles that name none [default: the current one when the control plane is on this machine]
    #[arg(short, long, value_name = "DIR")]
    workdir: Option<PathBuf>,
    /// Do not follow the run; print its id
    #[arg(long)]
    no_wait: bool,
    /// Only say what is wrong with the pattern: nothing is run
    #[arg(long, conflicts_with_all = ["no_wait", "inputs", "workdir"])]
    check: bool,
}

impl RunArgs {
    pub(crate) async fn run(self, context: &Context) -> Result<(), CliError> {
        let Context { client, output } = context;
        let path = Path::new(&self.pattern);
        let is_file = path.is_file() || path.extension().is_some();
        let (name, wanted) = if is_file {
            let source = std::fs::read_to_string(path).map_err(|error| {
                anyhow::Error::new(error).context(format!("cannot read {}", path.display()))
            })?;
            let pattern = check::read(&source).map_err(|findings| wrong(path, &findings, output))?;
            if self.check {
                output.note(&format!("{} is in order", path.display()));
                return Ok(());
            }
            client.put_pattern(&pattern.name, &source).await?;
            (pattern.name.clone(), check::inputs(&pattern))
        } else {
            let stored = client.pattern(&self.pattern).await?;
            if self.check {
                let name = &stored.info.name;
                check::read(&stored.source).map_err(|findings| wrong(Path::new(name), &findings, output))?;
                output.note(&format!("{} is in order", clean(name)));
                return Ok(());
            }
            (stored.info.name, stored.info.inputs)
        };
        let workdir = match self.workdir {
            Some(dir) => Some(std::path::absolute(dir)?),
            None if is_loopback_url(client.url()) => Some(std::env::current_dir()?),
            None => None,
        };
        let request = ExecuteRequest {
            input: inputs(self.inputs, &wanted)?,
            workdir: workdir.map(|dir| dir.to_string_lossy().into_owned()),
        };
        let key = uuid::Uuid::new_v4().to_string();
        let id = client.execute(&key, &name, &request).await?;
        if self.no_wait {
            return match output.json() {
                true => Ok(output.document(&json!({"executionId": id}))?),
                false => Ok(output.line(&id)?),
            };
        }
        output.note(&format!("run {id} of {name}"));
        let execution = follow(context, &id, RETRY).await.map_err(|error| lost_sight(error, &id))?;
        result(output, &execution)
    }
}

/// The inputs with the types that the pattern wants.
fn inputs(
    given: Vec<(String, String)>,
    wanted: &BTreeMap<String, PatternInput>,
) -> Result<BTreeMap<String, Value>, CliError> {
    let typed = given.into_iter().map(|(name, text)| {
        let kind = wanted.get(&name).map_or("text", |input| input.r#type.as_str());
        let value = match kind {
            "text" => Value::String(text),
            _ => serde_json::from_str(&text).map_err(|_| {
                CliError::Usage(format!("the input `{name}` is a {kind}, and `{text}` is none"))
            })?,
        };
        Ok((name, value))
    });
    typed.collect()
}

/// Prints every finding as a compiler does: `FILE:LINE:COLUMN: MESSAGE`.
fn wrong(path: &Path, findings: &[Finding], output: &Output) -> CliError {
    if output.json() {
        let problem = Problem::new(Code::Validation, "the pattern file is not in order");
        return problem.with("errors", serde_json::to_value(findings).unwrap_or_default()).into();
    }
    for Finding { line, column, field, message, suggestion } in findings {
        let hint = suggestion.as_ref().map(|hint| format!("\n    {hint}")).unwrap_or_default();
        let field = if field.is_empty() { String::new() } else { format!("{field}: ") };
        output.error(&clean(&format!("{}:{line}:{column}: {field}{message}{hint}", path.display())));
    }
    CliError::Silent(2)
}

/// A failure to follow a run, which knows nothing of how the run goes on.
fn lost_sight(error: CliError, id: &str) -> CliError {
    match error {
        CliError::Problem(problem) => problem.with("executionId", id).into(),
        other => other,
    }
}

/// Prints the run's events, asks the user its questions, and returns the ended run. Ctrl-C cancels it.
async fn follow(context: &Context, id: &str, retry: Retry) -> Result<Execution, CliError> {
    let Context { client, output } = context;
    let mut events = client.execution_events(id, None, retry);
    let mut is_lost = false;
    let mut progress = Progress::default();
    let mut asking = Asking::new(output, id);
    let mut cancelled = false;
    loop {
        tokio::select! {
            change = events.next_change() => match change? {
                Some(ExecutionChange::Event(event)) => {
                    is_lost = false;
                    let mut gone = None;
                    match &event.data {
                        ExecutionEventData::QuestionRouted { id: question, to, .. } if to.iter().any(|to| to == USER) => {
                            if let Some(asked) = progress.question(question) {
                                asking.add(asked);
                            }
                        }
                        ExecutionEventData::QuestionAnswered { id: question, .. }
                        | ExecutionEventData::QuestionWithdrawn { id: question, .. } => {
                            asking.remove(question);
                            gone = Some(question);
                        }
                        _ => {}
                    }
                    if let Some(line) = progress.line(&event, id, asking.is_open(), |text, style| output.paint(text, style)) {
                        output.note(&line);
                    }
                    if let Some(gone) = gone {
                        asking.tell_gone(gone);
                    }
                }
                // Told once, however often it is tried.
                Some(ExecutionChange::Lost(problem)) if !std::mem::replace(&mut is_lost, true) => {
                    output.note(&format!("{}; trying again", one_line(&problem.detail)));
                }
                Some(ExecutionChange::Lost(_)) => {}
                None => return Ok(client.execution(id).await?),
            },
            (question, said) = asking.said() => match client.answer_execution(id, &answer(&question, &said)).await {
                Ok(_) => asking.remove(&question.id),
                Err(problem) => asking.tell_refused(&problem),
            },
            _ = tokio::signal::ctrl_c() => {
                if std::mem::replace(&mut cancelled, true) {
                    return Err(CliError::Silent(130));
                }
                output.note("cancelling; Ctrl-C again leaves it to the server");
                let (client, id) = (client.clone(), id.to_owned());
                // Its end is an event; a failure shows in that there is none.
                tokio::spawn(async move { client.cancel_execution(&id).await });
            }
        }
    }
}

/// What was said as an answer: an option, with words after it if there are any, or only words.
fn answer(question: &Question, said: &str) -> ExecutionAnswer {
    let (first, rest) = said.split_once(char::is_whitespace).unwrap_or((said, ""));
    let question_id = Some(question.id.clone());
    let option = question.options.iter().find(|option| option.id == first || option.label == said);
    match option {
        Some(option) => {
            let text = (option.id == first && !rest.trim().is_empty()).then(|| rest.trim().to_owned());
            ExecutionAnswer { question_id, option: Some(option.id.clone()), text }
        }
        None => ExecutionAnswer { question_id, option: None, text: Some(said.to_owned()) },
    }
}

fn result(output: &Output, execution: &Execution) -> Result<(), CliError> {
    if output.json() {
        output.document(execution)?;
    } else if let Some(value) = &execution.output {
        match value {
            Value::String(text) => output.line(clean(text.trim_end()))?,
            Value::Object(fields) => {
                for (name, value) in fields {
                    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                    output.line(format!("{name}: {}", clean(text.trim_end())))?;
                }
            }
            other => output.line(other)?,
        }
    }
    match execution.status {
        ExecutionStatus::Completed => Ok(()),
        _ => Err(CliError::Silent(1)),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::Router;
    use axum::http::StatusCode;
    use axum::response::{IntoResponse, Response};
    use axum::routing::get;

    use super::*;
    use crate::problem_text;

    /// A control plane that shows one event of a run, and whose proxy has only `after` to say from then on, or nothing.
    async fn gone(after: Option<StatusCode>) -> (Context, Arc<AtomicUsize>) {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        let events = async move || -> Response {
            match count.fetch_add(1, Ordering::Relaxed) {
                0 => {
                    let event = r#"{"id":"1","event":"something_new","data":{}}"#;
                    ([("content-type", "text/event-stream")], format!("id: 1\ndata: {event}\n\n"))
                        .into_response()
                }
                _ => match after {
                    Some(after) => (after, "<html>nobody is here</html>").into_response(),
                    None => std::future::pending().await,
                },
            }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("address"));
        let router = Router::new().route("/api/executions/r1/events", get(events));
        tokio::spawn(async move { axum::serve(listener, router).await });
        (Context::new(&url, None, Output::new(false)).expect("a context"), asked)
    }

    #[tokio::test]
    async fn a_server_that_does_not_come_back_is_given_up() {
        assert!(RETRY.patience.is_some(), "for ever is too long for who waits for a result");
        let moment = std::time::Duration::from_millis(1);
        let retry = Retry { first: moment, longest: moment, attempts: Some(5), ..RETRY };
        for after in [StatusCode::BAD_GATEWAY, StatusCode::NOT_FOUND] {
            let (context, asked) = gone(Some(after)).await;
            let error = follow(&context, "r1", retry).await.expect_err("nobody is there");
            let CliError::Problem(problem) = lost_sight(error, "r1") else { panic!("no problem") };
            let text = problem_text::text(&problem);
            assert!(text.contains(&format!("answered {after}")), "{text}");
            assert!(text.ends_with("`parallax runs r1` tells how the run goes on"), "{text}");
            assert_eq!(asked.load(Ordering::Relaxed), 6, "once, and then five attempts: {text}");
        }
    }

    #[tokio::test]
    async fn a_server_that_takes_connections_and_says_nothing_is_given_up_as_soon() {
        let patience = std::time::Duration::from_millis(300);
        let (context, _) = gone(None).await;
        let following = follow(&context, "r1", Retry { patience: Some(patience), ..RETRY });
        let given_up = tokio::time::timeout(patience * 100, following).await.expect("it is given up");
        let CliError::Problem(problem) = given_up.expect_err("nobody answers") else { panic!("no problem") };
        assert!(problem.detail.contains("did not answer in time"), "{problem}");
    }
}
