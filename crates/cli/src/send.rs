//! `parallax send`.

mod progress;

use std::fs::File;
use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use parallax_api::agent::MAX_MESSAGE;
use parallax_api::message::{ImageInput, MAX_IMAGE_BYTES, MAX_TIMEOUT_MS, OnQuestion};
use parallax_api::{SendRequest, WhenBusy};

use crate::context::Context;
use crate::error::CliError;
use crate::find;
use crate::output::clean;
use crate::values;

#[derive(Args, Debug)]
pub(crate) struct SendArgs {
    /// Id, beginning of an id, or name
    agent: String,
    /// The message; `-`, or none with something piped in, reads standard input
    #[arg(value_name = "MESSAGE")]
    message: Option<String>,
    /// An image that the model is shown: PNG, JPEG, GIF or WebP; repeatable
    #[arg(short, long = "file", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Do not wait for the answer; print the message's id
    #[arg(long)]
    no_wait: bool,
    /// How long to wait for the answer, at most 1h; later it still arrives (`parallax show`)
    #[arg(short, long, value_name = "TIME", default_value = "10m", value_parser = values::duration)]
    timeout: Duration,
    /// When the agent is busy: queue, reject or interrupt
    #[arg(long, value_name = "WHAT", default_value = "queue", value_parser = values::word::<WhenBusy>)]
    when_busy: WhenBusy,
    /// Do not say on standard error what the agent does meanwhile
    #[arg(short, long)]
    quiet: bool,
}

impl SendArgs {
    pub(crate) async fn run(self, context: &Context) -> Result<(), CliError> {
        let message = match self.message {
            Some(message) if message != "-" => message,
            None if std::io::stdin().is_terminal() => {
                return Err(CliError::Usage(
                    "what to say? parallax send AGENT MESSAGE, or pipe it in".into(),
                ));
            }
            _ => piped()?,
        };
        let timeout_ms = u64::try_from(self.timeout.as_millis()).unwrap_or(u64::MAX).min(MAX_TIMEOUT_MS);
        let request = SendRequest {
            message,
            expect_response: !self.no_wait,
            timeout_ms: (!self.no_wait).then_some(timeout_ms),
            when_busy: self.when_busy,
            // A person who waits here is shown the question, and the answer comes all the same.
            on_question: OnQuestion::Wait,
            images: self.files.iter().map(|file| image(file)).collect::<Result<_, _>>()?,
        };
        request.check()?;
        let agent = find::agent(&context.client, &self.agent).await?;
        let sent = if self.no_wait || self.quiet || context.output.json() {
            context.client.send(&agent.id, &request).await?
        } else {
            progress::send(context, &agent, &request).await?
        };
        if context.output.json() {
            return Ok(context.output.document(&sent)?);
        }
        let Some(answer) = &sent.response else {
            return Ok(context.output.line(&sent.message_id)?);
        };
        context.output.line(clean(answer.content.trim_end()))?;
        if answer.interrupted {
            context.output.note("(the turn was interrupted: there may have been more to come)");
        }
        Ok(())
    }
}

/// The image in a file.
fn image(path: &Path) -> Result<ImageInput, CliError> {
    let usage = |why: String| CliError::Usage(format!("--file {}: {why}", path.display()));
    let mut bytes = Vec::new();
    // One byte more than allowed, so that the check sees that it is too much.
    let read =
        File::open(path).and_then(|file| file.take(MAX_IMAGE_BYTES as u64 + 1).read_to_end(&mut bytes));
    read.map_err(|error| usage(error.to_string()))?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    ImageInput::of(&bytes, name).ok_or_else(|| {
        usage("it is no PNG, JPEG, GIF or WebP; `parallax files put` copies other files to an agent".into())
    })
}

fn piped() -> Result<String, CliError> {
    let mut text = String::new();
    // One byte more than allowed, so that the check sees that it is too much.
    std::io::stdin().lock().take(MAX_MESSAGE as u64 + 1).read_to_string(&mut text)?;
    Ok(text)
}
