//! `parallax`: a person's hands.
//!
//! A command line is parsed into [`Cli`]; each command is a file with its arguments and its `run`. What commands
//! share is in `context::Context` (the typed client and where output goes). A command asks the control plane
//! through [`parallax_api::client::Client`], prints through `output::Output`, and ends in `Ok` or in a
//! `failure::Failure`, which knows its words and its exit code.
//!
//! | piece | holds |
//! |---|---|
//! | `spawn`, `list`, `show`, `send`, `answer`, `logs`, `events`, `lifecycle` | one command each (`lifecycle`: interrupt, restart, stop) |
//! | `run` | a pattern, followed to its end; `run/progress`: its events in words |
//! | `attach` | the agent's terminal in the user's: raw mode, modes, keys, resume |
//! | `up` | control plane and local runtime in this process |
//! | `doctor` | what is there and what is missing |
//! | `find` | from what a person calls an agent to its id |
//! | `output`, `failure`, `values` | tables and text; errors and exit codes; durations, sizes, pairs |

mod answer;
mod args;
mod attach;
mod context;
mod doctor;
mod events;
mod failure;
mod find;
mod lifecycle;
mod list;
mod logs;
mod output;
mod run;
mod send;
mod show;
mod spawn;
mod up;
mod values;

use std::process::ExitCode;

pub use args::Cli;
use args::Command;
use context::Context;
use failure::Failure;
use output::Output;
use secrecy::SecretString;

/// Runs one command line to its end and says how it went.
pub fn run(cli: Cli) -> ExitCode {
    let output = Output::new(cli.json);
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return Failure::from(error).report(&output),
    };
    let ended = runtime.block_on(command(cli, &output));
    // A read of the keyboard that nobody waits for any more must not keep the program.
    runtime.shutdown_background();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(&output),
    }
}

async fn command(cli: Cli, output: &Output) -> Result<(), Failure> {
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
        Command::Answer(args) => args.run(&context()?).await,
        Command::Interrupt(args) => args.run(&context()?).await,
        Command::Restart(args) => args.run(&context()?).await,
        Command::Stop(args) => args.run(&context()?).await,
        Command::Run(args) => args.run(&context()?).await,
        Command::Attach(args) => args.run(&context()?).await,
    }
}
