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
        table.row([
            (one_line(&workspace.name), Style::Plain),
            (one_line(&workspace.runtime), Style::Plain),
            (ago(workspace.created_at, now), Style::Plain),
            (workspace.bytes.map_or_else(|| "-".into(), bytes), Style::Plain),
            (one_line(&workspace.branch), Style::Plain),
            (one_line(&workspace.repo), Style::Plain),
            (one_line(workspace.volume.as_ref().unwrap_or(&workspace.path)), Style::Faint),
            (stays(workspace), Style::Plain),
        ]);
    }
    table
}

/// Whether a workspace stays, and why.
fn stays(workspace: &WorkspaceInfo) -> String {
    match (workspace.in_use, &workspace.reason) {
        (Some(true), _) => "in use".into(),
        (_, Some(reason)) => one_line(reason),
        (Some(false), None) => "no: `parallax workspaces gc` removes it".into(),
        (None, None) => "not known".into(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn why_one_stays() {
        let table = [
            (json!({"inUse": true, "reason": "something in it is not committed"}), "in use"),
            (json!({"inUse": false, "reason": "it was asked for"}), "it was asked for"),
            (json!({"inUse": false}), "no: `parallax workspaces gc` removes it"),
            // A clean-up did not come to it.
            (json!({"reason": "it is still being looked at"}), "it is still being looked at"),
            (json!({}), "not known"),
        ];
        for (known, expected) in table {
            let mut shown = json!({"id": "a", "name": "a", "runtime": "local", "repo": "/r", "branch": "b",
                "path": "/p", "keep": "changed", "createdAt": Time::now()});
            let (Value::Object(all), Value::Object(known)) = (&mut shown, known) else { unreachable!() };
            all.extend(known.clone());
            let workspace: WorkspaceInfo = serde_json::from_value(shown.clone()).unwrap();
            assert_eq!(stays(&workspace), expected);
            let told = serde_json::to_value(&workspace).unwrap();
            assert_eq!(told.get("inUse"), known.get("inUse"), "what is not known is not told");
        }
    }
}
