//! What a workspace request may say, wherever it goes.

use super::{
    CommitRequest, MergeRequest, PullRequestRequest, PushRequest, WorkspaceCredentials, WorkspaceKeep,
    WorkspaceMode, WorkspaceRequest,
};
use crate::Problem;
use crate::text::is_plain;

/// The longest set-up command, in bytes.
pub const MAX_SETUP: usize = 16 * 1024;
/// The longest message of a commit, in bytes.
pub const MAX_COMMIT_MESSAGE: usize = 64 * 1024;
/// The longest title of a pull request, in bytes.
pub const MAX_PULL_REQUEST_TITLE: usize = 256;
/// The longest description of a pull request, in bytes.
pub const MAX_PULL_REQUEST_BODY: usize = 64 * 1024;
/// The longest author, in bytes.
const MAX_WORD: usize = 253;
/// The longest path or URL of a repository, in bytes: as long as a path of the system.
const MAX_REPO: usize = 4095;
/// The longest name of a commit, in bytes: as long as a file's, as which git keeps branches.
const MAX_REF: usize = 255;
/// The longest password or token, in bytes.
const MAX_SECRET: usize = 16 * 1024;
/// The longest name of a new branch, in bytes.
const MAX_BRANCH: usize = 200;

impl WorkspaceRequest {
    /// Checks every bound that does not depend on the place. Fails with `VALIDATION_ERROR` naming the field.
    pub fn check(&self) -> Result<(), Problem> {
        let Self { repo, reuse, r#ref, branch, setup, depth, mode, keep, credentials } = self;
        if reuse.is_some() {
            let of_new = [
                ("repo", !repo.is_empty()),
                ("ref", r#ref.is_some()),
                ("branch", branch.is_some()),
                ("depth", depth.is_some()),
                ("mode", mode.is_some()),
                ("credentials", credentials.is_some()),
                ("keep", *keep != WorkspaceKeep::default()),
            ];
            if let Some((field, _)) = of_new.iter().find(|(_, is_given)| *is_given) {
                let detail = "is of a new workspace: `reuse` takes one as it is";
                return Err(Problem::invalid(&format!("workspace.{field}"), detail));
            }
        } else {
            named("workspace.repo", repo, MAX_REPO)?;
        }
        r#ref.iter().try_for_each(|text| named("workspace.ref", text, MAX_REF))?;
        branch.iter().try_for_each(|text| named("workspace.branch", text, MAX_BRANCH))?;
        if setup
            .as_ref()
            .is_some_and(|setup| setup.trim().is_empty() || setup.len() > MAX_SETUP || setup.contains('\0'))
        {
            let detail = format!("a command has 1 to {MAX_SETUP} bytes, not all blank and none of them NUL");
            return Err(Problem::invalid("workspace.setup", detail));
        }
        if *depth == Some(0) {
            return Err(Problem::invalid("workspace.depth", "must be at least 1"));
        }
        if depth.is_some() && self.mode() == WorkspaceMode::Worktree && reuse.is_none() {
            let detail = "a worktree has the history of its repository: add `mode: clone`";
            return Err(Problem::invalid("workspace.depth", detail));
        }
        if self.is_remote() && *mode == Some(WorkspaceMode::Worktree) {
            return Err(Problem::invalid("workspace.mode", "a URL is cloned: leave `mode` out"));
        }
        let Some(WorkspaceCredentials { username, password }) = credentials else { return Ok(()) };
        if !self.is_remote() {
            return Err(Problem::invalid(
                "workspace.credentials",
                "they are for a URL, and `repo` is a directory",
            ));
        }
        username.iter().try_for_each(|text| named("workspace.credentials.username", text, MAX_WORD))?;
        let secret = password.expose();
        // Git reads one line.
        if secret.is_empty() || secret.len() > MAX_SECRET || secret.contains(['\0', '\n', '\r']) {
            let detail = format!("a password has 1 to {MAX_SECRET} bytes on one line");
            return Err(Problem::invalid("workspace.credentials.password", detail));
        }
        Ok(())
    }
}

impl CommitRequest {
    /// Fails with `VALIDATION_ERROR` naming the field.
    pub fn check(&self) -> Result<(), Problem> {
        message(&self.message)?;
        let Some(author) = &self.author else { return Ok(()) };
        let parts = author.strip_suffix('>').and_then(|rest| rest.split_once(" <"));
        let is_author = parts.is_some_and(|(name, address)| {
            !name.trim().is_empty() && !name.contains(['<', '>']) && !address.contains(['<', '>', ' '])
        });
        if !is_author || author.len() > MAX_WORD || !is_plain(author) {
            return Err(Problem::invalid("author", "an author is `Name <address>`"));
        }
        Ok(())
    }
}

impl PushRequest {
    /// Fails with `VALIDATION_ERROR` naming the field.
    pub fn check(&self) -> Result<(), Problem> {
        self.remote.iter().try_for_each(|text| named("remote", text, MAX_BRANCH))?;
        self.branch.iter().try_for_each(|text| named("branch", text, MAX_BRANCH))
    }
}

impl PullRequestRequest {
    /// Fails with `VALIDATION_ERROR` naming the field.
    pub fn check(&self) -> Result<(), Problem> {
        self.title.iter().try_for_each(|text| named("title", text, MAX_PULL_REQUEST_TITLE))?;
        self.base.iter().try_for_each(|text| named("base", text, MAX_BRANCH))?;
        if self.body.as_ref().is_some_and(|body| body.len() > MAX_PULL_REQUEST_BODY || body.contains('\0')) {
            let detail = format!("a description has at most {MAX_PULL_REQUEST_BODY} bytes, none of them NUL");
            return Err(Problem::invalid("body", detail));
        }
        Ok(())
    }
}

impl MergeRequest {
    /// Fails with `VALIDATION_ERROR` naming the field.
    pub fn check(&self) -> Result<(), Problem> {
        named("into", &self.into, MAX_BRANCH)?;
        self.message.iter().try_for_each(|text| message(text))
    }
}

fn message(text: &str) -> Result<(), Problem> {
    if text.trim().is_empty() || text.len() > MAX_COMMIT_MESSAGE || text.contains('\0') {
        let detail =
            format!("a message has 1 to {MAX_COMMIT_MESSAGE} bytes, not all blank and none of them NUL");
        return Err(Problem::invalid("message", detail));
    }
    Ok(())
}

fn named(field: &str, text: &str, most: usize) -> Result<(), Problem> {
    if text.is_empty() || text.len() > most || text.starts_with('-') || !is_plain(text) {
        let detail = format!(
            "1 to {most} bytes, not beginning with `-`, and none that control or turn the text or cannot be seen"
        );
        return Err(Problem::invalid(field, detail));
    }
    Ok(())
}
