//! `parallax workspaces`.

use clap::{Args, Subcommand};
use parallax_api::Time;
use parallax_api::workspace::{WorkspaceInfo, WorkspaceList};

use crate::context::Context;
use crate::error::CliError;
use crate::output::{Output, Style, Table, ago, bytes, one_line};

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
                note_space(&list, output);
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
                let freed: u64 = done.removed.iter().filter_map(|workspace| workspace.bytes).sum();
                let freed = if freed > 0 { format!(" ({})", bytes(freed)) } else { String::new() };
                output.line(format!("{} removed{freed}, {} kept", done.removed.len(), done.kept.len()))?;
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

/// What is to be told of the room that they take: nothing where there is no limit.
fn note_space(list: &WorkspaceList, output: &Output) {
    for (runtime, space) in &list.space {
        match (&space.warning, space.max_bytes) {
            (Some(warning), _) => output.note(&one_line(&format!("{runtime}: {warning}"))),
            (None, Some(most)) => {
                output.note(&one_line(&format!("{runtime}: {} of {}", bytes(space.bytes), bytes(most))));
            }
            (None, None) => {}
        }
    }
}

fn table(workspaces: &[WorkspaceInfo]) -> Table<8> {
    let now = Time::now();
    let mut table = Table::new(["AGENT", "RUNTIME", "AGE", "SIZE", "BRANCH", "REPOSITORY", "PATH", "STAYS"]);
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
            (workspace.bytes.map_or_else(|| "-".into(), bytes), Style::Plain),
            (one_line(&workspace.branch), Style::Plain),
            (one_line(&workspace.repo), Style::Plain),
            (one_line(workspace.volume.as_ref().unwrap_or(&workspace.path)), Style::Faint),
            (stays, Style::Plain),
        ]);
    }
    table
}
