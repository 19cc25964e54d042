//! A program of ours under callgrind, which counts when it is told to: what starts it and what it does meanwhile are not in a count.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use tokio::process::Command;

/// How often each piece of work is done. The least counts: what a program does by itself, and what depends on how output is cut,
/// comes on top, and differs.
const TIMES: usize = 3;

/// Where callgrind writes, for one process.
pub(super) struct Counted {
    dir: PathBuf,
    pid: Option<u32>,
    counts: usize,
}

impl Counted {
    /// With an empty directory for what callgrind writes.
    pub(super) fn new(dir: PathBuf) -> anyhow::Result<Self> {
        std::fs::create_dir_all(&dir)?;
        Ok(Self { dir, pid: None, counts: 0 })
    }

    /// The program, under callgrind; its arguments are added to this.
    pub(super) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("valgrind");
        let to = |option: &str, file: &str| format!("--{option}={}", self.dir.join(file).display());
        command
            .args(["--quiet", "--tool=callgrind", "--instr-atstart=no", "--dump-line=no"])
            .args([to("callgrind-out-file", "count"), to("vgdb-prefix", "vgdb"), to("log-file", "log")])
            .arg(program);
        command
    }

    /// The process has started; it counts from here on.
    pub(super) async fn started(&mut self, pid: u32) -> anyhow::Result<()> {
        self.pid = Some(pid);
        self.tell("instrumentation on").await
    }

    /// The least of some counts of this work, in instructions, and divided by how often the work is done in it.
    pub(super) async fn least(
        &mut self,
        parts: u32,
        mut work: impl AsyncFnMut() -> anyhow::Result<()>,
    ) -> anyhow::Result<f64> {
        let mut least = f64::INFINITY;
        for _ in 0..TIMES {
            self.tell("zero").await?;
            work().await?;
            self.tell("dump").await?;
            self.counts += 1;
            let file = self.dir.join(format!("count.{}", self.counts));
            let text = std::fs::read(&file).with_context(|| file.display().to_string())?;
            let text = String::from_utf8_lossy(&text);
            let sum = text.lines().find_map(|line| line.strip_prefix("summary: ")).context("no count")?;
            let sum: f64 = sum.trim().parse().with_context(|| format!("`{sum}` is no count"))?;
            least = least.min(sum / f64::from(parts));
        }
        Ok(least)
    }

    /// To a process that sleeps vgdb has to attach, which the system allows for one's own.
    async fn tell(&self, command: &str) -> anyhow::Result<()> {
        let said = Command::new("vgdb")
            .arg(format!("--vgdb-prefix={}", self.dir.join("vgdb").display()))
            .arg(format!("--pid={}", self.pid.context("it has started")?))
            .args(command.split(' '))
            .output()
            .await
            .context("vgdb")?;
        ensure!(said.status.success(), "vgdb {command}: {}", String::from_utf8_lossy(&said.stderr));
        Ok(())
    }
}
