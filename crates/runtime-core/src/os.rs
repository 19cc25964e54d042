//! What this crate asks of the operating system beyond POSIX: which boot of the machine this is, and a clock that
//! nobody sets. Another system is another file beside `os/linux.rs` with the same functions.

#[cfg(target_os = "linux")]
mod linux;

#[cfg(target_os = "linux")]
pub use linux::*;

#[cfg(not(target_os = "linux"))]
compile_error!(
    "this crate knows Linux alone: write `os` for this system with the functions of `os/linux.rs`"
);
