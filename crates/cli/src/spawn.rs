//! `parallax spawn`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use parallax_api::agent::{CpuQuantity, Resources};
use parallax_api::client::{Client, EventsOptions, ListFilter};
use parallax_api::workspace::{WorkspaceCredentials, WorkspaceKeep, WorkspaceMode, WorkspaceRequest};
use parallax_api::{Agent, AgentId, AgentStatus, Approvals, Code, Problem, SpawnRequest, TerminalSize};

use crate::attach::{self, AttachOptions};
use crate::context::Context;
use crate::error::CliError;
use crate::output::clean;
use crate::question_text::{how_to_answer, question_text};
use crate::values;

#[derive(Args, Debug)]
pub(crate) struct SpawnArgs {
    /// What to run: claude, codex, gemini, or another type the runtime has a profile for [default: the preset's]
    #[arg(value_name = "TYPE", required_unless_present = "preset")]
    r#type: Option<String>,
    /// Name, 1 to 63 characters [default: the type and a number]
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// Preset of the control plane: it says what is left out here
    #[arg(long, value_name = "PRESET")]
    preset: Option<String>,
    /// Working directory [default: the current one when the control plane is on this machine]
    #[arg(short, long, value_name = "DIR")]
    workdir: Option<PathBuf>,
    #[command(flatten)]
    workspace: WorkspaceArgs,
    /// First message, sent once when the agent is ready
    #[arg(short, long, value_name = "TEXT")]
    prompt: Option<String>,
    /// Environment variable; KEY alone takes the value from here (repeatable)
    #[arg(short, long, value_name = "KEY[=VALUE]", value_parser = variable)]
    env: Vec<(String, String)>,
    /// Kind (or name) of runtime: that one or none
    #[arg(long, value_name = "RUNTIME")]
    runtime: Option<String>,
    /// Model, passed to the CLI
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
    /// What it may do unasked: ask, edits or all
    #[arg(long, value_name = "WHAT", value_parser = values::word::<Approvals>)]
    approvals: Option<Approvals>,
    /// Class of agents that the runtime's operator made; `parallax runtimes` names them
    #[arg(long, value_name = "CLASS")]
    class: Option<String>,
    /// Role in a team
    #[arg(long, value_name = "ROLE")]
    role: Option<String>,
    /// What it is for (repeatable)
    #[arg(long = "capability", value_name = "WORD")]
    capabilities: Vec<String>,
    /// Label to list by (repeatable)
    #[arg(short, long = "label", value_name = "KEY=VALUE", value_parser = values::pair)]
    labels: Vec<(String, String)>,
    /// Image, where the runtime has images
    #[arg(long, value_name = "IMAGE")]
    image: Option<String>,
    /// Ports for itself, 1 to 16: PORT in its environment is the first, PORTS has all
    #[arg(long, value_name = "N")]
    ports: Option<u16>,
    /// CPUs at most, such as 0.5 or 500m
    #[arg(long, value_name = "CPUS")]
    cpu: Option<String>,
    /// Memory at most, such as 512m or 1.5Gi
    #[arg(long, value_name = "BYTES")]
    memory: Option<String>,
    /// Disk space at most, such as 10Gi
    #[arg(long, value_name = "BYTES")]
    disk: Option<String>,
    /// Processes at most
    #[arg(long, value_name = "N")]
    pids: Option<u32>,
    /// Size of its terminal [default: 120x40]
    #[arg(long, value_name = "COLSxROWS", value_parser = values::size)]
    size: Option<TerminalSize>,
    /// Stop it after so long without anything happening
    #[arg(long, value_name = "TIME", value_parser = values::duration)]
    idle_timeout: Option<Duration>,
    /// Stop it so long after it was spawned
    #[arg(long, value_name = "TIME", value_parser = values::duration)]
    max_lifetime: Option<Duration>,
    /// Ask for a person when it works and nothing of it was seen for so long [default: 15m]
    #[arg(long, value_name = "TIME", value_parser = values::duration)]
    stall: Option<Duration>,
    /// Wait until it is ready for a message or needs a person
    #[arg(long)]
    wait: bool,
    /// Use its terminal here at once
    #[arg(long, conflicts_with_all = ["wait", "json"])]
    attach: bool,
    /// Arguments for the CLI, after `--`
    #[arg(last = true, value_name = "ARG")]
    args: Vec<String>,
}

