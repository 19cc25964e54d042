//! `parallax patterns`.

use clap::Args;
use parallax_api::Time;
use parallax_api::pattern::PatternInfo;

use crate::context::Context;
use crate::error::CliError;
use crate::output::{Style, Table, ago, clean};

#[derive(Args, Debug)]
pub(crate) struct PatternsArgs {
    /// Print the file of this pattern
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// Remove this pattern from the library
    #[arg(long, value_name = "NAME", conflicts_with = "name")]
    remove: Option<String>,
}

impl PatternsArgs {
    pub(crate) async fn run(self, context: &Context) -> Result<(), CliError> {
        let Context { client, output } = context;
        if let Some(name) = &self.remove {
            client.delete_pattern(name).await?;
            output.note(&format!("{} is removed", clean(name)));
            return Ok(());
        }
        if let Some(name) = &self.name {
            let stored = client.pattern(name).await?;
            match output.json() {
                true => output.document(&stored)?,
                false => output.raw(clean(&stored.source).as_bytes())?,
            }
            return Ok(());
        }
        let list = client.patterns().await?;
        if output.json() {
            return Ok(output.document(&list)?);
        }
        if list.patterns.is_empty() {
            output.note("no patterns in the library; `parallax run FILE` puts one there and runs it");
            return Ok(());
        }
        Ok(table(&list.patterns, Time::now()).print(output)?)
    }
}

fn table(patterns: &[PatternInfo], now: Time) -> Table<5> {
    let mut table = Table::new(["NAME", "VERSION", "UPDATED", "INPUTS", "DESCRIPTION"]);
    for pattern in patterns {
        let inputs: Vec<&str> = pattern.inputs.keys().map(String::as_str).collect();
        table.row([
            (pattern.name.clone(), Style::Plain),
            (pattern.version.clone().unwrap_or_else(|| "-".into()), Style::Plain),
            (ago(pattern.updated_at, now), Style::Plain),
            (inputs.join(", "), Style::Plain),
            (pattern.description.clone().unwrap_or_default(), Style::Faint),
        ]);
    }
    table
}
