//! One process per agent. The host owns the agent's terminal, conversation and history, and outlives the servers.
//!
//! How output moves: [`terminal`] reads the PTY → [`session`] feeds the screen, the output [`log`] and the
//! [`viewers`] (one of which may hold the [`lease`] on its size), and runs the detector → what changed is published and appended to the [`journal`].
//!
//! How a message moves: [`routes`] → [`session`] → [`inbox`] (queue) → [`delivery`] (typed, entered, proved) →
//! [`turn`] (its output) → [`inbox`] again, and the journal.
//!
//! How an agent ends: [`termination`] (ask, wait, kill) → [`reaper`] (exit status) → [`process_tree`] (no process of
//! the agent is left). It leaves a [`resume`] file, from which the next host of the same directory goes on.
//!
//! [`serve`] puts it all together. [`hook`] is the program that CLIs run as their hooks, [`session_file`] follows the
//! files that a CLI writes itself. For containers there are [`container`] (environment, memory limit), [`tcp`] (a
//! listener behind a token), [`relay`] (no network), [`reach`] (what the network gives), [`install`] (images without this
//! program), [`waiting`] (for a launch that comes later), `contacts` (whether a server still asks) and [`export`] (what a dead host left on a volume). [`peer`] keeps
//! agents from driving hosts, [`files`] (archives by [`tar_stream`]) hands out what lies in the working directory, [`images`]
//! keeps those of messages, [`ports`] connects to what the agent serves, [`workspace`] makes the clone that it works in and runs
//! git there, `disk_watch` holds the agent to its disk space, `os` is what is asked of the operating system, [`diagnostics`] is
//! the host's own log, [`regular_file`] opens what agents may have replaced, [`allocator`] and `stack` give memory back.

pub mod allocator;
pub mod asciicast;
pub mod auto_dismiss;
pub mod characters;
mod contacts;
pub mod container;
pub mod cpu_watch;
pub mod delivery;
pub mod diagnostics;
pub mod dialog_answer;
mod disk_watch;
pub mod excerpt;
pub mod export;
pub mod files;
pub mod hook;
pub mod images;
pub mod inbox;
pub mod install;
pub mod journal;
pub mod lease;
pub mod log;
pub mod message_log;
pub mod ndjson;
mod os;
pub mod peer;
pub mod peer_listener;
pub mod ports;
pub mod process_tree;
mod pty;
pub mod reach;
pub mod reaper;
pub mod regular_file;
pub mod relay;
pub mod resume;
pub mod routes;
pub mod same_question;
pub mod serve;
pub mod session;
pub mod session_file;
mod stack;
pub mod tail_mark;
pub mod tar_stream;
pub mod tcp;
pub mod terminal;
pub mod termination;
pub mod turn;
pub mod viewers;
pub mod waiting;
pub mod workspace;
