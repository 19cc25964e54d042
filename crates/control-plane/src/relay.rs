//! Calls to an agent, proxied to the runtime that has it.
//!
//! The body of a request goes on as it came and the response comes back as it is, so that every refusal reaches the
//! caller in the runtime's own words. Two things are changed: an agent in a response carries the runtime's name here,
//! and headers about the connection itself are dropped.

mod call;
mod response;
pub mod terminal;

pub use call::Call;
pub use response::{agent, into_agent_response, into_response, problem, read};
