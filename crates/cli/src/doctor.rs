//! `parallax doctor`: what is there, what is missing, and what to do about it.

mod places;
mod programs;

use clap::Args;
use secrecy::SecretString;
use serde::Serialize;

use crate::failure::Failure;
use crate::output::{Look, Output, clean};

#[derive(Args, Debug)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    pub(super) places: places::PlaceArgs,
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
    ) -> Result<(), Failure> {
        let mut checks = programs::agents(self.places.profiles()?).await;
        checks.push(programs::host(self.places.agent_host.clone()));
        checks.push(programs::node().await);
        checks.push(self.places.state_directory()?);
        checks.extend(places::control_plane(url, token).await);
        checks.extend([programs::docker().await, programs::kubernetes().await]);
        if output.json() {
            output.document(&checks)?;
        } else {
            checks.iter().try_for_each(|check| print(check, output))?;
        }
        match checks.iter().any(|check| check.state == State::Bad) {
            true => Err(Failure::Silent(1)),
            false => Ok(()),
        }
    }
}

fn print(check: &Check, output: &Output) -> Result<(), Failure> {
    let (sign, look) = match check.state {
        State::Good => ("ok  ", Look::Good),
        State::Note => ("note", Look::Plain),
        State::Bad => ("BAD ", Look::Bad),
    };
    output.line(format!("{}  {:<14}  {}", output.paint(sign, look), check.what, clean(&check.found)))?;
    match &check.advice {
        Some(advice) => output.line(format!("{:22}→ {}", "", clean(advice))),
        None => Ok(()),
    }
}
