//! `parallax answer`.

use std::io::{BufRead, Write};

use clap::Args;
use parallax_api::message::AnswerRequest;
use parallax_api::{Attention, Code, Problem};

use crate::context::Context;
use crate::error::CliError;
use crate::find;
use crate::output::clean;
use crate::problem_text::question_text;

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
}

impl AnswerArgs {
    pub(crate) async fn run(self, context: &Context) -> Result<(), CliError> {
        let Context { client, output } = context;
        let agent = find::agent(client, &self.agent).await?;
        let request = match (self.option, self.text) {
            (None, None) => {
                let Some(attention) = &agent.attention else {
                    let detail = format!("{} asks nothing now", clean(&agent.name));
                    return Err(Problem::new(Code::Conflict, detail).into());
                };
                if !output.may_ask() {
                    let question = question_text(attention);
                    return Err(CliError::Usage(format!(
                        "say which: parallax answer AGENT OPTION\n{question}"
                    )));
                }
                ask(attention)?
            }
            (option, text) => AnswerRequest { option, text, ..AnswerRequest::default() },
        };
        // An answer is for the question that was shown.
        let request = match &agent.attention {
            Some(attention) => request.to(&attention.id),
            None => request,
        };
        let agent = client.answer(&agent.id, &request).await?;
        if output.json() {
            return Ok(output.document(&agent)?);
        }
        output.note(&format!("{} is {}", clean(&agent.name), agent.status));
        Ok(())
    }
}

/// Asks the person: an option, or else free text.
fn ask(attention: &Attention) -> Result<AnswerRequest, CliError> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", question_text(attention))?;
    write!(out, "> ")?;
    out.flush()?;
    let mut said = String::new();
    std::io::stdin().lock().read_line(&mut said)?;
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
