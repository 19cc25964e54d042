//! The real program with real hosts and bash as the agent. [`program`] starts and kills it.

#![expect(clippy::unwrap_used, reason = "a test that meets what it did not expect has failed")]

mod agents;
mod program;
mod survival;
