//! What a clone has that its remotes are not known to have. Whoever has the store may find it there all the same.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::error::WorkspaceError;
use crate::record::cut_reason;
use crate::workspace::Workspace;

/// Commits that are looked at, at most: with more there is something to keep.
const MAX_COMMITS: usize = 5000;
/// Commits that others are asked for, at most.
const MAX_TIPS: usize = 100;

/// What would be lost with a clone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Unpublished {
    /// Why it is worth keeping, whatever anybody else has.
    pub loss: Option<String>,
    /// Its commits that no remote is known to have.
    pub commits: usize,
    /// Those of them that no other one of them has as its parent: whoever has these has all.
    pub tips: Vec<String>,
}

impl Workspace {
    /// What would be lost with this clone: what is in no commit, what is stashed, and commits.
    ///
    /// # Errors
    /// What git says.
    pub async fn unpublished(&self) -> Result<Unpublished, WorkspaceError> {
        let lost = |why: String| Unpublished { loss: Some(why), ..Unpublished::default() };
        if self.record.base.is_empty() {
            // It was never whole, so nobody has worked in it.
            return Ok(Unpublished::default());
        }
        let git = self.git().await?;
        if !git.status().await?.is_clean() {
            return Ok(lost("something in it is not committed".into()));
        }
        if git.succeeds(["rev-parse", "--verify", "--quiet", "refs/stash"]).await? {
            return Ok(lost("something in it is stashed".into()));
        }
        let most = format!("--max-count={}", MAX_COMMITS + 1);
        let args = ["rev-list", "--parents", &most, "HEAD", "--branches", "--tags", "--not", "--remotes"];
        let listed = git.line(args.into_iter().chain([self.record.base.as_str()])).await?;
        let lines = listed.lines().filter(|line| !line.is_empty());
        let lines: Vec<Vec<&str>> = lines.map(|line| line.split(' ').collect()).collect();
        let parents: HashSet<&str> = lines.iter().flat_map(|line| &line[1..]).copied().collect();
        let tips: Vec<String> =
            lines.iter().map(|line| line[0]).filter(|tip| !parents.contains(tip)).map(Into::into).collect();
        if lines.len() > MAX_COMMITS || tips.len() > MAX_TIPS {
            return Ok(lost(on_no_remote(lines.len())));
        }
        Ok(Unpublished { loss: None, commits: lines.len(), tips })
    }
}

impl Unpublished {
    /// Why the clone is worth keeping, of a length that can be kept; `lacks` says whether anybody lacks its tips.
    pub fn reason(self, lacks: bool) -> Option<String> {
        self.loss.or_else(|| lacks.then(|| on_no_remote(self.commits))).map(cut_reason)
    }

    /// Whether these are commits, as whoever sent this may be anybody.
    pub fn is_sound(&self) -> bool {
        let is_id = |tip: &String| matches!(tip.len(), 40 | 64) && tip.bytes().all(|b| b.is_ascii_hexdigit());
        self.tips.len() <= MAX_TIPS
            && self.tips.iter().all(is_id)
            && (self.commits == 0) == self.tips.is_empty()
    }
}

fn on_no_remote(commits: usize) -> String {
    format!("{commits} of its commits are on no remote")
}
