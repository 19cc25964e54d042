//! What backends with a warm pool have in common. A pool keeps containers or pods whose hosts wait for a launch, for agents of a type
//! and class that ask for nothing of their own.
//!
//! `spec`: what an operator says. `template`: the launch that they are made for. `metrics`: how many wait and how agents were started.

mod metrics;
mod spec;
mod template;

pub use metrics::{PoolMetrics, Start};
pub use spec::PoolSpec;
pub use template::templates;
