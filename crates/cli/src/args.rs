//! The command line.

mod examples;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::{
    answer, attach, changes, doctor, events, files, lifecycle, list, logs, manual, patterns, ports, presets,
    run, runs, runtimes, send, show, spawn, up, workspaces,
};

/// Spawns and manages CLI agents (Claude Code, Codex, Gemini CLI).
///
/// AGENT is an id, the beginning of one, or a name, as long as it means one agent.
/// PARALLAX_API_TOKEN is sent as bearer token when it is set.
#[derive(Parser, Debug)]
#[command(name = "parallax", version, max_term_width = 100, after_help = EXIT_CODES)]
pub struct Cli {
    /// Where the control plane is
    #[arg(
        long,
        global = true,
        env = "PARALLAX_URL",
        default_value = "http://127.0.0.1:3000",
        value_name = "URL"
    )]
    pub url: String,
    /// Print JSON: one document, or one a line where there is no end
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Start the control plane and a local runtime here
    #[command(after_help = examples::UP)]
    Up(Box<up::UpArgs>),
    /// Check what is installed, running and reachable, and say what to do
    Doctor(doctor::DoctorArgs),
    /// Spawn an agent
    #[command(after_help = examples::SPAWN)]
    Spawn(Box<spawn::SpawnArgs>),
    /// List agents
    #[command(visible_alias = "list")]
    #[command(after_help = examples::LS)]
    Ls(list::ListArgs),
    /// Show one agent: state and why, question, usage, conversation
    #[command(after_help = examples::SHOW)]
    Show(show::ShowArgs),
    /// Send a message and print the answer
    #[command(after_help = examples::SEND)]
    Send(send::SendArgs),
    /// Print what an agent's terminal showed
    #[command(after_help = examples::LOGS)]
    Logs(logs::LogsArgs),
    /// Follow what happens
    #[command(after_help = examples::EVENTS)]
    Events(events::EventsArgs),
    /// List, get, put and remove files of an agent's working directory
    #[command(after_help = examples::FILES)]
    Files(files::FilesArgs),
    /// List an agent's ports and who listens on them
    Ports(ports::PortsArgs),
    /// List the files an agent changed in its checkout
    #[command(after_help = examples::CHANGES)]
    Changes(changes::ChangesArgs),
    /// Print what an agent changed in its checkout as a diff
    #[command(after_help = examples::DIFF)]
    Diff(changes::DiffArgs),
    /// List the files in which an agent's work and another's would conflict
    Conflicts(changes::ConflictsArgs),
    /// Commit everything in an agent's checkout
    #[command(after_help = examples::COMMIT)]
    Commit(changes::CommitArgs),
    /// Push what is committed in an agent's checkout
    Push(changes::PushArgs),
    /// Push what is committed in an agent's checkout, and make a pull request of it
    #[command(after_help = examples::PR)]
    Pr(changes::PrArgs),
    /// Merge what is committed in an agent's checkout into a branch
    Merge(changes::MergeArgs),
    /// List agents' checkouts, or remove those in which nothing would be lost
    #[command(after_help = examples::WORKSPACES)]
    Workspaces(workspaces::WorkspacesArgs),
    /// Answer the question an agent asks
    #[command(after_help = examples::ANSWER)]
    Answer(answer::AnswerArgs),
    /// Stop the current turn, keep the agent
    Interrupt(lifecycle::InterruptArgs),
    /// Start an agent's program again: same id, workdir and conversation
    Restart(lifecycle::RestartArgs),
    /// End an agent's processes and keep what it needs to come back (Docker, Kubernetes)
    Suspend(lifecycle::SuspendArgs),
    /// Bring a suspended agent back: same id, workdir and conversation
    Resume(lifecycle::ResumeArgs),
    /// Stop agents
    #[command(after_help = examples::STOP)]
    Stop(lifecycle::StopArgs),
    /// Run an org-chart pattern and show how it goes
    #[command(after_help = examples::RUN)]
    Run(run::RunArgs),
    /// List runs of patterns, or show, answer or cancel one
    #[command(after_help = examples::RUNS)]
    Runs(runs::RunsArgs),
    /// List the patterns of the library, or print one
    Patterns(patterns::PatternsArgs),
    /// List the presets for spawning, or show, store or delete one
    Presets(presets::PresetsArgs),
    /// List the runtimes: where they are, how full, which agent types they have
    Runtimes(runtimes::RuntimesArgs),
    /// Use an agent's terminal in this one
    #[command(after_help = examples::ATTACH)]
    Attach(attach::AttachArgs),
    /// Print the completions for a shell
    #[command(after_help = examples::COMPLETIONS)]
    Completions(manual::CompletionsArgs),
    /// Print the manual page, or write all of them
    #[command(after_help = examples::MAN)]
    Man(manual::ManArgs),
}

const EXIT_CODES: &str = "\
Exit codes: 0 done · 1 failed · 2 wrong usage or request · 3 no such agent, run, pattern or preset · 4 not in this state (busy, \
question, login, stopped) · 5 not allowed · 6 refused (limit, CLI not installed, workdir, spawn failed) · \
7 server not reachable or going away, or its disk is full · 8 not in time · 130 interrupted";

impl Cli {
    /// The command line as it is parsed and documented.
    pub(crate) fn definition() -> clap::Command {
        // The flag is every server's, and each server has its own port.
        Self::command().mut_subcommand("up", |up| {
            up.mut_arg("listen", |arg| {
                arg.help(
                    "Address and port of the page and the API; `PORT` sets the port alone [default: 127.0.0.1:3000]",
                )
            })
            .mut_arg("profiles", |arg| {
                arg.help(
                    "Directory with agent profiles that add to or override the built-in ones [default: the one that is \
                     installed with the program]",
                )
            })
        })
    }

    /// The command line of this process. Prints help, version and usage errors and exits, as [`Parser::parse`] does.
    pub fn from_process() -> Self {
        let matches = Self::definition().get_matches();
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }
}

#[cfg(test)]
mod tests {
    use super::Cli;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::definition().debug_assert();
    }

    #[test]
    fn the_help_of_up_has_both_ports() {
        let mut command = Cli::definition();
        let up = command.find_subcommand_mut("up").expect("there is such a command");
        let help = up.render_long_help().to_string();
        assert!(
            help.contains("[default: 127.0.0.1:3000]") && help.contains("[default: 127.0.0.1:3100]"),
            "{help}"
        );
    }
}
