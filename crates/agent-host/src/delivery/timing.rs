//! How long each step of a delivery may take, and how often it is tried.

use std::time::{Duration, Instant};

use parallax_profile::Submit;

/// How often it is looked whether the program has read the paste.
pub(super) const PASTE_POLL: Duration = Duration::from_millis(5);
/// A program that has not read a whole paste by then will not.
pub(super) const PASTE_LIMIT: Duration = Duration::from_secs(60);
/// Between two attempts to clear the composer.
pub(super) const CLEAR_WAIT: Duration = Duration::from_millis(150);
/// … when the program has printed something meanwhile. One that is busy reads the keys later.
pub(super) const CLEAR_PATIENCE: Duration = Duration::from_secs(2);
/// Attempts to clear the composer; each clears a line or all.
pub(super) const CLEAR_TRIES: u32 = 20;
/// Enters that are tried while the text still stands in the composer.
pub(super) const ENTER_TRIES: u32 = 3;
/// With the text gone from the composer and no proof: how long the turn may take to show.
pub(super) const PROOF_LIMIT: Duration = Duration::from_secs(90);
/// … and while the program prints nothing at all, or computes: Gemini does for minutes over a single line of 100 kB when
/// the machine is busy, and takes it then.
pub(super) const SILENT_PROOF_LIMIT: Duration = Duration::from_secs(600);
/// Without the CLI's own word for the prompt that it took, work that goes on for so long is the proof.
pub(super) const WORK_IS_PROOF: Duration = Duration::from_secs(3);
/// A paste that does not show in the composer by then will not be entered.
pub(super) const ECHO_LIMIT: Duration = Duration::from_secs(60);
/// A paste of which an answering program has shown nothing for so long was lost: it is pasted again.
pub(super) const LOST_AFTER: Duration = Duration::from_secs(5);
/// Pastes of one message.
pub(super) const PASTES: u32 = 3;
/// An image that was read shows by then, when something else does: it was taken for text.
pub(super) const ATTACH_LIMIT: Duration = Duration::from_secs(20);
/// A text of more lines may not fit in a composer: then its end need not show.
pub(super) const TALL_LINES: usize = 8;
/// An agent that has been ready for so long has ended its turn, also when its end was not seen.
pub(super) const IDLE_LIMIT: Duration = Duration::from_secs(5);

pub(super) fn settle(submit: &Submit) -> Duration {
    Duration::from_millis(submit.settle_ms)
}

pub(super) fn echo_timeout(submit: &Submit) -> Duration {
    Duration::from_millis(submit.echo_timeout_ms)
}

pub(super) fn proof_timeout(submit: &Submit) -> Duration {
    Duration::from_millis(submit.proof_timeout_ms)
}

/// The first of several points after `since` that still lies ahead.
pub(super) fn next_of(now: Instant, since: Instant, waits: &[Duration]) -> Instant {
    waits.iter().map(|wait| since + *wait).filter(|at| *at > now).min().unwrap_or(now + CLEAR_WAIT)
}
