//! The other end of an agent host's socket: reach it ([`Dial`]), ask it ([`HostClient`]), follow its journal
//! ([`HostEvents`]), watch its terminal ([`HostTerminal`]), hand viewers over to it.

mod address;
mod client;
mod dial;
mod events;
mod handover;
mod terminal;

pub use address::HostAddress;
pub(crate) use client::away;
pub use client::{HostAnswer, HostClient};
pub use dial::{ByteStream, Dial};
pub use events::{HostEvents, ReceivedLine};
pub(crate) use handover::Handover;
pub use terminal::HostTerminal;
pub(crate) use terminal::{to_host, to_viewer};
