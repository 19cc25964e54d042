//! `parallax doctor`: what is there, what is missing, and what to do about it.

mod programs;
mod server;

use clap::Args;
use secrecy::SecretString;
use serde::Serialize;

use crate::error::CliError;
use crate::output::{Output, Style, clean};

#[derive(Args, Debug)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    pub(super) server: server::ServerArgs,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
pub(super) struct Check {
    what: String,
    state: State,
    found: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    /// As it should be.
    Good,
    /// Good to know; nothing needs it, or something else does instead.
    Note,
    /// Agents cannot run like this.
    Bad,
}

impl Check {
    pub(super) fn good(what: &str, found: impl Into<String>) -> Self {
        Self { what: what.into(), state: State::Good, found: found.into(), advice: None }
    }

    pub(super) fn note(what: &str, found: impl Into<String>) -> Self {
        Self { state: State::Note, ..Self::good(what, found) }
    }

    pub(super) fn bad(what: &str, found: impl Into<String>) -> Self {
        Self { state: State::Bad, ..Self::good(what, found) }
    }

    pub(super) fn advise(self, advice: impl Into<String>) -> Self {
        Self { advice: Some(advice.into()), ..self }
    }
}

impl DoctorArgs {
    pub(crate) async fn run(
        self,
        url: &str,
        token: Option<SecretString>,
        output: &Output,
    ) -> Result<(), CliError> {
        let mut checks = programs::agents(self.server.profiles()?).await;
        checks.push(programs::host(self.server.agent_host.clone()));
        checks.push(programs::node().await);
        checks.push(self.server.state_directory()?);
        checks.extend(server::control_plane(url, token).await);
        checks.extend([programs::docker().await, programs::kubernetes().await]);
        if output.json() {
            output.document(&checks)?;
        } else {
            checks.iter().try_for_each(|check| print(check, output))?;
        }
        match checks.iter().any(|check| check.state == State::Bad) {
            true => Err(CliError::Silent(1)),
            false => Ok(()),
        }
    }
}

fn print(check: &Check, output: &Output) -> std::io::Result<()> {
    let (sign, style) = match check.state {
        State::Good => ("ok  ", Style::Good),
        State::Note => ("note", Style::Plain),
        State::Bad => ("BAD ", Style::Bad),
    };
    output.line(format!("{}  {:<14}  {}", output.paint(sign, style), check.what, clean(&check.found)))?;
    match &check.advice {
        Some(advice) => output.line(format!("{:22}→ {}", "", clean(advice))),
        None => Ok(()),
    }
}
