//! `parallax logs`.

use clap::Args;
use futures::StreamExt;
use parallax_api::AgentId;
use parallax_api::client::LogItem;
use parallax_api::observe::{LogFormat, LogsQuery};
use parallax_screen::Plain;

use crate::context::{Context, RETRY};
use crate::error::CliError;
use crate::find;
use crate::output::one_line;
use crate::values;

#[derive(Args, Debug)]
pub(crate) struct LogsArgs {
    /// Id, beginning of an id, or name
    agent: String,
    /// Go on with what comes, until the agent ends; also over a restart of the server, unless it is a recording
    #[arg(short, long)]
    follow: bool,
    /// How many of the last lines, 1 to 10000 [default: 100; raw and recordings: all]
    #[arg(short = 'n', long, value_name = "N")]
    tail: Option<usize>,
    /// Only what was printed after this time (RFC 3339), or from this byte offset on
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// text, ansi (with colours), raw (the bytes), asciicast or asciicast-v3 (a recording)
    #[arg(long, value_name = "FORMAT", default_value = "text", value_parser = values::word::<LogFormat>)]
    format: LogFormat,
}

impl LogsArgs {
    pub(crate) async fn run(self, context: &Context) -> Result<(), CliError> {
        let Context { client, output } = context;
        let agent = find::agent(client, &self.agent).await?;
        let query = LogsQuery {
            tail: self.tail,
            since: self.since,
            follow: None,
            format: (self.format != LogFormat::Text).then_some(self.format),
        };
        match (self.follow, self.format) {
            (true, LogFormat::Raw) => follow(context, &agent.id, query, None).await,
            (true, LogFormat::Text | LogFormat::Ansi) => {
                let lines = client.last_lines(&agent.id, &query).await?;
                let Some(end) = lines.end else {
                    return stream(context, &agent.id, LogsQuery { follow: Some(true), ..query }).await;
                };
                output.raw(lines.text.as_bytes())?;
                let rest = LogsQuery { since: Some(end.to_string()), ..LogsQuery::default() };
                let plain = (self.format == LogFormat::Text).then(Plain::default);
                follow(context, &agent.id, rest, plain).await
            }
            (false, LogFormat::Text) => {
                let logs = client.logs(&agent.id, &query).await?;
                match output.json() {
                    true => output.document(&logs)?,
                    false => logs.logs.iter().try_for_each(|line| output.line(line))?,
                }
                Ok(())
            }
            (follow, _) => {
                stream(context, &agent.id, LogsQuery { follow: follow.then_some(true), ..query }).await
            }
        }
    }
}

/// The answer's bytes as they come.
async fn stream(context: &Context, id: &AgentId, query: LogsQuery) -> Result<(), CliError> {
    let mut parts = context.client.log_stream(id, &query).await?;
    while let Some(part) = parts.next().await {
        context.output.raw(&part?)?;
    }
    Ok(())
}

/// The output as it comes, each byte once, until the agent ends. With `plain`, without control sequences.
async fn follow(
    context: &Context,
    id: &AgentId,
    query: LogsQuery,
    mut plain: Option<Plain>,
) -> Result<(), CliError> {
    let output = &context.output;
    let mut log = context.client.follow_log(id, query, RETRY);
    let mut is_lost = false;
    while let Some(item) = log.next().await? {
        match item {
            LogItem::Output(bytes) => {
                is_lost = false;
                match &mut plain {
                    Some(plain) => output.raw(plain.strip(&bytes).as_bytes())?,
                    None => output.raw(&bytes)?,
                }
            }
            LogItem::Gap { from, to } => output.note(&format!("[log_gap: bytes {from} to {to} were lost]")),
            // Told once, however often it is tried.
            LogItem::Lost(problem) if !is_lost => {
                is_lost = true;
                output.note(&format!("[connecting again: {}]", one_line(&problem.detail)));
            }
            LogItem::Lost(_) => {}
        }
    }
    Ok(())
}
