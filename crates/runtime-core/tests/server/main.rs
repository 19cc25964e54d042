//! The runtime server from outside, with a place full of scripted hosts behind it.
//!
//! [`place`] is a backend whose [`host`]s are small servers in this process that do what a test tells them. They outlive
//! the server under test, as real ones do. [`bed`] starts and kills that server.

#![expect(clippy::unwrap_used, reason = "a test that meets what it did not expect has failed")]

mod adoption;
mod bed;
mod damage;
mod dead_hosts;
mod ending;
mod host;
mod place;
mod requests;
mod terminal;
mod versions;
