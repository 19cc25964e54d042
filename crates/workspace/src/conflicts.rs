//! Which files would conflict, before anybody merges.

use parallax_api::workspace::Conflicts;

use crate::changes::MAX_FILES;
use crate::error::WorkspaceError;
use crate::git::Git;
use crate::identity::Identity;
use crate::scratch::Scratch;
use crate::workspace::Workspace;
use crate::workspaces::Workspaces;

/// The other side of a comparison.
#[derive(Clone, Copy, Debug)]
pub enum Other<'a> {
    /// Another workspace of the same repository, with what is not committed there.
    Workspace(&'a Workspace),
    /// A branch, tag or commit of the repository.
    Commit(&'a str),
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
        workspace: &Workspace,
        other: Other<'_>,
    ) -> Result<Conflicts, WorkspaceError> {
        let own = workspace.record();
        let second = match other {
            Other::Workspace(other) if other.record().is_clone || own.is_clone => {
                Some(other.record().git_directory.as_path())
            }
            _ => None,
        };
        let scratch = Scratch::make_of(self.root(), &own.git_directory, second).await?;
        let (with, theirs) = match other {
            Other::Workspace(other) => {
                let (ours, theirs) = (own, other.record());
                let is_same = match ours.is_clone || theirs.is_clone {
                    true => ours.source() == theirs.source(),
                    false => ours.git_directory == theirs.git_directory,
                };
                if !is_same {
                    return Err(WorkspaceError::Invalid(
                        "the two are workspaces of different repositories".into(),
                    ));
                }
                (other.record().branch.clone(), other.snapshot(&scratch).await?)
            }
            Other::Commit(name) => {
                let repository = Git::open(&workspace.record().git_directory).await?;
                (name.to_owned(), repository.commit_of(name).await?)
            }
        };
        let ours = workspace.snapshot(&scratch).await?;
        let mut files = match merged_tree(scratch.git(), &ours, &theirs).await? {
            MergedTree::Clean(_) => Vec::new(),
            MergedTree::Conflicts(files) => files,
        };
        let truncated = files.len() > MAX_FILES;
        files.truncate(MAX_FILES);
        Ok(Conflicts { with, files, truncated })
    }
}

impl Workspace {
    /// A commit of everything in the workspace as it is now, in `scratch` alone. The agent's index is not touched.
    async fn snapshot(&self, scratch: &Scratch) -> Result<String, WorkspaceError> {
        let git = self.git().await?;
        let index = self.scratch_index(&git).await?;
        let git = Identity::of_server().applied(scratch.storing_here(git.with_index(&index.path())));
        // A file that cannot be read is left out.
        git.succeeds(["add", "--all", "--ignore-errors", "--", "."]).await?;
        let tree = git.line(["write-tree"]).await?;
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
