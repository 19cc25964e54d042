//! Linux: `/proc`, handles of processes, control groups.

pub(crate) mod cgroup;
mod process;
mod start;

pub(crate) use process::{Process, Stat, all, arguments, owner, stat, variable};
pub(crate) use start::{Files, Started, reap, start, wait_for};
