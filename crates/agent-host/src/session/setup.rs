//! The set-up command: runs once, in the agent's terminal, before the agent's program.

use std::path::Path;
use std::time::Instant;

use parallax_api::{Code, Problem};
use parallax_profile::launch::SETUP_TIMEOUT;
use parallax_profile::{Command, Conversation, Launch};

use super::agent_process::resolve;
use super::context::SessionContext;
use super::output::Output;
use crate::reaper::ProcessExit;
use crate::terminal::Terminal;

/// What runs the command.
const SHELL: &str = "/bin/sh";

/// Runs the launch's set-up command, if it has one, to its end. What it prints is the first of the agent's output.
///
/// Fails with `SPAWN_FAILED` and its last words.
pub(super) async fn run(
    launch: &Launch,
    conversation: &Conversation,
    output: &mut Output,
    context: &SessionContext,
) -> Result<(), Problem> {
    let Some(setup) = &launch.setup else { return Ok(()) };
    // The environment is the agent's own: what is set up is found by it.
    let (_, agents) = resolve(launch, conversation, context)?;
    let command = Command { program: SHELL.into(), args: vec!["-c".into(), setup.clone()], ..agents };
    let mut terminal = Terminal::spawn(Path::new(SHELL), &command, &launch.workdir, output.size())?;
    let mut ended_rx = context.reaper.ended(terminal.pid());
    let timeout = tokio::time::sleep(SETUP_TIMEOUT);
    let mut timeout = std::pin::pin!(timeout);
    let exit = loop {
        tokio::select! {
            chunk = terminal.next(true) => print(output, &mut terminal, &chunk.unwrap_or_default().bytes),
            // The reaper outlives every process.
            exit = &mut ended_rx => break exit.unwrap_or(ProcessExit { code: None, signal: None }),
            () = &mut timeout => {
                let detail = format!("`setup` did not end within {} seconds", SETUP_TIMEOUT.as_secs());
                return Err(failed(&detail, output));
            }
        }
    };
    // What it started may go on and hold the terminal: its own last words are there by then.
    let ended = Instant::now();
    while !terminal.is_silent() {
        let drained_at = output.drained_at(ended);
        let Ok(chunk) = tokio::time::timeout_at(drained_at.into(), terminal.next(true)).await else { break };
        print(output, &mut terminal, &chunk.unwrap_or_default().bytes);
    }
    output.flush();
    match exit {
        ProcessExit { code: Some(0), .. } => {
            output.turn_page();
            Ok(())
        }
        ProcessExit { code: Some(code), .. } => {
            Err(failed(&format!("`setup` ended with the code {code}"), output))
        }
        ProcessExit { .. } => Err(failed("`setup` was killed", output)),
    }
}

fn print(output: &mut Output, terminal: &mut Terminal, bytes: &[u8]) {
    let fed = output.feed(bytes, Instant::now());
    if !fed.replies.is_empty() {
        // A program that does not read its input does not miss the reply either.
        drop(terminal.write(fed.replies));
    }
}

fn failed(how: &str, output: &mut Output) -> Problem {
    Problem::new(Code::SpawnFailed, format!("{how}; `output` has its last words"))
        .with("field", "workspace.setup")
        .with("output", output.last_lines())
}
