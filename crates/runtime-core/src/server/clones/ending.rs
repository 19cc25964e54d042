//! What becomes of a clone when its agents have ended: kept or removed, now or when somebody looks again.

use std::path::PathBuf;
use std::time::Duration;

use parallax_api::host::WorkspaceCall;
use parallax_api::retry::Backoff;
use parallax_api::workspace::{WorkspaceEnd, WorkspaceKeep};
use parallax_api::{Agent, AgentId, Code, Problem};
use parallax_workspace::{Outcome, Record, Unpublished, Workspace, Workspaces, cut_reason};
use tokio::sync::Semaphore;

use super::workspace_of;
use crate::server::core::RuntimeCore;
use crate::server::registry::HostState;
use crate::server::workspaces::unseen;

/// Why a clone stays of whose end nothing is known.
const UNSEEN: &str = "nobody has looked at it since its last agent went";
/// Why a clone stays that this server has no record of.
const UNKNOWN: &str = "nothing is known of it any more, so nobody looks at it";
/// Why a clone stays whose agent was only taken away.
const RETURNS: &str = "its agent was moved, and goes on in it";
/// Why one stays that others work in.
const IN_USE: &str = "another agent works in it";
/// Why one stays that was to go, and whose removal did not work at once.
const LEFT: &str = "it was to go and did not, and nobody can look whether somebody has worked in it since";
/// Why one stays that was worked in while it was being looked at.
const CHANGING: &str = "somebody worked in it while it was looked at";
/// How long the event of an agent's end waits for its clone.
const END_TIMEOUT: Duration = Duration::from_secs(60);
/// Attempts to remove a volume: what used it may be a moment in going.
const REMOVALS: usize = 5;
/// Between two of them.
const REMOVAL_PAUSE: Duration = Duration::from_millis(500);
/// Attempts of a server that still knows why it goes, about a minute of them: the engine may be away.
const DISCARDS: usize = 10;
/// Between two of these, at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// Clones that an earlier server left are looked at so many at the same time: each look may be a container.
static LEFT_LOOKS: Semaphore = Semaphore::const_new(4);

impl RuntimeCore {
    /// What becomes of the clone of an agent that has ended, and whose host may still be there. Asked again, it is the same.
    pub(in crate::server) async fn end_clone(&self, agent: &Agent, root: PathBuf) -> Option<WorkspaceEnd> {
        let (asked, workspaces) = (agent.workspace.as_ref()?, self.workspaces.as_ref()?);
        let id = workspace_of(agent);
        let reason = match workspaces.known(id.as_str()) {
            Err(_) => match self.backend.holds_workspace(id).await {
                // It is gone already.
                Ok(false) => None,
                // A backend that does not answer does not say so.
                Ok(true) | Err(_) => Some(UNKNOWN.into()),
            },
            Ok(store) => match &store.record().ending {
                Some(ending) => ending.kept.clone(),
                // Its agent goes on elsewhere, in the same workspace.
                None if self.backend.may_return(&agent.id) => Some(RETURNS.into()),
                None if self.is_in_use(store.record()).await => Some(IN_USE.into()),
                None => {
                    let kept = self.worth_keeping_there(&agent.id, store.record().keep).await;
                    match self.note_end(workspaces, store.record(), kept.clone()).await {
                        Ok(false) => Some(IN_USE.into()),
                        // Where it is not noted that it goes, nobody removes it.
                        Err(problem) if kept.is_none() && is_undecided(workspaces, id) => {
                            Some(unseen(&problem.detail))
                        }
                        Ok(true) | Err(_) => kept,
                    }
                }
            },
        };
        Some(WorkspaceEnd {
            kept: reason.is_some(),
            reason,
            path: root.join(id.as_str()).display().to_string(),
            volume: self.backend.workspace_volume(id),
            branch: asked.branch.clone(),
        })
    }

    async fn worth_keeping_there(&self, id: &AgentId, keep: WorkspaceKeep) -> Option<String> {
        match keep {
            WorkspaceKeep::Never => return None,
            WorkspaceKeep::Always => return Some("it was asked for".into()),
            WorkspaceKeep::Changed => {}
        }
        let host = self.registry.get(id).ok().map(|entry| entry.host_state());
        let Some(HostState::Connected(host)) = host else {
            return Some("its agent's host was gone before it could be looked at".into());
        };
        let looking = host.workspace::<Option<String>>(&WorkspaceCall::WorthKeeping);
        match tokio::time::timeout(END_TIMEOUT, looking).await {
            Ok(Ok(reason)) => reason.map(cut_reason),
            Ok(Err(problem)) => Some(unseen(&problem.detail)),
            Err(_) => Some("it could not be looked at in time".into()),
        }
    }

