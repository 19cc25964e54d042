//! The runtime server from outside, with a backend full of scripted hosts behind it.
//!
//! [`backend`] is one whose [`host`]s are small servers in this process that do what a test tells them. They outlive
//! the server under test, as real ones do. [`server`] starts and kills that server.

#![expect(clippy::unwrap_used, reason = "a test that meets what it did not expect has failed")]

mod adoption;
mod backend;
mod damage;
mod dead_hosts;
mod ending;
mod host;
mod measuring;
mod requests;
mod server;
mod terminal;
mod versions;
mod workspaces;
