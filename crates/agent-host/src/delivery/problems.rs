//! Why a message was not delivered.

use parallax_api::{Code, Problem};

/// Something stands in the composer that no key removes.
pub(super) fn not_cleared() -> Problem {
    Problem::new(
        Code::AgentFailed,
        "the agent's composer holds text that cannot be cleared; look at its screen and clear it by hand",
    )
}

/// The paste was never read.
pub(super) fn not_read() -> Problem {
    Problem::new(
        Code::AgentFailed,
        "the agent did not read the message from its terminal; look at its screen",
    )
}

/// It was pasted and never seen.
pub(super) fn not_shown() -> Problem {
    Problem::new(
        Code::AgentFailed,
        "the message did not show in the agent's composer, so it was not entered; look at its screen",
    )
}

/// The CLI shows no sign that it has this image; `number` counts from one.
pub(super) fn not_attached(number: usize) -> Problem {
    let detail = format!(
        "the agent shows no sign of having read image {number}, so the message was not entered; look at its screen"
    );
    Problem::new(Code::AgentFailed, detail).with("field", format!("images[{}]", number - 1))
}

/// Enter was pressed, and nothing followed.
pub(super) fn no_sign() -> Problem {
    Problem::new(
        Code::Timeout,
        "it is not known whether the agent took the message: there was no sign of it; look at its screen before you send \
         it again",
    )
    .with("state", "unknown")
}

/// Enter was pressed, and the text stayed.
pub(super) fn not_taken() -> Problem {
    Problem::new(Code::AgentFailed, "the agent shows no sign of having taken the message; look at its screen")
}
