//! The image of an agent.

use std::collections::BTreeMap;

use clap::ValueEnum;
use serde::Deserialize;

use crate::resource::ParallaxAgentSpec;

/// When nodes pull images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pull {
    /// Before each start.
    Always,
    /// When a node does not have it.
    #[default]
    Missing,
    /// Never.
    Never,
}

impl Pull {
    /// The pod's `imagePullPolicy`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Always => "Always",
            Self::Missing => "IfNotPresent",
            Self::Never => "Never",
        }
    }
}

/// The images of the agent types.
#[derive(Clone, Debug, Default)]
pub(crate) struct Images(BTreeMap<String, String>);

impl Images {
    pub(crate) fn new(named: BTreeMap<String, String>) -> Self {
        Self(named)
    }

    /// The image of an agent: its own, the one named for its type, or the one that `make images` builds for it.
    pub(crate) fn of(&self, spec: &ParallaxAgentSpec) -> String {
        let named = || self.0.get(&spec.r#type).cloned();
        spec.image.clone().or_else(named).unwrap_or_else(|| format!("parallax-agent-{}:latest", spec.r#type))
    }
}
