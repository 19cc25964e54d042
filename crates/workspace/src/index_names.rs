//! The names in an index, which an agent can write as it likes: git checks them when it adds a file, not when it reads the index.

use crate::error::WorkspaceError;
use crate::git::Git;

/// How long the names of an index may be together, in bytes.
const MAX_NAMES: usize = 64 << 20;

impl Git {
    /// Fails with `Invalid` when the index names a file outside of the worktree, or one of git's own: its content would be shown as
    /// that of a file of the worktree.
    pub(crate) async fn check_index(&self) -> Result<(), WorkspaceError> {
        let names = self.clone().with_output_limit(MAX_NAMES).run(["ls-files", "-z"]).await?;
        match names.split(|byte| *byte == 0).find(|name| !name.is_empty() && leads_out(name)) {
            Some(name) => Err(WorkspaceError::Invalid(format!(
                "the index of the worktree names `{:.200}`, which is no file of it",
                String::from_utf8_lossy(name)
            ))),
            None => Ok(()),
        }
    }
}

fn leads_out(name: &[u8]) -> bool {
    name.split(|byte| *byte == b'/')
        .any(|part| matches!(part, b"" | b"." | b"..") || part.eq_ignore_ascii_case(b".git"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lies_in_the_worktree() {
        for name in ["a", "a/b", ".gitignore", "..a/b..", "a/...", "-x", " ", "a\nb"] {
            assert!(!leads_out(name.as_bytes()), "{name}");
        }
        for name in ["../a", "a/../b", "/etc/passwd", ".git/config", "a/.GIT/hooks/x", "./a", "a//b", ".."] {
            assert!(leads_out(name.as_bytes()), "{name}");
        }
    }
}
