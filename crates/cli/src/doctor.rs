//! `parallax doctor`: what is there, what is missing, and what to do about it.

mod programs;
mod server;

use clap::Args;
use parallax_api::check::{Check, CheckState};
use secrecy::SecretString;

use crate::error::CliError;
use crate::output::{Output, Style, clean};

#[derive(Args, Debug)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    pub(super) server: server::ServerArgs,
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
        match checks.iter().any(|check| check.state == CheckState::Bad) {
            true => Err(CliError::Silent(1)),
            false => Ok(()),
        }
    }
}

fn print(check: &Check, output: &Output) -> std::io::Result<()> {
    let (sign, style) = match check.state {
        CheckState::Good => ("ok  ", Style::Good),
        CheckState::Note => ("note", Style::Plain),
        CheckState::Bad => ("BAD ", Style::Bad),
    };
    output.line(format!("{}  {:<14}  {}", output.paint(sign, style), check.what, clean(&check.found)))?;
    match &check.advice {
        Some(advice) => output.line(format!("{:22}→ {}", "", clean(advice))),
        None => Ok(()),
    }
}
