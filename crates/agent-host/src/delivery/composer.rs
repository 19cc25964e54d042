//! What is pressed to empty a composer: before a message goes in, and after one that could not be delivered.

use std::time::Instant;

use parallax_profile::{Composer, Submit};
use parallax_screen::keys;

use super::problems;
use super::step::{Act, Current, DeliveryInput, Phase};
use super::timing::{CLEAR_PATIENCE, CLEAR_TRIES, CLEAR_WAIT, PASTE_POLL};

/// Only into an empty composer: what stands there would become part of the message.
pub(super) fn clear_or_paste(
    current: &mut Current,
    submit: &Submit,
    input: &DeliveryInput<'_>,
    tries: u32,
    again_at: Instant,
    now: Instant,
    acts: &mut Vec<Act>,
) {
    if now < again_at {
        return;
    }
    let mode = input.observation.composer_mode.as_ref();
    let holds = matches!(input.observation.composer, Composer::Holds(_));
    let is_unread = tries > 0 && input.last_output + CLEAR_WAIT <= again_at;
    if (holds || mode.is_some()) && is_unread && now < again_at + CLEAR_PATIENCE {
        return;
    }
    if !holds && mode.is_none() {
        current.attached = 0;
        acts.push(Act::Paste(next_paste(current, submit)));
        return;
    }
    if tries >= CLEAR_TRIES {
        acts.push(Act::Failed(current.id.clone(), problems::not_cleared()));
        return;
    }
    // In some modes text is cleared first, in others only after the mode was left: both in turn.
    let leave = mode.filter(|_| !holds || tries % 2 == 1).map(|mode| mode.leave.as_slice());
    for key in leave.unwrap_or_else(|| submit.keys_that_clear(tries)) {
        acts.extend(keys::encode(key, input.modes).map(Act::Keys));
    }
    current.phase = Phase::Clearing { tries: tries + 1, again_at: now + CLEAR_WAIT };
}

/// What is pasted next: an image, or the text once all of them are there.
pub(super) fn next_paste(current: &Current, submit: &Submit) -> Vec<u8> {
    if let Some(image) = current.images.get(current.attached) {
        return keys::paste(image);
    }
    let text = if submit.final_newline { format!("{}\n", current.text) } else { current.text.clone() };
    submit.pieces(&text).into_iter().flat_map(keys::paste).collect()
}

/// Empties the composer of a message that could not be delivered. Once Enter was pressed, only an empty composer proves
/// that the message cannot be taken any more.
pub(super) fn empty(
    current: &mut Current,
    submit: &Submit,
    input: &DeliveryInput<'_>,
    (tries, again_at, entered): (u32, Instant, bool),
    now: Instant,
    acts: &mut Vec<Act>,
) {
    if now < again_at {
        return;
    }
    let holds = matches!(input.observation.composer, Composer::Holds(_));
    let lines = u32::try_from(current.text.lines().count()).unwrap_or(CLEAR_TRIES).min(CLEAR_TRIES);
    // What the composer does not show yet may still be on its way to it: the keys follow it.
    let is_blind = !entered && tries <= lines;
    if tries < CLEAR_TRIES && (holds || is_blind) {
        for key in submit.keys_that_clear(if is_blind { 0 } else { tries }) {
            acts.extend(keys::encode(key, input.modes).map(Act::Keys));
        }
        let wait = if is_blind { PASTE_POLL } else { CLEAR_WAIT };
        current.phase = Phase::Emptying { tries: tries + 1, again_at: now + wait, entered };
    } else if entered && input.observation.composer != Composer::Empty {
        acts.push(Act::Unknown(current.id.clone(), problems::no_sign()));
    } else {
        let problem = match entered {
            true => problems::not_taken(),
            false if current.is_attaching() => problems::not_attached(current.attached + 1),
            false => problems::not_shown(),
        };
        acts.push(Act::Failed(current.id.clone(), problem));
    }
}
