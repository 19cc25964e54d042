//! Which files would conflict, before anybody merges.

use std::path::PathBuf;

use parallax_api::workspace::Conflicts;

use crate::carry::Incoming;
use crate::changes::MAX_FILES;
use crate::error::WorkspaceError;
use crate::git::Git;
use crate::identity::Identity;
use crate::scratch::Scratch;
use crate::workspace::Workspace;
use crate::workspaces::Workspaces;

/// The time of commits that nobody sees.
const NO_TIME: &str = "@0 +0000";

/// The other side of a comparison.
#[derive(Clone, Copy)]
pub enum Other<'a> {
    /// Another workspace of the same repository, with what is not committed there.
    Workspace(Side<'a>),
    /// A branch, tag or commit of the repository.
    Commit(&'a str),
}

/// A workspace with all that is in it.
#[derive(Clone, Copy)]
pub struct Side<'a> {
    /// The workspace; of one that the agent has elsewhere, its store.
    pub workspace: &'a Workspace,
    /// All that is in it, where the agent has it elsewhere. None: it is here, and is looked at.
    pub incoming: Option<&'a Incoming>,
}

impl<'a> From<&'a Workspace> for Side<'a> {
    fn from(workspace: &'a Workspace) -> Self {
        Self { workspace, incoming: None }
    }
}

/// What merging two commits comes to.
pub(crate) enum MergedTree {
    Clean(String),
    Conflicts(Vec<String>),
}

impl Workspaces {
    /// The files that would conflict if the workspace, with what is not committed in it, were merged with the other side.
    /// Nothing is merged, and nothing is written to the repository.
    ///
    /// # Errors
    /// `Invalid` for another side that is none, otherwise what git says.
    pub async fn conflicts(
        &self,
        ours: impl Into<Side<'_>>,
        other: Other<'_>,
    ) -> Result<Conflicts, WorkspaceError> {
        let ours = ours.into();
        let own = ours.workspace.record();
        let mut others: Vec<PathBuf> = ours.incoming.map(Incoming::objects).into_iter().collect();
        if let Other::Workspace(other) = other {
            if other.workspace.record().is_clone || own.is_clone {
                others.push(other.workspace.record().git_directory.join("objects"));
            }
            others.extend(other.incoming.map(Incoming::objects));
        }
        let scratch = Scratch::make_of(self.root(), &own.git_directory, &others).await?;
        let (with, theirs) = match other {
            Other::Workspace(other) => {
                let theirs = other.workspace.record();
                let is_same = match own.is_clone || theirs.is_clone {
                    true => own.source() == theirs.source(),
                    false => own.git_directory == theirs.git_directory,
                };
                if !is_same {
                    return Err(WorkspaceError::Invalid(
                        "the two are workspaces of different repositories".into(),
                    ));
                }
                (theirs.branch.clone(), other.commit(&scratch).await?)
            }
            Other::Commit(name) => {
                let repository = Git::open(&own.git_directory).await?;
                (name.to_owned(), repository.commit_of(name).await?)
            }
        };
        let ours = ours.commit(&scratch).await?;
        let mut files = match merged_tree(scratch.git(), &ours, &theirs).await? {
            MergedTree::Clean(_) => Vec::new(),
            MergedTree::Conflicts(files) => files,
        };
        let truncated = files.len() > MAX_FILES;
        files.truncate(MAX_FILES);
        Ok(Conflicts { with, files, truncated })
    }
}

impl Side<'_> {
    async fn commit(&self, scratch: &Scratch) -> Result<String, WorkspaceError> {
        match self.incoming {
            Some(incoming) => Ok(incoming.commit().to_owned()),
            None => self.workspace.snapshot(scratch).await,
        }
    }
}

impl Workspace {
    /// A commit of everything in the workspace as it is now, in `scratch` alone. The agent's index is not touched.
    pub(crate) async fn snapshot(&self, scratch: &Scratch) -> Result<String, WorkspaceError> {
        let git = self.git().await?;
        let index = self.scratch_index(&git).await?;
        let git = Identity::of_server().applied(scratch.storing_here(git.with_index(&index.path())));
        // The same files are the same commit, however often somebody looks: it is kept where it was brought to.
        let git = git.with_variable("GIT_AUTHOR_DATE", NO_TIME).with_variable("GIT_COMMITTER_DATE", NO_TIME);
        git.add("--all").await?;
        let tree = git.line(["write-tree"]).await?;
        index.check_there()?;
        git.line(["commit-tree", "-p", "HEAD", "-m", "as it is", &tree]).await
    }
}

/// Merges two commits without a worktree.
pub(crate) async fn merged_tree(git: &Git, ours: &str, theirs: &str) -> Result<MergedTree, WorkspaceError> {
    let args = ["merge-tree", "--write-tree", "--name-only", "--no-messages", "-z", ours, theirs];
    let answer = git.answer(args).await?;
    let mut fields = answer.stdout.split(|byte| *byte == 0).filter(|field| !field.is_empty());
    let tree = fields.next().map(|tree| String::from_utf8_lossy(tree).into_owned());
    match (answer.code, tree) {
        (Some(0), Some(tree)) => Ok(MergedTree::Clean(tree)),
        (Some(1), Some(_)) => {
            let mut files: Vec<String> =
                fields.map(|path| String::from_utf8_lossy(path).into_owned()).collect();
            files.sort_unstable();
            files.dedup();
            Ok(MergedTree::Conflicts(files))
        }
        _ => Err(WorkspaceError::Refused(answer.complaint)),
    }
}
