//! `parallax changes`, `diff`, `conflicts`, `commit`, `push`, `pr` and `merge`: what an agent did in its checkout.

use std::io::IsTerminal;

use clap::Args;
use parallax_api::Problem;
use parallax_api::workspace::{
    Changes, CommitRequest, Diff, DiffAgainst, DiffFormat, DiffQuery, FileChange, MergeRequest,
    MergeStrategy, PullRequestRequest, PushRequest,
};

use crate::context::Context;
use crate::error::CliError;
use crate::find;
use crate::output::{Output, Style, Table, clean, one_line, without_sequences};
use crate::values;

/// Digits of a commit that are shown.
const SHORT_COMMIT: usize = 10;

#[derive(Args, Debug)]
pub(crate) struct ChangesArgs {
    /// Id, beginning of an id, or name
    agent: String,
}

impl ChangesArgs {
    pub(crate) async fn run(self, context: &Context) -> Result<(), CliError> {
        let Context { client, output } = context;
        let agent = find::agent(client, &self.agent).await?;
        let changes = client.changes(&agent.id).await?;
        match output.json() {
            true => output.document(&changes)?,
            false => print(&changes, output)?,
        }
        Ok(())
    }
}

fn print(changes: &Changes, output: &Output) -> std::io::Result<()> {
    let branch = changes.branch.as_deref().unwrap_or("no branch");
    let mut head = format!("{branch}, {} ahead", changes.ahead);
    if changes.behind > 0 {
        head += &format!(", {} behind", changes.behind);
    }
    if changes.dirty {
        head += ", not all committed";
    }
    if changes.conflicted {
        head += ", a merge is unfinished";
    }
    output.note(&one_line(&head));
    if changes.files.is_empty() {
        output.note("nothing was changed");
        return Ok(());
    }
    let mut table = Table::new(["", "ADDED", "REMOVED", "FILE"]);
    for file in &changes.files {
        let count = |lines: Option<u64>| lines.map_or_else(|| "-".into(), |lines| lines.to_string());
        table.row([
            (file.status.to_string(), Style::Plain),
            (count(file.added), Style::Good),
            (count(file.removed), Style::Bad),
            (shown(file), Style::Plain),
        ]);
    }
    table.print(output)?;
    if changes.truncated {
        output.note("more files are changed than are listed");
    }
    Ok(())
}

fn shown(file: &FileChange) -> String {
    match &file.from {
        Some(from) => format!("{} (was {})", one_line(&file.path), one_line(from)),
        None => one_line(&file.path),
    }
}

#[derive(Args, Debug)]
pub(crate) struct DiffArgs {
    /// Id, beginning of an id, or name
    agent: String,
    /// One file or directory of the checkout
    file: Option<String>,
    /// Lines around a change
    #[arg(short = 'U', long, value_name = "N")]
    context: Option<u32>,
    /// Compare with base (where it began) or head (what is not committed) [default: base]
    #[arg(long, value_name = "WHAT", value_parser = values::word::<DiffAgainst>)]
    against: Option<DiffAgainst>,
}

impl DiffArgs {
    pub(crate) async fn run(self, context: &Context) -> Result<(), CliError> {
        let agent = find::agent(&context.client, &self.agent).await?;
        let format = context.output.json().then_some(DiffFormat::Json);
        let query = DiffQuery { file: self.file, context: self.context, against: self.against, format };
        let diff = context.client.diff(&agent.id, &query).await?;
        if context.output.json() {
            let diff: Diff = serde_json::from_slice(&diff).map_err(Problem::internal)?;
            return Ok(context.output.document(&diff)?);
        }
        // To a file or a pipe as it is, so that it can be applied; what a terminal shows must not control it.
        match std::io::stdout().is_terminal() {
            true => Ok(context.output.raw(clean(&String::from_utf8_lossy(&diff)).as_bytes())?),
            false => Ok(context.output.raw(&diff)?),
        }
    }
}

#[derive(Args, Debug)]
pub(crate) struct ConflictsArgs {
    /// Id, beginning of an id, or name
    agent: String,
    /// Another agent, or a branch, tag or commit
    with: String,
}

impl ConflictsArgs {
    pub(crate) async fn run(self, context: &Context) -> Result<(), CliError> {
        let Context { client, output } = context;
        let agent = find::agent(client, &self.agent).await?;
        let with = find::agent(client, &self.with).await;
        let with = with.map_or(self.with, |other| other.id.to_string());
        let conflicts = client.conflicts(&agent.id, &with).await?;
        if output.json() {
            return Ok(output.document(&conflicts)?);
        }
        if conflicts.files.is_empty() {
            output.note("no conflicts");
        }
        Ok(conflicts.files.iter().try_for_each(|file| output.line(one_line(file)))?)
    }
}

