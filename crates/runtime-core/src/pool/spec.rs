//! What an operator says of a pool.

use std::str::FromStr;

use anyhow::{Context as _, ensure};
use parallax_api::agent::is_class;
use serde::Deserialize;

/// The most hosts that wait for one type and class.
const MAX_SIZE: usize = 32;

/// How many hosts wait for agents of a type and class.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PoolSpec {
    /// The agent type.
    pub r#type: String,
    /// The class; none: agents without one, or of the default class.
    #[serde(default)]
    pub class: Option<String>,
    /// How many wait.
    pub size: usize,
}

impl FromStr for PoolSpec {
    type Err = anyhow::Error;

    /// `TYPE=SIZE` or `TYPE/CLASS=SIZE`.
    fn from_str(text: &str) -> anyhow::Result<Self> {
        let (what, size) = text.split_once('=').context("a pool is TYPE=SIZE or TYPE/CLASS=SIZE")?;
        let (r#type, class) = match what.split_once('/') {
            Some((r#type, class)) => (r#type, Some(class.to_owned())),
            None => (what, None),
        };
        let size = size.parse().with_context(|| format!("`{size}` is no number of hosts"))?;
        Ok(Self { r#type: r#type.to_owned(), class, size })
    }
}

impl PoolSpec {
    /// Fails for what cannot be a pool.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        ensure!(!self.r#type.is_empty(), "a pool needs an agent type");
        ensure!((1..=MAX_SIZE).contains(&self.size), "a pool has 1 to {MAX_SIZE} hosts, not {}", self.size);
        ensure!(self.class.as_deref().is_none_or(is_class), "a pool's class is the name of a class");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pools_as_flags_have_them() {
        let pool = |text: &str| text.parse::<PoolSpec>().ok().filter(|pool| pool.check().is_ok());
        let of = |class: Option<&str>, size| {
            Some(PoolSpec { r#type: "claude".into(), class: class.map(str::to_owned), size })
        };
        assert_eq!(pool("claude=3"), of(None, 3));
        assert_eq!(pool("claude/small=1"), of(Some("small"), 1));
        for bad in ["claude", "claude=0", "claude=33", "claude=x", "=2", "claude/=2", "claude/A b=2"] {
            assert_eq!(pool(bad), None, "{bad}");
        }
    }
}
