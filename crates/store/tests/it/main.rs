//! The store over real files: old, damaged, locked.

#![expect(clippy::unwrap_used, reason = "tests")]

mod damage;
mod directory;
mod fixture;
mod keys;
mod old_databases;