#[derive(Args, Debug)]
pub(crate) struct CommitArgs {
    /// Id, beginning of an id, or name
    agent: String,
    /// Message of the commit
    #[arg(short, long, value_name = "TEXT")]
    message: String,
    /// Author, as `Name <address>` [default: as git is configured, or the agent]
    #[arg(long, value_name = "AUTHOR")]
    author: Option<String>,
}

impl CommitArgs {
    pub(crate) async fn run(self, context: &Context) -> Result<(), CliError> {
        let agent = find::agent(&context.client, &self.agent).await?;
        let request = CommitRequest { message: self.message, author: self.author };
        request.check()?;
        let committed = context.client.commit(&agent.id, &request).await?;
        if context.output.json() {
            return Ok(context.output.document(&committed)?);
        }
        let branch = committed.branch.as_deref().unwrap_or("no branch");
        Ok(context.output.line(one_line(&format!("{} on {branch}", short(&committed.commit))))?)
    }
}

#[derive(Args, Debug)]
pub(crate) struct PushArgs {
    /// Id, beginning of an id, or name
    agent: String,
    /// Remote of the repository [default: origin]
    #[arg(long, value_name = "REMOTE")]
    remote: Option<String>,
    /// Branch there [default: the same name]
    #[arg(long, value_name = "BRANCH")]
    branch: Option<String>,
    /// Replace what is there
    #[arg(short, long)]
    force: bool,
}

impl PushArgs {
    pub(crate) async fn run(self, context: &Context) -> Result<(), CliError> {
        let agent = find::agent(&context.client, &self.agent).await?;
        let request = PushRequest { remote: self.remote, branch: self.branch, force: self.force };
        request.check()?;
        let pushed = context.client.push(&agent.id, &request).await?;
        if context.output.json() {
            return Ok(context.output.document(&pushed)?);
        }
        let told = format!("{} is {}/{}", short(&pushed.commit), pushed.remote, pushed.branch);
        Ok(context.output.line(one_line(&told))?)
    }
}

#[derive(Args, Debug)]
pub(crate) struct PrArgs {
    /// Id, beginning of an id, or name
    agent: String,
    /// Title [default: the subject of the last commit]
    #[arg(short, long, value_name = "TEXT")]
    title: Option<String>,
    /// Description [default: what the commits say]
    #[arg(short, long, value_name = "TEXT", allow_hyphen_values = true)]
    body: Option<String>,
    /// Branch to be merged into [default: the one that the checkout began with]
    #[arg(long, value_name = "BRANCH")]
    base: Option<String>,
    /// It is not to be merged yet
    #[arg(long)]
    draft: bool,
}

impl PrArgs {
    pub(crate) async fn run(self, context: &Context) -> Result<(), CliError> {
        let Context { client, output } = context;
        let agent = find::agent(client, &self.agent).await?;
        let Self { title, body, base, draft, .. } = self;
        let request = PullRequestRequest { title, body, base, draft };
        request.check()?;
        let made = client.pull_request(&agent.id, &request).await?;
        if output.json() {
            return Ok(output.document(&made)?);
        }
        let commit = short(&made.commit);
        let pushed = match made.pushed {
            true => format!("pushed {commit} to origin/{}", made.branch),
            false => format!("{commit} was at origin/{} already", made.branch),
        };
        output.note(&one_line(&pushed));
        match &made.url {
            Some(url) => Ok(output.line(one_line(url))?),
            None => Ok(output.line(without_sequences(&made.output))?),
        }
    }
}

#[derive(Args, Debug)]
pub(crate) struct MergeArgs {
    /// Id, beginning of an id, or name
    agent: String,
    /// Branch of the repository, checked out nowhere
    into: String,
    /// How: merge, squash or ff [default: merge]
    #[arg(long, value_name = "HOW", value_parser = values::word::<MergeStrategy>)]
    strategy: Option<MergeStrategy>,
    /// Message of the commit
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,
}

impl MergeArgs {
    pub(crate) async fn run(self, context: &Context) -> Result<(), CliError> {
        let agent = find::agent(&context.client, &self.agent).await?;
        let request = MergeRequest {
            into: self.into,
            strategy: self.strategy.unwrap_or_default(),
            message: self.message,
        };
        request.check()?;
        let merged = context.client.merge(&agent.id, &request).await?;
        if context.output.json() {
            return Ok(context.output.document(&merged)?);
        }
        Ok(context.output.line(one_line(&format!("{} is {}", merged.into, short(&merged.commit))))?)
    }
}

fn short(commit: &str) -> &str {
    commit.get(..SHORT_COMMIT).unwrap_or(commit)
}
