//! `parallax runs`.

use clap::Args;
use parallax_api::execution::{
    Execution, ExecutionAnswer, ExecutionStatus, ExecutionSummary, ExecutionsQuery, QuestionKind,
    QuestionView, StepStatus, StepView,
};
use parallax_api::{Code, Problem, Time};

use crate::context::Context;
use crate::error::CliError;
use crate::output::{Output, Style, Table, ago, clean, one_line};
use crate::question_text::{how_to_answer_run, options_text, run_question_text};
use crate::values;

#[derive(Args, Debug)]
pub(crate) struct RunsArgs {
    /// Show this run: its steps, agents and open questions
    #[arg(value_name = "RUN")]
    run: Option<String>,
    /// Only runs of this status: running, completed, failed or cancelled
    #[arg(long, value_name = "STATUS", value_parser = values::word::<ExecutionStatus>, conflicts_with = "run")]
    status: Option<ExecutionStatus>,
    /// Only runs of this pattern
    #[arg(long, value_name = "NAME", conflicts_with = "run")]
    pattern: Option<String>,
    /// How many of the newest, 1 to 1000 [default: 100]
    #[arg(short = 'n', long, value_name = "N", conflicts_with = "run")]
    limit: Option<usize>,
    /// Cancel the run; its agents are stopped
    #[arg(long, requires = "run", conflicts_with_all = ["answer", "text"])]
    cancel: bool,
    /// Answer an open question with the option of this id
    #[arg(long, value_name = "OPTION", requires = "run")]
    answer: Option<String>,
    /// Answer an open question with text, or add text to the option
    #[arg(long, value_name = "TEXT", requires = "run")]
    text: Option<String>,
    /// Which question: its id, as it is shown
    #[arg(long, value_name = "ID", requires = "run")]
    question: Option<String>,
}

impl RunsArgs {
    pub(crate) async fn run(self, context: &Context) -> Result<(), CliError> {
        let Context { client, output } = context;
        if let Some(id) = &self.run {
            let run = if self.cancel {
                client.cancel_execution(id).await?
            } else if self.answer.is_some() || self.text.is_some() {
                if self.question.is_none() {
                    return Err(which(&client.execution(id).await?));
                }
                let answer = ExecutionAnswer {
                    question_id: self.question.clone(),
                    option: self.answer.clone(),
                    text: self.text.clone(),
                };
                client.answer_execution(id, &answer).await?
            } else {
                client.execution(id).await?
            };
            match output.json() {
                true => output.document(&run)?,
                false => print(&run, output, Time::now())?,
            }
            return Ok(());
        }
        let query = ExecutionsQuery { status: self.status, pattern: self.pattern, limit: self.limit };
        let list = client.executions(&query).await?;
        if output.json() {
            return Ok(output.document(&list)?);
        }
        if list.executions.is_empty() {
            output.note("no runs; `parallax run FILE` starts one");
            return Ok(());
        }
        Ok(table(&list.executions, Time::now()).print(output)?)
    }
}

/// Asks which question is meant, and shows those there are: the one that is open now may have come after the user looked.
fn which(run: &Execution) -> CliError {
    let open: Vec<String> = run
        .questions
        .iter()
        .filter(|view| is_answerable(view))
        .map(|view| run_question_text(&view.question, &how_to_answer_run(&run.id, &view.question)))
        .collect();
    match open.is_empty() {
        true => Problem::new(Code::Conflict, "no question of this run waits for a person").into(),
        false => CliError::Usage(format!("say which question with --question ID\n{}", open.join("\n"))),
    }
}

/// Whether it waits for a person's answer.
fn is_answerable(view: &QuestionView) -> bool {
    view.for_user && view.question.kind != QuestionKind::Attention
}

fn table(runs: &[ExecutionSummary], now: Time) -> Table<5> {
    let mut table = Table::new(["ID", "PATTERN", "STATUS", "AGE", "NOTE"]);
    for run in runs {
        let note = match (run.questions, run.ended_at) {
            (1.., _) => (format!("{} open questions", run.questions), Style::Wanted),
            (_, Some(ended)) => (format!("ended {} ago", ago(ended, now)), Style::Faint),
            (0, None) => (String::new(), Style::Plain),
        };
        table.row([
            (run.id.clone(), Style::Faint),
            (run.pattern.clone(), Style::Plain),
            (status_text(run.status).to_owned(), status_style(run.status)),
            (ago(run.created_at, now), Style::Plain),
            note,
        ]);
    }
    table
}

fn print(run: &Execution, output: &Output, now: Time) -> std::io::Result<()> {
    let row = |name: &str, value: &str| {
        output.line(format!("{}{value}", output.paint(&format!("{name:<13}"), Style::Faint)))
    };
    row("id", &run.id)?;
    row("pattern", &one_line(&run.pattern))?;
    row("status", &output.paint(status_text(run.status), status_style(run.status)))?;
    row("started", &format!("{} ({})", run.created_at, ago(run.created_at, now)))?;
    if let Some(error) = &run.error {
        let error = format!("{}: {}", error.code, error.message);
        row("error", &output.paint(&one_line(&error), Style::Bad))?;
    }
    for member in &run.agents {
        let agent = format!(
            "{} {}  {} on {}  {}",
            member.role, member.number, member.r#type, member.runtime, member.agent_id
        );
        row("agent", &one_line(&agent))?;
    }
    for step in &run.steps {
        let (text, style) = step_text(step);
        row("step", &format!("{:<6} {}", one_line(&step.path), output.paint(&one_line(&text), style)))?;
    }
    for view in &run.questions {
        output.line("")?;
        output.line(output.paint(&format!("question {}", one_line(&view.question.id)), Style::Faint))?;
        let asked = output.paint(&clean(&view.question.whole()), Style::Wanted);
        output.line(asked + &options_text(&view.question.options))?;
        if is_answerable(view) {
            output.line(how_to_answer_run(&run.id, &view.question))?;
        }
    }
    Ok(())
}

fn step_text(step: &StepView) -> (String, Style) {
    let name = step.id.clone().unwrap_or_default();
    let failure = step.error.as_ref().map(|error| format!(": {}", error.message)).unwrap_or_default();
    match step.status {
        StepStatus::Running => (format!("{name} ({}) running", step.r#type), Style::Plain),
        StepStatus::Completed => (format!("{name} ({}) done", step.r#type), Style::Good),
        StepStatus::Failed => (format!("{name} ({}) failed{failure}", step.r#type), Style::Bad),
        StepStatus::Cancelled => (format!("{name} ({}) cancelled", step.r#type), Style::Faint),
    }
}

fn status_text(status: ExecutionStatus) -> &'static str {
    match status {
        ExecutionStatus::Running => "running",
        ExecutionStatus::Completed => "completed",
        ExecutionStatus::Failed => "failed",
        ExecutionStatus::Cancelled => "cancelled",
    }
}

fn status_style(status: ExecutionStatus) -> Style {
    match status {
        ExecutionStatus::Running => Style::Plain,
        ExecutionStatus::Completed => Style::Good,
        ExecutionStatus::Failed => Style::Bad,
        ExecutionStatus::Cancelled => Style::Faint,
    }
}
