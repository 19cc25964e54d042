//! The terminal held against xterm.js: `make test-terminal`.

mod differential;
mod grammar;
mod reference;
mod widths;
