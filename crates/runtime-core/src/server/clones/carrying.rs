//! Commits and files of an agent's clone, brought to where the server works with them.

use std::path::PathBuf;
use std::time::Duration;

use futures::StreamExt;
use parallax_api::{AgentId, Code, Problem};
use parallax_workspace::{Incoming, ScratchFile, Side, Stand, Workspace};
use tokio::io::AsyncWriteExt;

use crate::host::HostAnswer;
use crate::server::core::RuntimeCore;

/// The largest bundle that is taken of an agent, in bytes.
const MAX_BUNDLE: u64 = 1 << 30;
/// The longest line that says how a clone stands, in bytes.
const MAX_STAND: usize = 16 * 1024;
/// How long taking a bundle of an agent may take.
const BUNDLE_TIMEOUT: Duration = Duration::from_secs(240);

/// A clone as its agent has it by now, with its commits in the store.
pub(super) struct Brought {
    pub(super) store: Workspace,
    pub(super) stand: Stand,
}

/// All that is in a clone by now.
pub(super) struct Looked {
    pub(super) store: Workspace,
    pub(super) incoming: Incoming,
}

impl Looked {
    pub(super) fn side(&self) -> Side<'_> {
        Side { workspace: &self.store, incoming: Some(&self.incoming) }
    }
}

impl RuntimeCore {
    /// Brings the commits of an agent's clone to its store.
    pub(super) async fn bring(&self, id: &AgentId) -> Result<Brought, Problem> {
        let store = self.filled_store(id).await?;
        let (stand, file) = self.export(id, false).await?;
        let path = file.as_ref().map(ScratchFile::path);
        self.workspaces()?.receive(&store, &stand, path.as_deref()).await?;
        Ok(Brought { store, stand })
    }

    /// Takes all that is in an agent's clone, for as long as the answer is kept.
    pub(super) async fn look(&self, id: &AgentId) -> Result<Looked, Problem> {
        let store = self.filled_store(id).await?;
        let (stand, file) = self.export(id, true).await?;
        let path = file.as_ref().map(ScratchFile::path);
        let incoming = self.workspaces()?.receive_snapshot(&store, &stand, path.as_deref()).await?;
        Ok(Looked { store, incoming })
    }

    /// How an agent's clone stands, and a bundle, where there is anything new.
    async fn export(&self, id: &AgentId, whole: bool) -> Result<(Stand, Option<ScratchFile>), Problem> {
        let answer = self.ask(id, async |host| host.export_workspace(whole).await).await?;
        let file = self.workspaces()?.scratch_file()?;
        let bringing = take(answer, file.path());
        let late = || Problem::new(Code::Timeout, "the agent's commits did not come in time");
        let (stand, length) =
            tokio::time::timeout(BUNDLE_TIMEOUT, bringing).await.unwrap_or_else(|_| Err(late()))?;
        Ok((stand, (length > 0).then_some(file)))
    }
}

/// The first line of an export, and the rest as a file of so many bytes.
async fn take(answer: HostAnswer, bundle: PathBuf) -> Result<(Stand, u64), Problem> {
    let odd =
        |why: &str| Problem::internal(format!("the agent's host answered what is not understood: {why}"));
    let mut file = tokio::fs::File::create_new(bundle).await.map_err(Problem::internal)?;
    let mut parts = answer.into_body().into_data_stream();
    let (mut head, mut stand, mut length) = (Vec::new(), None, 0_u64);
    while let Some(part) = parts.next().await {
        let mut part = part.map_err(crate::host::away)?;
        if stand.is_none() {
            let end = part.iter().position(|byte| *byte == b'\n');
            head.extend_from_slice(&part.split_to(end.unwrap_or(part.len())));
            if head.len() > MAX_STAND {
                return Err(odd("its first line is too long"));
            }
            if end.is_none() {
                continue;
            }
            stand = Some(serde_json::from_slice(&head).map_err(|cause| odd(&cause.to_string()))?);
            drop(part.split_to(1));
        }
        length = length.saturating_add(u64::try_from(part.len()).unwrap_or(u64::MAX));
        if length > MAX_BUNDLE {
            let detail = format!("the agent's new commits have more than {MAX_BUNDLE} bytes");
            return Err(Problem::new(Code::PayloadTooLarge, detail));
        }
        file.write_all(&part).await.map_err(Problem::internal)?;
    }
    file.flush().await.map_err(Problem::internal)?;
    Ok((stand.ok_or_else(|| odd("it broke off"))?, length))
}
