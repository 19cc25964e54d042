//! The `parallax` program.

use std::process::ExitCode;

use clap::Parser;
use parallax_cli::Cli;

fn main() -> ExitCode {
    parallax_cli::run(Cli::parse())
}