    /// Removes the volume of a clone that goes, when nothing uses it any more. What does not work in a minute is left to
    /// the next server, or a clean-up.
    pub(in crate::server) async fn discard_clone(&self, agent: &Agent) {
        if let Some((workspaces, store)) = self.clone_to_discard(agent) {
            // It was decided a moment ago. Where somebody else was in it, it is looked at again.
            let was_used = !store.record().users.is_empty() && store.record().keep != WorkspaceKeep::Never;
            self.discard(agent, workspaces, &store, was_used).await;
        }
    }

    /// The same of an agent that ended under an earlier server, which did not come to it: somebody may have worked in it since, so it is
    /// looked at again.
    pub(in crate::server) async fn discard_left_clone(&self, agent: &Agent) {
        if self.clone_to_discard(agent).is_none() {
            return;
        }
        let mut backoff = Backoff::new(REMOVAL_PAUSE, LONGEST_PAUSE);
        // A backend that does not say which hosts there are does not know yet either who returns.
        while let Err(problem) = self.backend.find_host(&agent.id).await {
            tracing::debug!(agent.id = %agent.id, %problem, "whether a workspace may be removed is not known yet");
            backoff.wait().await;
        }
        let _look = LEFT_LOOKS.acquire().await.expect("it is never closed");
        if let Some((workspaces, store)) = self.clone_to_discard(agent) {
            self.discard(agent, workspaces, &store, true).await;
        }
    }

    /// The clone of an agent that has ended, if it was decided that it goes.
    fn clone_to_discard(&self, agent: &Agent) -> Option<(&Workspaces, Workspace)> {
        let workspaces = self.workspaces.as_ref().filter(|_| self.clone_root().is_some())?;
        if agent.workspace.is_none() || self.backend.may_return(&agent.id) {
            return None;
        }
        let store = workspaces.known(workspace_of(agent).as_str()).ok()?;
        let goes = store.record().ending.as_ref().is_some_and(|ending| ending.kept.is_none());
        goes.then_some((workspaces, store))
    }

    /// Tries for about a minute. `was_used`: somebody may have worked in it since it was decided, so it is looked at again.
    async fn discard(&self, agent: &Agent, workspaces: &Workspaces, store: &Workspace, mut was_used: bool) {
        let id = workspace_of(agent);
        let mut backoff = Backoff::new(REMOVAL_PAUSE, LONGEST_PAUSE);
        let mut has_answered = false;
        for attempt in 0..DISCARDS {
            if attempt > 0 {
                backoff.wait().await;
            }
            match self.others_have_containers(store.record(), &agent.id).await {
                Ok(false) => {}
                // Whoever of them goes last takes it.
                Ok(true) => return,
                Err(problem) => {
                    has_answered |= problem.code != Code::RuntimeUnavailable;
                    tracing::warn!(agent.id = %id, %problem, "whether others use the volume of a workspace is not known now");
                    continue;
                }
            }
            let removed = match was_used {
                false => self.remove_free_clone(workspaces, id).await.map(|()| Outcome::Removed),
                true => self.finish_clone(workspaces, store).await,
            };
            match removed {
                Ok(Outcome::Removed) => return,
                Ok(Outcome::Kept(reason)) => {
                    tracing::info!(agent.id = %id, reason, "the volume of a workspace is left");
                    return;
                }
                Err(problem) => {
                    // Of an engine that does not answer nothing is known.
                    let is_answer = problem.code != Code::RuntimeUnavailable;
                    has_answered |= is_answer;
                    was_used |= is_answer;
                    tracing::warn!(agent.id = %id, %problem, "the volume of a workspace could not be removed now");
                }
            }
        }
        if !has_answered {
            // It still goes: the next server and `gc` look whether somebody has worked in it since.
            return;
        }
        // What its agent left was to go. What somebody else left since is another matter: nobody goes by what was decided now.
        let reason = match was_used {
            true => "something else used its volume when its agent had ended",
            false => LEFT,
        };
        drop(self.note_end(workspaces, store.record(), Some(reason.into())).await);
    }

