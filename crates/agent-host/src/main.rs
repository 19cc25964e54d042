//! `parallax-agent-host`: `serve` owns one agent, `hook` reports to it, `relay` connects to it, `install` copies this
//! program for an agent's container, `export` hands out what a dead host left, `reach` tells what can be connected to, `workspace`
//! runs git for an agent, `replay` prints a detector's observations of
//! a recording.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use parallax_agent_host::serve::{LaunchSource, ServeConfig};
use parallax_agent_host::workspace;
use parallax_agent_host::workspace::program::Task;
use parallax_profile::{Profile, Profiles, replay};

/// Owns one agent's terminal and history; started by a runtime server, one for each agent.
#[derive(Parser)]
#[command(name = "parallax-agent-host", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Read a launch, start the agent, serve it on DIR/host.sock.
    Serve {
        /// The agent's directory.
        #[arg(long)]
        dir: PathBuf,
        /// Be the first process of a container: the agent gets the image's environment.
        #[arg(long)]
        contained: bool,
        /// Listen on a TCP port, too; callers show the token of the launch.
        #[arg(long, value_name = "ADDR:PORT")]
        listen: Option<SocketAddr>,
        /// Read the launch from here; otherwise from standard input.
        #[arg(long, value_name = "FILE")]
        launch: Option<PathBuf>,
        /// Wait for the launch on the TCP port; what callers show meanwhile is checked against this: `sha256:` and the digest of a token.
        #[arg(long, value_name = "DIGEST", requires = "listen", conflicts_with = "launch")]
        await_launch: Option<String>,
    },
    /// Copy this program, for containers of images that do not have it.
    Install {
        /// Where to.
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
        /// A directory to make for the agent; repeatable.
        #[arg(long, value_name = "DIR")]
        make_dir: Vec<PathBuf>,
    },
    /// Hand out the files of the dead host in DIR: GET /export.
    Export {
        /// The agent's directory.
        #[arg(long)]
        dir: PathBuf,
        /// The TCP port to listen on.
        #[arg(long, value_name = "ADDR:PORT")]
        listen: SocketAddr,
        /// What the callers' token is checked against: `sha256:` and its digest.
        #[arg(long, value_name = "DIGEST")]
        verifier: String,
    },
    /// Run git in the clone of an agent: for its host, whose call is on standard input, or to say what would be lost with it.
    Workspace {
        /// The directory of the clone and what belongs to it.
        #[arg(long, value_name = "DIR")]
        root: PathBuf,
        /// Its id.
        #[arg(long)]
        id: String,
        /// Make it: the archive of a repository is on standard input.
        #[arg(long)]
        make: bool,
        /// Say what would be lost with it: no agent works in it any more.
        #[arg(long, conflicts_with = "make")]
        unpublished: bool,
    },
    /// Connect standard input and output to the host in DIR.
    Relay {
        /// The agent's directory.
        #[arg(long)]
        dir: PathBuf,
    },
    /// Post a CLI's hook report (on standard input) to the agent's host.
    Hook {
        /// The hook's name, as the CLI calls it.
        name: String,
    },
    /// Tell what can be connected to from here, as JSON lines.
    Reach {
        /// HOST:PORT; repeatable.
        #[arg(required = true, value_name = "HOST:PORT")]
        targets: Vec<String>,
    },
    /// Print the detector's observations over a recorded session, as JSON lines.
    Replay {
        /// The name of a built-in profile, or a profile file.
        #[arg(long)]
        profile: String,
        /// An asciicast v2 file.
        cast: PathBuf,
    },
}

fn main() -> ExitCode {
    parallax_agent_host::diagnostics::start();
    let done = match Arguments::parse().command {
        Command::Serve { dir, contained, listen, launch, await_launch } => {
            parallax_agent_host::allocator::set_up();
            let launch = match (launch, listen.zip(await_launch)) {
                (Some(file), _) => LaunchSource::File(file),
                (None, Some((address, verifier))) => {
                    LaunchSource::Network { address, verifier: verifier.into() }
                }
                (None, None) => LaunchSource::StandardInput,
            };
            parallax_agent_host::serve::run(&ServeConfig { dir, in_container: contained, listen, launch })
        }
        Command::Install { to, make_dir } => parallax_agent_host::install::run(&to, &make_dir),
        Command::Export { dir, listen, verifier } => {
            parallax_agent_host::export::run(&dir, listen, verifier.into())
        }
        Command::Relay { dir } => parallax_agent_host::relay::run(&dir),
        Command::Workspace { root, id, make, unpublished } => {
            let task = match (make, unpublished) {
                (true, _) => Task::Make,
                (false, true) => Task::Unpublished,
                (false, false) => Task::Answer,
            };
            match workspace::program::run(&root, &id, task) {
                Ok(code) => return code,
                Err(error) => Err(error),
            }
        }
        Command::Hook { name } => parallax_agent_host::hook::run(&name),
        Command::Reach { targets } => parallax_agent_host::reach::run(&targets),
        Command::Replay { profile, cast } => print_replay(&profile, &cast),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A standard error that is full must not change how this program ends.
            drop(writeln!(std::io::stderr(), "parallax-agent-host: {error:#}"));
            // 1, never 2: some CLIs take a hook's 2 for a refusal of the tool call.
            ExitCode::FAILURE
        }
    }
}

fn print_replay(profile: &str, cast: &PathBuf) -> anyhow::Result<()> {
    let profile = match Profiles::builtin().get(profile) {
        Some(profile) => profile.as_ref().clone(),
        None => {
            let text = std::fs::read_to_string(profile).with_context(|| {
                format!("`{profile}` is neither a built-in profile nor a file that can be read")
            })?;
            Profile::parse(&text).with_context(|| profile.to_owned())?
        }
    };
    let cast = std::fs::read_to_string(cast).with_context(|| cast.display().to_string())?;
    for line in replay::replay(&profile, &cast)? {
        println!("{}", serde_json::to_string(&line)?);
    }
    Ok(())
}
