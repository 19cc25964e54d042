//! Trying inputs, and saying which one failed.

use std::fs;
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::time::{ClockId, clock_gettime};

use crate::corpus;
use crate::mutate::Mutator;
use crate::targets::Target;

/// An input that takes more of a processor than this is a failure: what reads it would keep others waiting.
const SLOW: Duration = Duration::from_secs(2);

/// How much is tried.
#[derive(Clone, Copy)]
pub struct Limit {
    /// How long.
    pub time: Duration,
    /// Only the input of this number.
    pub only: Option<u64>,
}

/// Tries a target: the corpus as it stands, then mutations of it. Whether all went well; what did not is printed.
pub fn target(target: &Target, seed: u64, limit: Limit) -> anyhow::Result<bool> {
    let corpus = corpus::of(target.name).with_context(|| format!("the corpus of {}", target.name))?;
    let progress = Progress::create(target.name)?;
    let mut tried = 0;
    let mut failures = 0;
    if limit.only.is_none() {
        for input in &corpus {
            tried += 1;
            if let Err(why) = attempt(target, input) {
                failures += 1;
                println!("{}: FAILED on its corpus: {why}; {}", target.name, save(target, input)?);
            }
        }
    }
    let began = Instant::now();
    let mut number = limit.only.unwrap_or(0);
    while began.elapsed() < limit.time {
        // Kept outside of the process: an overflowing stack ends it without a word.
        progress.set(seed, number)?;
        let input = Mutator::new(seed, number).input(&corpus, target.tokens);
        tried += 1;
        if let Err(why) = attempt(target, &input) {
            failures += 1;
            println!("{}: FAILED: {why}; {}", target.name, save(target, &input)?);
            println!("  again: cargo run -p parallax-fuzz -- {} --seed {seed} --only {number}", target.name);
        }
        if limit.only.is_some() || failures >= 5 {
            break;
        }
        number += 1;
    }
    println!(
        "{}: {tried} inputs, {failures} failures, seed {seed}, {:.1} s",
        target.name,
        began.elapsed().as_secs_f64()
    );
    Ok(failures == 0)
}

fn attempt(target: &Target, input: &[u8]) -> Result<(), String> {
    let began = processor_time();
    let done = catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
    let took = processor_time().saturating_sub(began);
    match done {
        Ok(()) if took > SLOW => Err(format!("took {took:?}")),
        Ok(()) => Ok(()),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            Err(format!("panicked: {}", text.unwrap_or_default().chars().take(300).collect::<String>()))
        }
    }
}

/// The time that this thread has had of a processor: a busy machine makes no input slow.
fn processor_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0))
}

/// Keeps an input that failed, to become part of the corpus once it is mended.
fn save(target: &Target, input: &[u8]) -> anyhow::Result<String> {
    let dir = work_dir()?.join("failures").join(target.name);
    fs::create_dir_all(&dir)?;
    let path = dir.join(format!("{:016x}", fingerprint(input)));
    fs::write(&path, input)?;
    Ok(format!("input in {}", path.display()))
}

/// FNV-1a: the same input has the same name.
fn fingerprint(input: &[u8]) -> u64 {
    input.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// The input that is tried now, in a file.
struct Progress(fs::File);

impl Progress {
    fn create(target: &str) -> anyhow::Result<Self> {
        let path = work_dir()?.join(format!("{target}.now"));
        println!("{target}: should the process end, {} has the seed and the number", path.display());
        Ok(Self(fs::File::create(path)?))
    }

    fn set(&self, seed: u64, number: u64) -> std::io::Result<()> {
        self.0.write_all_at(format!("{seed:>20} {number:>20}\n").as_bytes(), 0)
    }
}

fn work_dir() -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe()?;
    let dir = program.parent().context("a program is in a directory")?.join("parallax-fuzz-work");
    fs::create_dir_all(&dir)?;
    Ok(dir)
}