    /// Whether something is left of another agent than this one that works or worked in it. What is left of this one is on its way out.
    async fn others_have_containers(&self, record: &Record, own: &AgentId) -> Result<bool, Problem> {
        for id in record.agents().filter(|id| *id != own) {
            if self.backend.find_host(id).await?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// After a spawn that failed, or of which nobody knows whether it did.
    pub(in crate::server) async fn undo_clone(
        &self,
        workspaces: &Workspaces,
        id: &AgentId,
        keep: WorkspaceKeep,
    ) -> Result<(), Problem> {
        let Ok(store) = workspaces.known(id.as_str()) else { return Ok(()) };
        let record = store.record();
        // What becomes of it was decided; that it goes, only by an undoing that did not come to its end.
        let is_kept = record.ending.as_ref().is_some_and(|ending| ending.kept.is_some());
        // Others have come to work in it: their end is its end.
        if is_kept || !record.users.is_empty() {
            return Ok(());
        }
        let kept = match keep {
            WorkspaceKeep::Never => None,
            _ => Some("the server went before its agent was known to run, so nobody has looked at it".into()),
        };
        let goes = kept.is_none();
        // Nobody comes to work in one that goes, once that is noted.
        match self.note_end(workspaces, record, kept).await {
            Ok(true) if goes => self.remove_clone(workspaces, id).await,
            Ok(_) => Ok(()),
            // Somebody else has removed it meanwhile.
            Err(problem) if problem.code == Code::NotFound => Ok(()),
            Err(problem) => Err(problem),
        }
    }

    /// Why a clone is kept, as it was when somebody last looked.
    pub(in crate::server) fn kept_clone(&self, store: &Workspace, in_use: bool) -> Option<String> {
        match &store.record().ending {
            Some(ending) => ending.kept.clone(),
            None if in_use => None,
            None => Some(UNSEEN.into()),
        }
    }

    /// What a clean-up does with a clone whose agents have ended: it is looked at again, whatever was found at their end, since others
    /// may have worked on its volume. One that somebody took away is forgotten. Fails with `CONFLICT` while something works on the volume.
    pub(in crate::server) async fn finish_clone(
        &self,
        workspaces: &Workspaces,
        store: &Workspace,
    ) -> Result<Outcome, Problem> {
        // One at a time: a look uses the volume, and would pass for somebody who works there.
        let _turn = self.clones_ending.lock().await;
        let record = store.record();
        if !self.backend.holds_workspace(&record.id).await? {
            self.remove_clone(workspaces, &record.id).await?;
            return Ok(Outcome::Removed);
        }
        let kept = match record.keep {
            WorkspaceKeep::Always => Some("it was asked for".into()),
            // Also one of which all was to go: it did not go with its agent, and may have had another one since.
            WorkspaceKeep::Never | WorkspaceKeep::Changed => match self.look_again(workspaces, store).await {
                Ok(kept) => kept,
                // What was decided once holds no longer.
                Err(problem) if problem.code == Code::Unsupported => {
                    Some(self.kept_clone(store, false).unwrap_or_else(|| LEFT.into()))
                }
                Err(problem) if problem.code == Code::Conflict => return Err(problem),
                Err(problem) => Some(unseen(&problem.detail)),
            },
        };
        if kept.is_none() && self.is_in_use(record).await {
            return Ok(Outcome::Kept(IN_USE.into()));
        }
        match self.note_end(workspaces, record, kept.clone()).await {
            Ok(true) => {}
            Ok(false) => return Ok(Outcome::Kept(IN_USE.into())),
            // Somebody else has removed it meanwhile.
            Err(problem) if problem.code == Code::NotFound => return Ok(Outcome::Removed),
            Err(problem) => return Err(problem),
        }
        if let Some(kept) = kept {
            return Ok(Outcome::Kept(kept));
        }
        self.remove_free_clone(workspaces, &record.id).await?;
        Ok(Outcome::Removed)
    }

    /// What would be lost with a clone in which no agent works: looked at where it is, and compared with what its origin has by now.
    async fn look_again(
        &self,
        workspaces: &Workspaces,
        store: &Workspace,
    ) -> Result<Option<String>, Problem> {
        let record = store.record();
        let found = self.look_into(&record.id).await?;
        if found.tips.is_empty() || workspaces.get(record.id.as_str()).is_err() {
            let has_commits = !found.tips.is_empty();
            return Ok(found.reason(has_commits));
        }
        self.check_source(record)?;
        let lacks = workspaces.lacks_any(store, &found.tips).await?;
        // To ask the origin takes its time.
        if !lacks && self.look_into(&record.id).await? != found {
            return Ok(Some(CHANGING.into()));
        }
        Ok(found.reason(lacks))
    }

    /// What would be lost with this clone, as the host's program says it.
    async fn look_into(&self, id: &AgentId) -> Result<Unpublished, Problem> {
        let said = self.backend.look_into_workspace(id).await?;
        let found: Unpublished = serde_json::from_slice(&said).map_err(Problem::internal)?;
        match found.is_sound() {
            true => Ok(found),
            false => Err(Problem::internal("what is in it is not understood")),
        }
    }

    /// Removes the volume, whatever is in it, and what is known of it.
    async fn remove_clone(&self, workspaces: &Workspaces, id: &AgentId) -> Result<(), Problem> {
        let mut attempt = 1;
        while let Err(problem) = self.remove_free_clone(workspaces, id).await {
            if attempt >= REMOVALS {
                return Err(problem);
            }
            attempt += 1;
            tokio::time::sleep(REMOVAL_PAUSE).await;
        }
        Ok(())
    }

    /// The same, if nothing uses the volume at this moment.
    async fn remove_free_clone(&self, workspaces: &Workspaces, id: &AgentId) -> Result<(), Problem> {
        self.backend.remove_workspace(id).await?;
        Ok(workspaces.forget_store(id.as_str()).await?)
    }
}

/// Whether a workspace is there of which nothing is decided.
fn is_undecided(workspaces: &Workspaces, id: &AgentId) -> bool {
    workspaces.known(id.as_str()).is_ok_and(|store| store.record().ending.is_none())
}
