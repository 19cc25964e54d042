//! `parallax workspaces`.

use clap::{Args, Subcommand};
use parallax_api::Time;
use parallax_api::workspace::WorkspaceInfo;

use crate::context::Context;
use crate::error::CliError;
use crate::output::{Output, Style, Table, ago, one_line};

#[derive(Args, Debug)]
pub(crate) struct WorkspacesArgs {
    #[command(subcommand)]
    command: Option<WorkspacesCommand>,
}

#[derive(Subcommand, Debug)]
enum WorkspacesCommand {
    /// Remove those of ended agents in which nothing would be lost
    Gc,
}

impl WorkspacesArgs {
    pub(crate) async fn run(self, context: &Context) -> Result<(), CliError> {
        let Context { client, output } = context;
        match self.command {
            None => {
                let list = client.workspaces().await?;
                if output.json() {
                    return Ok(output.document(&list)?);
                }
                note_away(&list.runtimes_away, output);
                if list.workspaces.is_empty() {
                    output.note("no workspaces; `parallax spawn TYPE --repo DIR` makes one");
                    return Ok(());
                }
                Ok(table(&list.workspaces).print(output)?)
            }
            Some(WorkspacesCommand::Gc) => {
                let done = client.clean_workspaces().await?;
                if output.json() {
                    return Ok(output.document(&done)?);
                }
                note_away(&done.runtimes_away, output);
                output.line(format!("{} removed, {} kept", done.removed.len(), done.kept.len()))?;
                match done.kept.is_empty() {
                    true => Ok(()),
                    false => Ok(table(&done.kept).print(output)?),
                }
            }
        }
    }
}

fn note_away(runtimes: &[String], output: &Output) {
    if !runtimes.is_empty() {
        output.note(&one_line(&format!("away: {}", runtimes.join(", "))));
    }
}

fn table(workspaces: &[WorkspaceInfo]) -> Table<7> {
    let now = Time::now();
    let mut table = Table::new(["AGENT", "RUNTIME", "AGE", "BRANCH", "REPOSITORY", "PATH", "STAYS"]);
    for workspace in workspaces {
        let stays = match (workspace.in_use, &workspace.reason) {
            (true, _) => "in use".to_owned(),
            (false, Some(reason)) => one_line(reason),
            (false, None) => "no: `parallax workspaces gc` removes it".into(),
        };
        table.row([
            (one_line(&workspace.name), Style::Plain),
            (one_line(&workspace.runtime), Style::Plain),
            (ago(workspace.created_at, now), Style::Plain),
            (one_line(&workspace.branch), Style::Plain),
            (one_line(&workspace.repo), Style::Plain),
            (one_line(&workspace.path), Style::Faint),
            (stays, Style::Plain),
        ]);
    }
    table
}
