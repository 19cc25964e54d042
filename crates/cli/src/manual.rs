//! `parallax completions` and `parallax man`: made from the definition of the command line.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Command};
use clap_complete::Shell;
use clap_mangen::Man;

use crate::error::CliError;
use crate::output::Output;

const PROGRAM: &str = "parallax";

#[derive(Args, Debug)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL", value_parser = ["bash", "zsh", "fish"])]
    shell: String,
}

impl CompletionsArgs {
    pub(crate) fn run(&self, mut definition: Command, output: &Output) -> Result<(), CliError> {
        let shell: Shell = self.shell.parse().map_err(CliError::Usage)?;
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut definition, PROGRAM, &mut script);
        Ok(output.raw(&script)?)
    }
}

#[derive(Args, Debug)]
pub(crate) struct ManArgs {
    /// Write the page of the program and one of each command into this directory
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl ManArgs {
    pub(crate) fn run(&self, mut definition: Command, output: &Output) -> Result<(), CliError> {
        // Names the commands after the program (`parallax-spawn`), and adds the global options to them.
        definition.build();
        let Some(dir) = &self.dir else { return Ok(output.raw(&page(definition)?)?) };
        fs::create_dir_all(dir).with_context(|| format!("failed to make {}", dir.display()))?;
        for command in definition.get_subcommands().filter(|command| command.get_name() != "help") {
            let name = format!("{PROGRAM}-{}", command.get_name());
            write(dir, &name, command.clone())?;
        }
        write(dir, PROGRAM, definition)
    }
}

fn write(dir: &Path, name: &str, command: Command) -> Result<(), CliError> {
    let file = dir.join(format!("{name}.1"));
    fs::write(&file, page(command)?).with_context(|| format!("failed to write {}", file.display()))?;
    Ok(())
}

fn page(command: Command) -> std::io::Result<Vec<u8>> {
    let mut page = Vec::new();
    Man::new(command).render(&mut page)?;
    Ok(page)
}
