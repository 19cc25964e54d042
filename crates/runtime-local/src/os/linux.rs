//! Linux: `/proc`, handles of processes, control groups, flags of directories.

pub(crate) mod cgroup;
mod process;
mod spread;
mod start;

pub(crate) use process::{Image, Process, Stat, all, arguments, owner, stat, variable};
pub(crate) use spread::spread;
pub(crate) use start::{Files, Started, reap, start, wait_for};
