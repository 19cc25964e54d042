//! Linux: `/proc`, handles of processes, control groups.

pub(crate) mod cgroup;
mod process;

pub(crate) use process::{Process, Stat, all, arguments, owner, stat, variable};
