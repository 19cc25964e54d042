//! `parallax runtimes`.

use clap::Args;
use parallax_api::runtime::RuntimeInfo;

use crate::context::Context;
use crate::error::CliError;
use crate::output::{Style, Table};

#[derive(Args, Debug)]
pub(crate) struct RuntimesArgs {}

impl RuntimesArgs {
    pub(crate) async fn run(self, context: &Context) -> Result<(), CliError> {
        let list = context.client.runtimes().await?;
        if context.output.json() {
            return Ok(context.output.document(&list)?);
        }
        if list.runtimes.is_empty() {
            context.output.note("no runtimes; `parallax up` starts a local one");
            return Ok(());
        }
        Ok(table(&list.runtimes).print(&context.output)?)
    }
}

fn table(runtimes: &[RuntimeInfo]) -> Table<8> {
    let mut table = Table::new(["NAME", "KIND", "PRIORITY", "STATE", "AGENTS", "TYPES", "CLASSES", "URL"]);
    for runtime in runtimes {
        let status = &runtime.status;
        let types = status.types.iter().filter(|info| info.available).map(|info| info.name.as_str());
        let classes = status.classes.iter().map(|class| class.name.as_str());
        let state = match (status.healthy, &status.reason) {
            (true, _) => ("healthy".to_owned(), Style::Good),
            (false, reason) => (reason.clone().unwrap_or_else(|| "not healthy".into()), Style::Bad),
        };
        table.row([
            (runtime.name.clone(), Style::Plain),
            (status.kind.as_str().to_owned(), Style::Plain),
            (runtime.priority.to_string(), Style::Plain),
            state,
            (format!("{} of {}", status.agents, status.capacity), Style::Plain),
            (types.collect::<Vec<_>>().join(", "), Style::Plain),
            (classes.collect::<Vec<_>>().join(", "), Style::Plain),
            (runtime.url.clone(), Style::Faint),
        ]);
    }
    table
}
