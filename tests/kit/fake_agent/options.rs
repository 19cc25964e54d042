//! The fake agent's command line.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};

/// How a fake agent behaves from its start on. What it does in a turn is in the prompt.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// `--session ID`: the name of the conversation, and of its session file.
    pub session: Option<String>,
    /// `--resume ID`: go on with that conversation.
    pub resume: Option<String>,
    /// `--state DIR`: where session files are; default `$HOME/.fake-agent`.
    pub state: Option<PathBuf>,
    /// `--model NAME`: named by the footer.
    pub model: Option<String>,
    /// `--approvals all`: permission is not asked for.
    pub unasked: bool,
    /// `--login URL`: not logged in, unless `FAKE_AGENT_KEY` is set. The code is `let-me-in`.
    pub login: Option<String>,
    /// `--trust`: asks whether the folder is trusted before anything else; the first option leaves.
    pub trust: bool,
    /// `--swallow-ms N`: an Enter so soon after a paste is lost, as with Gemini.
    pub swallow: Duration,
    /// `--start-gate`: paints nothing until Enter is pressed.
    pub start_gate: bool,
    /// `--no-status`: no OSC 7501; the state is on the screen and in the title only.
    pub no_status: bool,
    /// `--ignore-term`: SIGTERM and SIGHUP do nothing.
    pub ignore_term: bool,
    /// What was open when the program began: `do fds`.
    pub inherited: String,
    /// `--lines FILE`, or `FAKE_AGENT_LINES`: what to do when the prompt holds some words: `WORDS => ACT && ACT` a line.
    pub lines: Option<PathBuf>,
    /// `--exit CODE`: says some last words and exits with this code instead of starting.
    pub exit: Option<i32>,
}

impl Options {
    /// Reads the command line, without the program's name.
    pub fn parse(args: impl IntoIterator<Item = String>) -> anyhow::Result<Self> {
        let mut options = Self::default();
        let mut args = args.into_iter();
        while let Some(flag) = args.next() {
            let mut value = || args.next().with_context(|| format!("{flag} needs a value"));
            match flag.as_str() {
                "--session" => options.session = Some(value()?),
                "--resume" => options.resume = Some(value()?),
                "--state" => options.state = Some(value()?.into()),
                "--model" => options.model = Some(value()?),
                "--approvals" => options.unasked = value()? == "all",
                "--login" => options.login = Some(value()?),
                "--trust" => options.trust = true,
                "--swallow-ms" => options.swallow = millis(&value()?)?,
                "--start-gate" => options.start_gate = true,
                "--no-status" => options.no_status = true,
                "--ignore-term" => options.ignore_term = true,
                "--lines" => options.lines = Some(value()?.into()),
                "--exit" => options.exit = Some(value()?.parse()?),
                _ => bail!("unknown flag {flag}"),
            }
        }
        Ok(options)
    }
}

fn millis(text: &str) -> anyhow::Result<Duration> {
    Ok(Duration::from_millis(text.parse().with_context(|| format!("{text} is no number of milliseconds"))?))
}
