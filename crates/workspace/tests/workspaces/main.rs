//! Workspaces of real repositories, compared with what plain git says.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bed;
mod bent;
mod carrying;
mod clones;
mod ending;
mod hostile;
mod looking;
mod making;
mod pushing;
mod restoring;
