//! What this crate asks of the operating system beyond POSIX: the processes of the machine, whose orphans come to the
//! host, which boot this is, files below a directory, who listens on
//! TCP. Another system is another file beside `os/linux.rs` with the same
//! functions.

#[cfg(target_os = "linux")]
mod linux;

#[cfg(target_os = "linux")]
pub(crate) use linux::*;

#[cfg(not(target_os = "linux"))]
compile_error!(
    "this crate knows Linux alone: write `os` for this system with the functions of `os/linux.rs`"
);
