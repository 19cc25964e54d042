//! One process per agent: it owns the agent's terminal and the memory of it, and outlives the servers.
//!
//! How output moves: [`terminal`] reads the PTY → [`session`] feeds the screen, the output [`log`] and the
//! [`viewers`], and asks the detector what it means → what changed is published and appended to the [`journal`].
//!
//! How a message moves: [`routes`] → [`session`] → [`inbox`] (it waits) → [`delivery`] (typed, entered, proved) →
//! [`turn`] (its answers) → [`inbox`] again, and the journal.
//!
//! How an agent ends: [`leaving`] (ask, wait, insist) → [`reaper`] (who ended, and how) → [`tree`] (nothing of it is
//! left), and leaves a [`memory`] to go on from. [`serve`] puts it all together; [`hook`] is the other end of a CLI's own reports, [`record`] of the files it
//! writes. In a container there is also a [`door`] to the network, [`contained`] environment and memory, [`relay`]
//! for containers without a network, and [`install`] for images without this program.

pub mod answering;
pub mod asciicast;
pub mod characters;
pub mod contained;
pub mod delivery;
pub mod door;
pub mod hook;
pub mod inbox;
pub mod install;
pub mod journal;
pub mod leaving;
pub mod log;
pub mod memory;
pub mod passing;
pub mod plain;
pub mod reaper;
pub mod record;
pub mod relay;
pub mod routes;
pub mod serve;
pub mod session;
pub mod terminal;
pub mod tree;
pub mod turn;
pub mod viewers;
