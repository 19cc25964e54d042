//! A check on how much work some work is: in instructions, which a busy machine does not change.
//!
//! Each piece of [`work`] runs in a process of its own under callgrind; what a process without work takes is subtracted.
//! [`systems`] are programs that serve, of which a part is counted. More instructions than the file of bounds allows is a
//! failure; far fewer is one too, so that a bound follows what was gained.

mod counted;
mod host;
mod systems;
mod work;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use tokio::process::Command;

pub(crate) use work::Work;

/// A count below this share of its bound is told: the bound is to be lowered.
const LOOSE: f64 = 0.6;
/// What a new bound is above the count.
const ROOM: f64 = 1.25;

#[derive(Args)]
pub(crate) struct Instructions {
    /// The bounds: a name of a piece of work, and millions of instructions
    #[arg(long, default_value = "crates/bench/instructions.toml")]
    bounds: PathBuf,
    /// Where `parallax`, `parallax-agent-host` and `parallax-control-plane` are, built for tests
    #[arg(long, default_value = "target/debug")]
    programs: PathBuf,
    /// Only these
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Write bounds a quarter above what is counted, instead of holding it against those that are there
    #[arg(long)]
    write: bool,
}

impl Instructions {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let text =
            std::fs::read_to_string(&self.bounds).with_context(|| self.bounds.display().to_string())?;
        let mut bounds: BTreeMap<String, f64> = toml::from_str(&text)?;
        let names = || work::NAMES.iter().chain(systems::NAMES);
        let known = |name: &String| names().any(|known| known == name);
        ensure!(
            self.only.iter().all(known),
            "there is only: {}",
            names().copied().collect::<Vec<_>>().join(", ")
        );
        let mut wrong = Vec::new();
        for (name, count) in self.counts().await? {
            let millions = count / 1e6;
            if self.write {
                println!("{name}: {millions:.2} million instructions");
                bounds.insert(name.into(), millions * ROOM);
                continue;
            }
            let Some(bound) = bounds.get(name) else {
                bail!("{} has no bound for {name}", self.bounds.display())
            };
            println!("{name}: {millions:.2} of at most {bound} million instructions");
            // Of programs that serve, less may be due to a machine on which fewer timers tick within a count.
            let is_loose = millions < bound * LOOSE && !systems::NAMES.contains(&name);
            if millions > *bound || is_loose {
                wrong.push(format!("{name} took {millions:.2}"));
            }
        }
        if self.write {
            bounds.retain(|name, _| known(name));
            return Ok(std::fs::write(&self.bounds, written(&text, names().copied(), &bounds)?)?);
        }
        if let Some(unknown) = bounds.keys().find(|name| !known(name)) {
            bail!("{} has a bound for {unknown}, which there is not", self.bounds.display());
        }
        if !wrong.is_empty() {
            bail!("change {} (`--write`) or the code: {}", self.bounds.display(), wrong.join(", "));
        }
        Ok(())
    }

    /// What is wanted, counted.
    async fn counts(&self) -> anyhow::Result<Vec<(&'static str, f64)>> {
        let wanted = |name: &str| self.only.is_empty() || self.only.iter().any(|only| only == name);
        let mut counts = Vec::new();
        if work::NAMES.iter().any(|name| wanted(name)) {
            let begin = count("nothing").await?;
            for name in work::NAMES.iter().filter(|name| wanted(name)) {
                counts.push((*name, count(name).await? - begin));
            }
        }
        counts.extend(systems::count(&self.programs, wanted).await?);
        Ok(counts)
    }
}

/// The file of bounds with these, in this order, under the comments that it had.
fn written<'a>(
    text: &str,
    names: impl Iterator<Item = &'a str>,
    bounds: &BTreeMap<String, f64>,
) -> anyhow::Result<String> {
    let mut file: String =
        text.lines().take_while(|line| line.starts_with('#')).map(|line| format!("{line}\n")).collect();
    for name in names {
        if let Some(bound) = bounds.get(name) {
            let digits = usize::from(*bound < 100.0) + usize::from(*bound < 10.0);
            writeln!(file, "{name} = {bound:.digits$}")?;
        }
    }
    Ok(file)
}

/// The instructions of one process.
async fn count(name: &str) -> anyhow::Result<f64> {
    let out = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe()?)
        .args(["work", name])
        .output()
        .await
        .context("valgrind")?;
    let told = String::from_utf8_lossy(&out.stderr);
    if !out.status.success() {
        bail!("`work {name}` failed: {told}");
    }
    let collected = told.lines().find_map(|line| line.split_once("Collected : ")).context("no count")?.1;
    collected.trim().parse().with_context(|| format!("`{collected}` is no count"))
}
