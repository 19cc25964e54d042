//! The `parallax` program: the command line of Parallax Agent Runtimes.
//!
//! A command line is parsed into [`Cli`]; each command is a file with its arguments and its `run`. What commands
//! share is in `context::Context` (the typed client and where output goes). A command calls the control plane
//! through [`parallax_api::client::Client`], prints through `output::Output`, and returns `Ok` or an
//! `error::CliError`, which has an exit code and prints itself.
//!
//! | piece | holds |
//! |---|---|
//! | `spawn`, `list`, `show`, `send`, `answer`, `logs`, `events`, `lifecycle` | one command each (`lifecycle`: interrupt, restart, suspend, resume, stop) |
//! | `files` | files of an agent's working directory |
//! | `ports` | an agent's ports, and who listens |
//! | `changes`, `workspaces` | what an agent did in its checkout; all checkouts |
//! | `run`, `runs`, `patterns` | a pattern, followed to its end; runs and patterns listed and shown |
//! | `presets` | named spawn requests: listed, shown, stored, deleted |
//! | `runtimes` | the runtimes of the control plane |
//! | `attach` | the agent's terminal in the user's: raw mode, modes, keys, resume |
//! | `up` | control plane and local runtime in this process |
//! | `manual` | completions and manual pages, from the definition of the command line |
//! | `doctor` | checks of what is installed and running |
//! | `installed` | the agent types that are installed beside the program |
//! | `find` | an agent by its id, the beginning of one, or its name |
//! | `output` | tables and text; knows no other module |
//! | `error`, `exit_code`, `problem_text` | how a command fails: its exit code, and the problem as text |
//! | `question_text` | a question of an agent or a run as text, and how to answer it |
//! | `prompt` | what a person types as the answer to a question |
//! | `values` | durations, sizes, pairs |

mod answer;
mod args;
mod attach;
mod changes;
mod context;
mod doctor;
mod error;
mod events;
mod exit_code;
mod files;
mod find;
mod installed;
mod lifecycle;
mod list;
mod logs;
mod manual;
mod output;
mod patterns;
mod ports;
mod presets;
mod problem_text;
mod prompt;
mod question_text;
mod run;
mod runs;
mod runtimes;
mod send;
mod show;
mod spawn;
mod up;
mod values;
mod workspaces;

use std::process::ExitCode;

pub use args::Cli;
use args::Command;
use context::Context;
use error::CliError;
use output::Output;
use parallax_service::memory;
use secrecy::SecretString;

/// Runs one command line to its end; the result is the exit code.
pub fn run(cli: Cli) -> ExitCode {
    let output = Output::new(cli.json);
    if let Command::Up(_) = cli.command {
        memory::set_up();
    }
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return CliError::from(error).report(&output),
    };
    let ended = runtime.block_on(command(cli, &output));
    // A blocking read of the keyboard that is still pending must not keep the program alive.
    runtime.shutdown_background();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(&output),
    }
}

async fn command(cli: Cli, output: &Output) -> Result<(), CliError> {
    // From the environment only: arguments can be seen by every user of the machine.
    let token = std::env::var("PARALLAX_API_TOKEN").ok().filter(|token| !token.trim().is_empty());
    let token = token.map(|token| SecretString::from(token.trim()));
    let context = || Context::new(&cli.url, token.clone(), output.clone());
    match cli.command {
        Command::Up(args) => args.run(output).await,
        Command::Doctor(args) => args.run(&cli.url, token, output).await,
        Command::Spawn(args) => args.run(&context()?).await,
        Command::Ls(args) => args.run(&context()?).await,
        Command::Show(args) => args.run(&context()?).await,
        Command::Send(args) => args.run(&context()?).await,
        Command::Logs(args) => args.run(&context()?).await,
        Command::Events(args) => args.run(&context()?).await,
        Command::Files(args) => args.run(&context()?).await,
        Command::Ports(args) => args.run(&context()?).await,
        Command::Changes(args) => args.run(&context()?).await,
        Command::Diff(args) => args.run(&context()?).await,
        Command::Conflicts(args) => args.run(&context()?).await,
        Command::Commit(args) => args.run(&context()?).await,
        Command::Push(args) => args.run(&context()?).await,
        Command::Pr(args) => args.run(&context()?).await,
        Command::Merge(args) => args.run(&context()?).await,
        Command::Workspaces(args) => args.run(&context()?).await,
        Command::Answer(args) => args.run(&context()?).await,
        Command::Interrupt(args) => args.run(&context()?).await,
        Command::Restart(args) => args.run(&context()?).await,
        Command::Suspend(args) => args.run(&context()?).await,
        Command::Resume(args) => args.run(&context()?).await,
        Command::Stop(args) => args.run(&context()?).await,
        Command::Run(args) => args.run(&context()?).await,
        Command::Runs(args) => args.run(&context()?).await,
        Command::Patterns(args) => args.run(&context()?).await,
        Command::Presets(args) => args.run(&context()?).await,
        Command::Runtimes(args) => args.run(&context()?).await,
        Command::Attach(args) => args.run(&context()?).await,
        Command::Completions(args) => args.run(Cli::definition(), output),
        Command::Man(args) => args.run(Cli::definition(), output),
    }
}
