//! The `parallax` program.

use std::process::ExitCode;

use parallax_cli::Cli;

fn main() -> ExitCode {
    parallax_cli::run(Cli::from_process())
}
