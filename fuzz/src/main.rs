//! `parallax-fuzz`: mutates inputs and looks for panics, hangs and broken promises. `make fuzz` runs it.
//!
//! [`targets`] are functions of bytes; [`corpus`] is what they begin with; [`mutate`] makes new inputs of it; [`run`] tries them. Every
//! input is made from a seed and a number, so that a failure is found again: the command that repeats it is printed.

mod corpus;
mod mutate;
mod run;
mod targets;

use std::time::Duration;

use anyhow::{Context, bail};
use clap::Parser;

#[derive(Parser)]
struct Arguments {
    /// The targets [default: all]
    targets: Vec<String>,
    /// How long each of them is tried
    #[arg(long, default_value_t = 8, value_name = "N")]
    seconds: u64,
    /// What the inputs are made from [default: a new one]
    #[arg(long, value_name = "SEED")]
    seed: Option<u64>,
    /// Try only the input of this number
    #[arg(long, value_name = "N")]
    only: Option<u64>,
    /// List the targets
    #[arg(long)]
    list: bool,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if arguments.list {
        targets::ALL.iter().for_each(|target| println!("{}", target.name));
        return Ok(());
    }
    let seed = match arguments.seed {
        Some(seed) => seed,
        None => mutate::new_seed().context("the clock is before 1970")?,
    };
    let wanted =
        |name: &str| arguments.targets.is_empty() || arguments.targets.iter().any(|target| target == name);
    let chosen: Vec<_> = targets::ALL.iter().filter(|target| wanted(target.name)).collect();
    if chosen.is_empty() {
        bail!("there is no such target; --list names them");
    }
    let mut failed = 0;
    for target in chosen {
        let limit = run::Limit { time: Duration::from_secs(arguments.seconds), only: arguments.only };
        if !run::target(target, seed, limit)? {
            failed += 1;
        }
    }
    if failed > 0 {
        bail!("{failed} targets failed");
    }
    Ok(())
}
