//! The terminal held against xterm.js: `make test-terminal`.

mod differential;
mod grammar;
mod programs;
mod reference;
mod widths;
