//! A workspace that is a repository of its own: a clone of another one, of this machine or at a URL.

use std::ffi::OsString;
use std::time::Duration;

use crate::credentials::{Askpass, Credentials};
use crate::error::WorkspaceError;
use crate::git::Git;
use crate::remote::{self, Remote};
use crate::workspace::Workspace;
use crate::workspaces::{CloneOptions, NewWorkspace, Workspaces};

/// Makes a repository that nothing is in, whatever is configured for new ones.
pub(crate) const INIT: [&str; 4] = ["init", "--quiet", "--template=", "--initial-branch=main"];
/// How long fetching a repository may take: less than a spawn may.
pub(crate) const FETCH_TIMEOUT: Duration = Duration::from_secs(240);

impl Workspaces {
    /// Fills the directory of a workspace that is recorded with a clone, and says with what it begins.
    pub(crate) async fn fill_clone(
        &self,
        workspace: &mut Workspace,
        new: &NewWorkspace,
        options: &CloneOptions,
    ) -> Result<(), WorkspaceError> {
        let directory = workspace.directory.clone();
        {
            use std::os::unix::fs::DirBuilderExt as _;
            std::fs::DirBuilder::new().mode(0o700).create(&directory)?;
        }
        let (address, is_here) = address(new, options);
        let plain = Git::open(&directory).await?;
        plain.run(INIT).await?;
        let askpass = options.credentials.as_ref().map(|known| known.askpass(self.root())).transpose()?;
        let fetching = reaching(plain.clone().with_time_limit(FETCH_TIMEOUT), askpass.as_ref());
        let origin = Remote::ask(&fetching, &address, is_here).await?;
        let asked = new.reference.as_deref();
        let reference = origin.reference(asked);
        let missing = |name: &str| {
            WorkspaceError::Invalid(format!(
                "the repository has no branch or tag `{name:.100}` to begin with"
            ))
        };
        let mut args: Vec<OsString> = remote::fetch(is_here).into_iter().map(Into::into).collect();
        // What the clone has for a reference there.
        let local = |name: &str| match name.strip_prefix("refs/heads/") {
            Some(branch) => format!("refs/remotes/origin/{branch}"),
            None if name == "HEAD" => "refs/parallax/head".into(),
            None => name.to_owned(),
        };
        match (options.depth, &reference) {
            (Some(depth), Some(reference)) => {
                args.extend([format!("--depth={depth}").into(), "--no-tags".into(), "--".into()]);
                args.extend([address.clone().into(), format!("+{reference}:{}", local(reference)).into()]);
            }
            // A commit cannot be asked for everywhere.
            (Some(_), None) => return Err(missing(asked.unwrap_or("HEAD"))),
            (None, _) => {
                args.extend(["--".into(), address.clone().into()]);
                args.extend(
                    ["+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*"].map(Into::into),
                );
                if reference.as_deref() == Some("HEAD") {
                    args.push("+HEAD:refs/parallax/head".into());
                }
            }
        }
        fetching.run(args).await?;
        drop(askpass);
        let first = match (&reference, asked) {
            (Some(reference), _) => local(reference),
            (None, Some(commit)) => commit.to_owned(),
            (None, None) => return Err(missing("HEAD")),
        };
        let record = &mut workspace.record;
        record.base = plain.commit_of(&first).await?;
        record.base_branch = Some(first).filter(|name| name.starts_with("refs/remotes/"));
        configure_origin(&plain, &address).await?;
        if let Some(head) = origin.head().filter(|head| head.starts_with("refs/heads/")) {
            let head = local(head);
            if plain.succeeds(["rev-parse", "--verify", "--quiet", "--end-of-options", &head]).await? {
                plain.run(["symbolic-ref", "refs/remotes/origin/HEAD", &head]).await?;
            }
        }
        plain.check_new_branch(&record.branch).await?;
        plain.create_branch(&record.branch, &record.base).await?;
        plain.run(["symbolic-ref", "HEAD", &format!("refs/heads/{}", record.branch)]).await?;
        if options.is_store {
            return Ok(());
        }
        // Filters of the user's own configuration are off, as everywhere.
        Git::open(&directory).await?.run(["reset", "--hard", "--quiet"]).await.map(drop)
    }

    /// Git that may say who it is to the repository that this clone was made of.
    pub(crate) fn askpass_of(&self, workspace: &Workspace) -> Result<Option<Askpass>, WorkspaceError> {
        let known = Credentials::read(&self.credentials(workspace.record.id.as_str()))?;
        Ok(known.map(|known| known.askpass(self.root())).transpose()?)
    }
}

/// Where to fetch from, and whether that is on this machine.
fn address(new: &NewWorkspace, options: &CloneOptions) -> (String, bool) {
    match &options.url {
        Some(url) => (url.clone(), false),
        None => (new.repository.to_string_lossy().into_owned(), true),
    }
}

/// Makes this address the `origin` of a clone.
pub(crate) async fn configure_origin(git: &Git, address: &str) -> Result<(), WorkspaceError> {
    for (key, value) in [
        ("remote.origin.url", address),
        ("remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*"),
        ("gc.auto", "0"),
    ] {
        git.run(["config", "--local", key, value]).await?;
    }
    Ok(())
}

/// Git over a network: as the user of this machine, or as the credentials say.
pub(crate) fn reaching(git: Git, askpass: Option<&Askpass>) -> Git {
    // Where a server leads elsewhere, nobody allowed that place.
    let git = git.with_setting("http.followRedirects=false");
    match askpass {
        Some(askpass) => askpass.applied(git),
        None => match std::env::var_os("SSH_AUTH_SOCK") {
            Some(agent) => git.with_variable("SSH_AUTH_SOCK", agent),
            None => git,
        },
    }
}
