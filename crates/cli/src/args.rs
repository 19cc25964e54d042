//! The command line.

use clap::{Parser, Subcommand};

use crate::{answer, attach, doctor, events, lifecycle, list, logs, run, send, show, spawn, up};

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
    Up(Box<up::UpArgs>),
    /// Check what is installed, running and reachable, and say what to do
    Doctor(doctor::DoctorArgs),
    /// Spawn an agent
    Spawn(Box<spawn::SpawnArgs>),
    /// List agents
    #[command(visible_alias = "list")]
    Ls(list::ListArgs),
    /// Show one agent: state and why, question, usage, conversation
    Show(show::ShowArgs),
    /// Send a message and print the answer
    Send(send::SendArgs),
    /// Print what an agent's terminal showed
    Logs(logs::LogsArgs),
    /// Follow what happens
    Events(events::EventsArgs),
    /// Answer the question an agent asks
    Answer(answer::AnswerArgs),
    /// Stop the current turn, keep the agent
    Interrupt(lifecycle::InterruptArgs),
    /// Start an agent's program again: same id, workdir and conversation
    Restart(lifecycle::RestartArgs),
    /// Stop agents
    Stop(lifecycle::StopArgs),
    /// Run an org-chart pattern and show how it goes
    Run(run::RunArgs),
    /// Use an agent's terminal in this one
    Attach(attach::AttachArgs),
}

const EXIT_CODES: &str = "\
Exit codes: 0 done · 1 failed · 2 wrong usage or request · 3 no such agent · 4 not in this state (busy, \
question, login, stopped) · 5 not allowed · 6 refused (limit, CLI not installed, workdir, spawn failed) · \
7 server not reachable · 8 not in time · 130 interrupted";

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Cli;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