impl SpawnArgs {
    pub(crate) async fn run(self, context: &Context) -> Result<(), CliError> {
        let (wait, attach, is_named) = (self.wait, self.attach, self.name.is_some());
        let request = self.request(&context.client)?;
        if is_named {
            refuse_taken_name(&context.client, &request.name).await?;
        }
        let mut agent = context.client.spawn(&request).await?;
        if attach {
            return attach::attach(context, &agent, AttachOptions::default()).await;
        }
        if wait {
            agent = settled(context, agent).await?;
        }
        if context.output.json() {
            context.output.document(&agent)?;
        } else {
            context.output.line(&agent.id)?;
            context.output.note(&summary(&agent));
        }
        match (wait, agent.status, &agent.attention) {
            (false, ..) | (true, AgentStatus::Ready | AgentStatus::Busy | AgentStatus::Starting, None) => {
                Ok(())
            }
            // The state was printed above; the exit code tells a script.
            (true, ..) => Err(CliError::Silent(4)),
        }
    }

    fn request(self, client: &Client) -> Result<SpawnRequest, CliError> {
        let resources = Resources {
            cpu: self.cpu.map(CpuQuantity::Text),
            memory: self.memory,
            disk: self.disk,
            pids: self.pids,
        };
        let here = is_loopback_url(client.url());
        let local = self.runtime.as_deref().is_none_or(|runtime| runtime == "local");
        let workspace = self.workspace.request(here)?;
        let workdir = match self.workdir {
            Some(dir) if here => Some(std::path::absolute(dir)?),
            None if workspace.is_some() => None,
            // A preset may have one.
            None if self.preset.is_some() => None,
            None if here && local => Some(std::env::current_dir()?),
            given => given,
        };
        let request = SpawnRequest {
            name: self.name.unwrap_or_else(|| {
                generated_name(self.r#type.as_deref().or(self.preset.as_deref()).unwrap_or("agent"))
            }),
            r#type: self.r#type.unwrap_or_default(),
            preset: self.preset,
            capabilities: self.capabilities,
            workdir: workdir.as_deref().map(text_of).transpose()?,
            workspace,
            env: self.env.into_iter().map(|(key, value)| (key, value.into())).collect(),
            runtime: self.runtime,
            class: self.class,
            role: self.role,
            labels: self.labels.into_iter().collect::<BTreeMap<_, _>>(),
            model: self.model,
            args: self.args,
            approvals: self.approvals,
            prompt: self.prompt,
            terminal: self.size,
            ports: self.ports,
            resources: (resources != Resources::default()).then_some(resources),
            image: self.image,
            idle_timeout_seconds: self.idle_timeout.map(seconds),
            max_lifetime_seconds: self.max_lifetime.map(seconds),
            stall_seconds: self.stall.map(seconds),
        };
        // With a preset only the control plane knows the whole request, and checks it.
        if request.preset.is_none() {
            request.check()?;
        }
        Ok(request)
    }
}

/// A git checkout of the agent's own.
#[derive(Args, Debug)]
struct WorkspaceArgs {
    /// Git repository to work on, in a checkout of the agent's own: a directory, or a URL to clone
    #[arg(long, value_name = "DIR|URL", conflicts_with = "workdir")]
    repo: Option<PathBuf>,
    /// The checkout's new branch [default: parallax/NAME-ID]
    #[arg(long, value_name = "BRANCH", requires = "repo")]
    branch: Option<String>,
    /// Make a clone, a repository of its own, in place of a worktree
    #[arg(long, requires = "repo")]
    clone: bool,
    /// Commits of history in the clone [default: all]
    #[arg(long, value_name = "N", requires = "repo")]
    depth: Option<u32>,
    /// Variable here with the password or token for the URL; the agent does not get it
    #[arg(long, value_name = "NAME", requires = "repo")]
    repo_password: Option<String>,
    /// Name that goes with it [default: git]
    #[arg(long, value_name = "NAME", requires = "repo_password")]
    repo_username: Option<String>,
    /// Branch, tag or commit to begin with [default: what is checked out in the repository]
    #[arg(long, value_name = "REF", requires = "repo")]
    r#ref: Option<String>,
    /// Command that runs in the checkout first; should it fail, nothing is spawned
    #[arg(long, value_name = "COMMAND")]
    setup: Option<String>,
    /// Checkout that is there already, by the agent that it was made for: one that was kept, or one in use
    #[arg(long, value_name = "AGENT", conflicts_with_all = ["workdir", "repo"])]
    reuse: Option<AgentId>,
    /// What stays of the checkout at the end: never, changed or always [default: changed]
    #[arg(long, value_name = "WHAT", requires = "repo", value_parser = values::word::<WorkspaceKeep>)]
    keep: Option<WorkspaceKeep>,
}

impl WorkspaceArgs {
    /// `here`: paths mean the same to the server.
    fn request(self, here: bool) -> Result<Option<WorkspaceRequest>, CliError> {
        if self.reuse.is_some() {
            let reused =
                WorkspaceRequest { reuse: self.reuse, setup: self.setup, ..WorkspaceRequest::default() };
            return Ok(Some(reused));
        }
        let Some(repo) = self.repo else {
            return match self.setup {
                Some(_) => {
                    Err(Problem::invalid("setup", "a set-up is of a checkout: add --repo or --reuse").into())
                }
                None => Ok(None),
            };
        };
        let is_remote = repo.to_str().is_some_and(|repo| repo.contains("://"));
        // Without its links: `.` is the directory itself.
        let repo = if here && !is_remote { repo.canonicalize()? } else { repo };
        let credentials = match self.repo_password {
            Some(name) => Some(WorkspaceCredentials {
                username: self.repo_username,
                password: std::env::var(&name)
                    .map_err(|_| Problem::invalid("credentials", format!("`{name}` has no value here")))?
                    .into(),
            }),
            None => None,
        };
        Ok(Some(WorkspaceRequest {
            repo: text_of(&repo)?,
            branch: self.branch,
            r#ref: self.r#ref,
            setup: self.setup,
            keep: self.keep.unwrap_or_default(),
            mode: self.clone.then_some(WorkspaceMode::Clone),
            depth: self.depth,
            credentials,
            ..WorkspaceRequest::default()
        }))
    }
}

/// Refuses a name that a running agent has: a name could not address either of them any more.
async fn refuse_taken_name(client: &Client, name: &str) -> Result<(), CliError> {
    let agents = client.list_all(&ListFilter::default()).await?;
    let taken = agents.iter().find(|agent| agent.name == name && agent.status != AgentStatus::Stopped);
    let Some(agent) = taken else { return Ok(()) };
    let detail = format!(
        "an agent named `{name}` is running ({} on {}, {}); use it with `parallax send {name} MESSAGE`, stop it with \
         `parallax stop {name}`, or choose another name",
        agent.r#type, agent.runtime, agent.id
    );
    Err(Problem::new(Code::Conflict, detail).with("agentId", agent.id.as_str()).into())
}

/// The agent once it is ready, at work, ended or in need of a person.
async fn settled(context: &Context, agent: Agent) -> Result<Agent, CliError> {
    let options = EventsOptions { agent: Some(agent.id.clone()), ..EventsOptions::default() };
    let mut events = context.client.events(options).await?;
    // What happened before the stream stood is in the agent.
    let mut now = context.client.get(&agent.id).await?;
    while now.status == AgentStatus::Starting && now.attention.is_none() {
        events.next().await?;
        now = context.client.get(&agent.id).await?;
    }
    Ok(now)
}

fn summary(agent: &Agent) -> String {
    let head = format!("{} is {} on {}", clean(&agent.name), agent.status, clean(&agent.runtime));
    if let Some(attention) = &agent.attention {
        let how = how_to_answer(agent.id.as_str(), attention);
        return format!("{head} and needs you: {}\n  answer with: {how}", question_text(attention));
    }
    match (&agent.error, &agent.exit) {
        (_, Some(exit)) => format!("{head}: {}", clean(&exit.reason)),
        (Some(error), None) => format!("{head}: {}: {}", clean(&error.code), clean(&error.message)),
        (None, None) => head,
    }
}

/// `KEY=VALUE`, or `KEY` with the value it has here.
fn variable(text: &str) -> Result<(String, String), String> {
    if text.contains('=') {
        return values::pair(text);
    }
    let value = std::env::var(text).map_err(|_| format!("`{text}` has no value here; say {text}=VALUE"))?;
    Ok((text.to_owned(), value))
}

/// The type and the last digits of a new id.
fn generated_name(r#type: &str) -> String {
    let id = AgentId::generate().to_string();
    format!("{type}-{}", &id[id.len() - 4..])
}

/// Whether a server is on this machine, so that paths mean the same to it.
pub(crate) fn is_loopback_url(url: &str) -> bool {
    let host = url.split_once("://").map_or(url, |(_, rest)| rest);
    ["127.", "localhost", "[::1]"].iter().any(|loopback| host.starts_with(loopback))
}

fn text_of(path: &Path) -> Result<String, CliError> {
    path.to_str().map(str::to_owned).ok_or_else(|| {
        Problem::new(Code::Validation, format!("the path {} is not UTF-8", path.display())).into()
    })
}

/// Whole seconds, at least one.
fn seconds(duration: Duration) -> u64 {
    duration.as_secs().max(1)
}
