//! The end of `up`: which signal means what, and what becomes of the agents.

use std::io::{BufRead, Write};

use futures::{StreamExt, stream};
use parallax_api::Agent;
use parallax_api::agent::StopRequest;
use parallax_api::client::Client;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use super::announce::{count, running_agents};
use crate::error::CliError;
use crate::output::{Output, one_line};

/// Agents that are stopped at the same time. One that does not listen takes all the time that it is given, and nobody is to wait for that
/// again and again.
const AT_ONCE: usize = 256;

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StopSignal {
    /// Ctrl-C: ends the servers, and the agents unless `--detach` is given.
    Interrupt,
    /// SIGTERM, or the terminal is gone: ends the servers, never an agent.
    Terminate,
}

/// The signals that end it.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    pub fn new() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    pub async fn next(&mut self) -> StopSignal {
        tokio::select! {
            _ = self.interrupt.recv() => StopSignal::Interrupt,
            _ = self.terminate.recv() => StopSignal::Terminate,
            _ = self.hangup.recv() => StopSignal::Terminate,
        }
    }
}

/// Stops the agents, after asking when there is a person to ask. A second signal instead of an answer leaves them.
pub(super) async fn stop_agents(
    output: &Output,
    runtime: &Client,
    signals: &mut Signals,
) -> Result<(), CliError> {
    let agents = running_agents(runtime).await?;
    if agents.is_empty() {
        return Ok(());
    }
    let stop = if output.may_ask() {
        tokio::select! {
            stop = ask(&agents) => stop,
            _ = signals.next() => false,
        }
    } else {
        true
    };
    if !stop {
        output.note(&format!("left running: {}; the next `parallax up` has them again", count(agents.len())));
        return Ok(());
    }
    tokio::select! {
        () = stop_all(output, runtime, agents) => {}
        _ = signals.next() => output.note("not waiting for the rest; `parallax up` and `parallax ls` show what is left"),
    }
    Ok(())
}

async fn ask(agents: &[Agent]) -> bool {
    let names: Vec<String> = agents.iter().take(5).map(|agent| one_line(&agent.name)).collect();
    let more = if agents.len() > names.len() { ", …" } else { "" };
    let question =
        format!("\n{} running ({}{more}). Stop them? [Y/n] ", count(agents.len()), names.join(", "));
    let (answer_tx, answer) = oneshot::channel();
    // Reading the keyboard blocks; the thread ends with the process.
    std::thread::spawn(move || {
        let mut said = String::new();
        let asked = write!(std::io::stdout(), "{question}").and_then(|()| std::io::stdout().flush());
        let read = asked.and_then(|()| std::io::stdin().lock().read_line(&mut said));
        // No answer (the keyboard is gone) stops nothing.
        let stop =
            matches!(read, Ok(1..)) && matches!(said.trim().to_ascii_lowercase().as_str(), "" | "y" | "yes");
        answer_tx.send(stop).ok();
    });
    answer.await.unwrap_or(false)
}

async fn stop_all(output: &Output, runtime: &Client, agents: Vec<Agent>) {
    output.note(&format!("stopping {}; Ctrl-C leaves those that still run", count(agents.len())));
    stream::iter(agents)
        .for_each_concurrent(AT_ONCE, |agent| async move {
            if let Err(problem) = runtime.stop(&agent.id, &StopRequest::default()).await {
                output.note(&format!("{}: {}", one_line(&agent.name), one_line(&problem.to_string())));
            }
        })
        .await;
}
