//! Filling the archive from a host whose agent ended: everything that stays readable.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use futures::StreamExt;
use parallax_api::message::{MAX_LISTED, MessagesQuery};
use parallax_api::observe::{LogFormat, LogsQuery};
use parallax_api::{Agent, Message};
use tokio::io::AsyncWriteExt;

use super::files::Draft;
use super::{Archive, ArchivedAgent, cast};
use crate::host::HostClient;

/// How long a log may take to be copied: hosts are near, and a log has at most some 64 MiB.
const COPY_TIMEOUT: Duration = Duration::from_secs(120);
/// The most that is copied of one log, in bytes. A recording is larger than the bytes it holds.
const MAX_COPY: u64 = 1024 * 1024 * 1024;
/// Messages that are kept of one agent: more than a host keeps.
const MAX_MESSAGES: usize = 20_000;
/// Before the first message of every agent.
const THE_BEGINNING: &str = "1970-01-01T00:00:00Z";

impl Archive {
    /// Copies everything that the host still has into the archive. What was there of this agent before is replaced.
    pub(in crate::server) async fn collect(&self, agent: &Agent, host: &HostClient) -> anyhow::Result<()> {
        let draft = Draft::create(self, &agent.id).context("failed to make the archive's directory")?;
        copy(host, LogFormat::Raw, &draft.output()).await?;
        copy(host, LogFormat::Asciicast, &draft.cast()).await?;
        let (messages, screen, status, metrics) =
            tokio::join!(all_messages(host), host.screen(), host.status(), host.metrics());
        let metrics = metrics.context("failed to ask for the metrics")?;
        let epoch = host.log_epoch(metrics.output_bytes).await.context("failed to ask for the log's name")?;
        let kept = fs::metadata(draft.output())?.len();
        let start = metrics.output_bytes.saturating_sub(kept);
        let recording = fs::File::open(draft.cast())?;
        let archived = ArchivedAgent {
            start,
            epoch,
            sizes: cast::sizes(recording).into_iter().map(|(offset, size)| (start + offset, size)).collect(),
            messages: messages.context("failed to ask for the conversation")?,
            screen: screen.ok(),
            status: status.ok(),
            metrics: Some(metrics),
        };
        draft.publish(agent, &archived)
    }
}

/// The whole conversation, page by page.
async fn all_messages(host: &HostClient) -> anyhow::Result<Vec<Message>> {
    let mut messages: Vec<Message> = Vec::new();
    let mut since = THE_BEGINNING.to_owned();
    while messages.len() < MAX_MESSAGES {
        let query = MessagesQuery { since: Some(since), limit: Some(MAX_LISTED) };
        let page = host.messages(&query).await?.messages;
        let is_last = page.len() < MAX_LISTED;
        messages.extend(page);
        match messages.last() {
            Some(last) if !is_last => since = last.id.clone(),
            _ => break,
        }
    }
    Ok(messages)
}

async fn copy(host: &HostClient, format: LogFormat, to: &Path) -> anyhow::Result<()> {
    let query = LogsQuery { format: Some(format), since: Some("0".into()), ..Default::default() };
    let copying = async {
        let mut body = host.logs(&query).await?.into_body().into_data_stream();
        let mut file = tokio::fs::File::create(to).await?;
        let mut room = MAX_COPY;
        while let Some(bytes) = body.next().await.transpose()? {
            room = room.checked_sub(bytes.len() as u64).context("the log is larger than a log can be")?;
            file.write_all(&bytes).await?;
        }
        anyhow::Ok(file.flush().await?)
    };
    tokio::time::timeout(COPY_TIMEOUT, copying)
        .await
        .context("not in time")
        .flatten()
        .with_context(|| format!("failed to copy the log as {format:?}"))
}
