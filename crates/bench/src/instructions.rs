//! A check on how much work some work is: in instructions, which a busy machine does not change.
//!
//! Each piece of [`work`] runs in a process of its own under callgrind; what a process without work takes is subtracted. More
//! instructions than the file of bounds allows is a failure; far fewer is one too, so that a bound follows what was gained.

mod work;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, bail};
use clap::Args;

pub(crate) use work::Work;

/// A count below this share of its bound is told: the bound is to be lowered.
const LOOSE: f64 = 0.7;

#[derive(Args)]
pub(crate) struct Instructions {
    /// The bounds: a name of a piece of work, and millions of instructions
    #[arg(long, default_value = "crates/bench/instructions.toml")]
    bounds: PathBuf,
}

impl Instructions {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let text =
            std::fs::read_to_string(&self.bounds).with_context(|| self.bounds.display().to_string())?;
        let bounds: BTreeMap<String, f64> = toml::from_str(&text)?;
        let begin = count("nothing")?;
        let mut wrong = Vec::new();
        for name in work::NAMES {
            let Some(bound) = bounds.get(*name) else {
                bail!("{} has no bound for {name}", self.bounds.display())
            };
            let millions = (count(name)? - begin) / 1e6;
            println!("{name}: {millions:.1} of at most {bound} million instructions");
            if millions > *bound || millions < bound * LOOSE {
                wrong.push(format!("{name} took {millions:.1}"));
            }
        }
        if let Some(unknown) = bounds.keys().find(|name| !work::NAMES.contains(&name.as_str())) {
            bail!("{} has a bound for {unknown}, which there is not", self.bounds.display());
        }
        if !wrong.is_empty() {
            bail!("change {} or the code: {}", self.bounds.display(), wrong.join(", "));
        }
        Ok(())
    }
}

/// The instructions of one process.
fn count(name: &str) -> anyhow::Result<f64> {
    let out = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe()?)
        .args(["work", name])
        .output()
        .context("valgrind")?;
    let told = String::from_utf8_lossy(&out.stderr);
    if !out.status.success() {
        bail!("`work {name}` failed: {told}");
    }
    let collected = told.lines().find_map(|line| line.split_once("Collected : ")).context("no count")?.1;
    collected.trim().parse().with_context(|| format!("`{collected}` is no count"))
}
