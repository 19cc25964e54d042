//! `parallax answer`.

use std::io::Write;

use clap::Args;
use parallax_api::message::AnswerRequest;
use parallax_api::{Agent, Attention, Code, Problem};

use crate::context::Context;
use crate::error::CliError;
use crate::find;
use crate::output::{Output, clean};
use crate::prompt::{forget_typed, typed_line};
use crate::question_text::{how_to_answer, question_text};

#[derive(Args, Debug)]
pub(crate) struct AnswerArgs {
    /// Id, beginning of an id, or name
    agent: String,
    /// The id or label of one of the options; none: show the question, and ask
    #[arg(value_name = "OPTION")]
    option: Option<String>,
    /// Free text, where the question takes it (a login code, an answer of one's own)
    #[arg(short, long, value_name = "TEXT", conflicts_with = "option")]
    text: Option<String>,
    /// The id of the question that this answers, as `show` and `send` print it: no other is answered
    #[arg(long, value_name = "ID")]
    question: Option<String>,
}

impl AnswerArgs {
    pub(crate) async fn run(self, context: &Context) -> Result<(), CliError> {
        let Context { client, output } = context;
        let agent = find::agent(client, &self.agent).await?;
        let request = match (self.option, self.text) {
            (None, None) => asked(&agent, self.question.as_deref(), output)?,
            // Whether it is clear which question is meant is for the server to say: nobody here knows what was seen.
            (option, text) => {
                AnswerRequest { attention_id: self.question, option, text, ..AnswerRequest::default() }
            }
        };
        let agent = client.answer(&agent.id, &request).await?;
        if output.json() {
            return Ok(output.document(&agent)?);
        }
        output.note(&format!("{} is {}", clean(&agent.name), agent.status));
        Ok(())
    }
}

/// The answer of the person here to the question that stands, and to no other.
fn asked(agent: &Agent, wanted: Option<&str>, output: &Output) -> Result<AnswerRequest, CliError> {
    let name = clean(&agent.name);
    let Some(attention) = &agent.attention else {
        return Err(Problem::new(Code::Conflict, format!("{name} asks nothing now")).into());
    };
    if wanted.is_some_and(|wanted| wanted != attention.id) {
        let problem = Problem::new(Code::QuestionChanged, format!("{name} asks something else now"));
        return Err(problem.with("attention", serde_json::to_value(attention).unwrap_or_default()).into());
    }
    if !output.may_ask() {
        let (how, question) = (how_to_answer(agent.id.as_str(), attention), question_text(attention));
        return Err(CliError::Usage(format!("say which: {how}\n{question}")));
    }
    Ok(ask(attention)?.to(&attention.id))
}

/// Asks the person: an option, or else free text.
fn ask(attention: &Attention) -> Result<AnswerRequest, CliError> {
    forget_typed();
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", question_text(attention))?;
    write!(out, "> ")?;
    out.flush()?;
    let said = typed_line()?.unwrap_or_default();
    let said = said.trim();
    if said.is_empty() {
        return Err(CliError::Usage("nothing said, nothing sent".into()));
    }
    let is_option = attention.options.iter().any(|option| option.id == said || option.label == said);
    Ok(match is_option {
        true => AnswerRequest::option(said),
        false => AnswerRequest::text(said),
    })
}
