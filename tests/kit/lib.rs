//! What the tests are made of; never shipped.
//!
//! A test starts a [`backend`] (a runtime server and its agents; [`local`] is the one of processes) and acts as its [`user`], who
//! spawns the [`fake_agent`], or a real CLI whose model is scripted by [`models`], and sends messages.
//!
//! - [`mod@conformance`]: the suite that every backend passes
//! - [`backend`], [`local`], [`docker`], [`k8s`], [`server`]: what is under test, started, killed, inspected
//! - [`registry`]: a registry of images
//! - [`repository`], [`git_server`]: repositories, and a server of them
//! - [`in_process`]: servers within the test's own process
//! - [`up`]: control plane and local runtime in one, as `parallax up` starts them
//! - [`user`], [`viewer`]: a client with a user's verbs; a terminal as plain as a page's
//! - [`pattern_run`]: a run of a pattern, followed
//! - [`fake_agent`]: a small scripted TUI, the program `parallax-fake-agent`
//! - [`served`]: a little server for an agent to start
//! - [`models`]: scripted models for the three model APIs, so that the real CLIs run without an account
//! - [`real_cli`](mod@real_cli): the real CLIs and what every one of them must do
//! - [`awkward_messages`], [`odd_messages`]: messages of every shape that has gone wrong on the way into a terminal, or could be taken for more
//! - [`chart`]: the Helm chart, rendered
//! - [`wait`]: bounded waits
//! - [`prometheus`]: what is scraped, and the dashboard over it
//! - [`processes`], [`programs`]: the processes of this machine; the built programs
//! - [`parallax`], [`pty`]: the program `parallax` run to its end, or in a terminal

pub mod awkward_messages;
pub mod backend;
pub mod chart;
pub mod conformance;
pub mod docker;
pub mod fake_agent;
pub mod git_server;
pub mod in_process;
pub mod k8s;
pub mod local;
pub mod models;
pub mod odd_messages;
pub mod own_host;
pub mod parallax;
pub mod pattern_run;
pub mod pictures;
pub mod ports;
pub mod processes;
pub mod programs;
pub mod prometheus;
pub mod pty;
pub mod real_cli;
pub mod registry;
pub mod repository;
pub mod served;
pub mod server;
pub mod up;
pub mod user;
pub mod viewer;
pub mod wait;
