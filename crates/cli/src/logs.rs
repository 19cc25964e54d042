//! `parallax logs`.

use clap::Args;
use futures::StreamExt;
use parallax_api::observe::{LogFormat, LogsQuery};

use crate::context::Context;
use crate::error::CliError;
use crate::find;
use crate::values;

#[derive(Args, Debug)]
pub(crate) struct LogsArgs {
    /// Id, beginning of an id, or name
    agent: String,
    /// Go on with what comes, until the agent ends
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
            follow: self.follow.then_some(true),
            format: (self.format != LogFormat::Text).then_some(self.format),
        };
        if self.format == LogFormat::Text && !self.follow {
            let logs = client.logs(&agent.id, &query).await?;
            match output.json() {
                true => output.document(&logs)?,
                false => logs.logs.iter().try_for_each(|line| output.line(line))?,
            }
            return Ok(());
        }
        let mut parts = client.log_stream(&agent.id, &query).await?;
        while let Some(part) = parts.next().await {
            output.raw(&part?)?;
        }
        Ok(())
    }
}
