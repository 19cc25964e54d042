//! One step of a delivery: where the message is, what the session sees, what it is asked to do.

use std::time::Instant;

use parallax_api::Problem;
use parallax_profile::{Observation, Outcome};

/// The message in hand.
pub(super) struct Current {
    pub(super) id: String,
    pub(super) text: String,
    /// What is pasted for its images, before the text.
    pub(super) images: Vec<String>,
    /// How many of them the composer shows.
    pub(super) attached: usize,
    pub(super) phase: Phase,
    /// How often it was begun to paste it.
    pub(super) pastes: u32,
}

impl Current {
    /// Whether images are still to be pasted, or the composer is still to show the last one.
    pub(super) fn is_attaching(&self) -> bool {
        self.attached < self.images.len()
    }
}

/// How far it is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Phase {
    Clearing {
        tries: u32,
        again_at: Instant,
    },
    Pasting {
        target: u64,
        since: Instant,
    },
    /// An image was pasted: the composer is to show that it has it.
    Attaching {
        since: Instant,
    },
    Settling {
        since: Instant,
    },
    Entered {
        since: Instant,
        tries: u32,
        busy_since: Option<Instant>,
    },
    /// It cannot be delivered: the composer is emptied before that is said.
    Emptying {
        tries: u32,
        again_at: Instant,
        entered: bool,
    },
    Taken {
        idle_since: Option<Instant>,
    },
}

/// What the session is asked to do.
#[derive(Debug)]
pub enum Act {
    /// Write these bytes; when they are a paste, say with [`Delivery::pasted`](super::Delivery::pasted) which input offset ends them.
    Paste(Vec<u8>),
    /// Write these bytes.
    Keys(Vec<u8>),
    /// Enter was written: the message is `typed`.
    Typed(String),
    /// There is proof that it was taken.
    Taken(String),
    /// It could not be delivered, and cannot be taken any more.
    Failed(String, Problem),
    /// Nobody knows whether it was taken.
    Unknown(String, Problem),
    /// Its turn is over; its answer was reported, if there is one.
    Close(String, Outcome),
}

/// What the session sees.
pub struct DeliveryInput<'a> {
    /// The detector's desired.
    pub observation: &'a Observation,
    /// Input bytes that the terminal has taken.
    pub written: u64,
    /// How to encode keys.
    pub modes: &'a parallax_screen::Modes,
    /// When the program last printed something.
    pub last_output: Instant,
    /// When the program was last seen to compute, as far as that was looked at.
    pub computed_at: Option<Instant>,
    /// Whether the CLI says which prompt it took.
    pub reports_prompts: bool,
}
