//! Filling the archive: asking a host whose agent ended for everything that shall stay readable.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use futures::StreamExt;
use parallax_api::AgentId;
use parallax_api::message::{MAX_LISTED, MessagesQuery};
use parallax_api::observe::{LogFormat, LogsQuery};
use tokio::io::AsyncWriteExt;

use parallax_service::private_dir;

use super::{Archive, ArchivedAgent, cast};
use crate::host::HostClient;

/// How long a log may take to be copied: hosts are near, and a log has at most some 64 MiB.
const COPY_TIMEOUT: Duration = Duration::from_secs(120);
/// The most that is copied of one log, in bytes. A recording is larger than the bytes it holds.
const MAX_COPY: u64 = 1024 * 1024 * 1024;

impl Archive {
    /// Copies everything that the host still has into the archive. What was there of this agent before is replaced.
    pub(in crate::server) async fn collect(&self, id: &AgentId, host: &HostClient) -> anyhow::Result<()> {
        let dir = self.partial(id);
        // Left by a server that died while it collected; usually not there.
        let _ = fs::remove_dir_all(&dir);
        private_dir(&dir).context("failed to make the archive's directory")?;
        copy(host, LogFormat::Raw, &dir.join("output.raw")).await?;
        copy(host, LogFormat::Asciicast, &dir.join("output.cast")).await?;
        let everything = MessagesQuery { limit: Some(MAX_LISTED), ..Default::default() };
        let (messages, screen, status, metrics) =
            tokio::join!(host.messages(&everything), host.screen(), host.status(), host.metrics());
        let metrics = metrics.context("failed to ask for the metrics")?;
        let epoch = host.log_epoch(metrics.output_bytes).await.context("failed to ask for the log's name")?;
        let kept = fs::metadata(dir.join("output.raw"))?.len();
        let start = metrics.output_bytes.saturating_sub(kept);
        let cast = fs::File::open(dir.join("output.cast"))?;
        let remains = ArchivedAgent {
            start,
            epoch,
            sizes: cast::sizes(cast).into_iter().map(|(offset, size)| (start + offset, size)).collect(),
            messages: messages.context("failed to ask for the conversation")?.messages,
            screen: screen.ok(),
            status: status.ok(),
            metrics: Some(metrics),
        };
        fs::write(dir.join("remains.json"), serde_json::to_vec(&remains)?)?;
        self.purge(id)?;
        fs::rename(&dir, self.path(id)).context("failed to move what was collected into place")
    }

    /// Makes the empty archive of an agent whose host was lost with everything it had.
    pub(in crate::server) fn put_empty(&self, id: &AgentId) -> std::io::Result<()> {
        private_dir(&self.path(id))
    }
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
