//! The warm pool: containers whose hosts wait for a launch, so that an agent starts without the engine.
//!
//! A waiting container is an agent's in everything but the launch: the image of its type, the limits of its class, an empty
//! workdir. Its host has been started and reads its standard input, on which the launch comes, as on a cold start; it listens to
//! nothing before. Claimed, the container gets the agent's name and is the agent's for good: none is used twice. The server
//! holds the standard input of those that wait, so they end with it; what is left of them the next server removes.
//!
//! What an operator says, the launch that containers are made for and the metrics are [`parallax_runtime_core::pool`]'s. `slots`: which wait. `filling` makes them, `claim`
//! gives one to an agent, `container` is both's part in the engine.

pub(crate) mod claim;
pub(crate) mod container;
pub(crate) mod filling;
pub(crate) mod slots;
