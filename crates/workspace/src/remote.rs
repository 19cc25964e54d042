//! Where repositories come from over a network: which addresses are taken, and what a remote has.

use crate::error::WorkspaceError;
use crate::git::Git;

/// Protocols that a repository is cloned by.
pub const SCHEMES: &[&str] = &["https", "http", "ssh", "git"];

/// What stands before `upload-pack` for a repository of this machine: nothing of its configuration runs. Said here, because git
/// clears the configuration of a call before it serves a fetch.
const UPLOAD_HERE: &str = concat!(
    "--upload-pack=git -c core.hooksPath=/dev/null -c core.alternateRefsCommand=false -c core.fsmonitor=false",
    " -c gc.auto=0 upload-pack"
);

/// The beginning of a fetch: nothing is written beside the references that are named after it, and no submodule is fetched.
pub(crate) fn fetch(is_here: bool) -> Vec<&'static str> {
    let mut args = vec!["fetch", "--quiet", "--no-write-fetch-head", "--no-recurse-submodules"];
    if is_here {
        args.push(UPLOAD_HERE);
    }
    args
}

/// The host (with its port, where one is named) that a URL leads to.
///
/// # Errors
/// `Invalid` for what is no URL of a repository, or says more than where it is.
pub fn host(url: &str) -> Result<String, WorkspaceError> {
    let invalid = |why: &str| Err(WorkspaceError::Invalid(format!("the URL of the repository {why}")));
    let Some((scheme, rest)) = url.split_once("://") else { return invalid("has no `scheme://`") };
    if !SCHEMES.contains(&scheme) {
        return invalid(&format!("is none of {}", SCHEMES.join(", ")));
    }
    if url.bytes().any(|byte| byte <= b' ' || byte == 0x7f)
        || url.contains("::")
        || url.contains(['#', '?', '\\'])
    {
        return invalid("holds what no URL has");
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let (user, host) = match authority.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, authority),
    };
    // It is shown to everybody who sees the agent. Of ssh the user is part of the address.
    if user.is_some_and(|user| scheme != "ssh" || user.contains(':') || user.starts_with('-')) {
        return invalid("holds a name or password: they belong in `credentials`");
    }
    if host.is_empty() || host.starts_with('-') {
        return invalid("names no host");
    }
    Ok(host.to_ascii_lowercase())
}

/// What a remote repository has.
pub(crate) struct Remote {
    /// The branch that is checked out there, in full.
    head: Option<String>,
    /// References and the objects that they are at.
    references: Vec<(String, String)>,
}

impl Remote {
    /// Asks the repository at `url`.
    pub(crate) async fn ask(git: &Git, url: &str, is_here: bool) -> Result<Self, WorkspaceError> {
        let mut args = vec!["ls-remote", "--quiet", "--symref"];
        if is_here {
            args.push(UPLOAD_HERE);
        }
        args.extend(["--", url]);
        let output = git.run(args).await?;
        let (mut head, mut references) = (None, Vec::new());
        for line in String::from_utf8_lossy(&output).lines() {
            let Some((first, name)) = line.split_once('\t') else { continue };
            match first.strip_prefix("ref: ") {
                Some(target) if name == "HEAD" => head = Some(target.to_owned()),
                Some(_) => {}
                None => references.push((name.to_owned(), first.to_owned())),
            }
        }
        Ok(Self { head, references })
    }

    /// The reference to begin with, in full: `HEAD` for a checkout of no branch.
    pub(crate) fn reference(&self, asked: Option<&str>) -> Option<String> {
        let has = |name: &str| self.references.iter().any(|(known, _)| known == name);
        match asked {
            None => self.head.clone().filter(|head| has(head)).or_else(|| has("HEAD").then(|| "HEAD".into())),
            Some(asked) => [asked.to_owned(), format!("refs/heads/{asked}"), format!("refs/tags/{asked}")]
                .into_iter()
                .find(|name| name.starts_with("refs/") && has(name)),
        }
    }

    /// Whether one of its branches or tags is at this commit.
    pub(crate) fn has(&self, commit: &str) -> bool {
        let mut named = self.references.iter().filter(|(name, _)| is_branch_or_tag(name));
        named.any(|(_, known)| known == commit)
    }

    /// The branch that is checked out there.
    pub(crate) fn head(&self) -> Option<&str> {
        self.head.as_deref()
    }
}

fn is_branch_or_tag(name: &str) -> bool {
    name.starts_with("refs/heads/") || name.starts_with("refs/tags/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_addresses() {
        for (url, expected) in [
            ("https://Example.com/a/b.git", Some("example.com")),
            ("http://127.0.0.1:8080/x", Some("127.0.0.1:8080")),
            ("ssh://git@example.com:22/x", Some("example.com:22")),
            ("git://example.com/x", Some("example.com")),
            ("https://[::1]/x", None),
            ("https://user@example.com/x", None),
            ("https://user:word@example.com/x", None),
            ("ssh://git:word@example.com/x", None),
            ("ssh://-oProxyCommand=x@example.com/x", None),
            ("ssh://-oProxyCommand=x/x", None),
            ("ext::sh -c x", None),
            ("ext://sh", None),
            ("file:///etc", None),
            ("fd::17/x", None),
            ("https:///x", None),
            ("https://a b/x", None),
            ("example.com:x", None),
            ("https://example.com#@evil.example/x", None),
            ("https://example.com?@evil.example/x", None),
            ("https://example.com\\@evil.example/x", None),
        ] {
            assert_eq!(host(url).ok().as_deref(), expected, "{url}");
        }
    }
}
