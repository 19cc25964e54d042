//! Images before the text of a message: each is pasted alone, and seen in the composer before anything follows it.

use std::borrow::Cow;
use std::time::Instant;

use parallax_api::text::visible;
use parallax_profile::{Composer, Submit};

use super::composer::next_paste;
use super::step::{Act, Current, DeliveryInput, Phase};
use super::timing::{ATTACH_LIMIT, ECHO_LIMIT, LOST_AFTER, PASTES};

/// What was typed, to know it again when the CLI says which prompt it took.
pub(super) struct Prompt {
    pub(super) text: String,
    pub(super) images: Vec<String>,
}

/// Goes on to the next image, or to the text, once the composer shows that the CLI has this image. A message whose image
/// does not show is not entered: the model would answer about an image that it was not given.
pub(super) fn attach(
    current: &mut Current,
    submit: &Submit,
    input: &DeliveryInput<'_>,
    since: Instant,
    now: Instant,
    acts: &mut Vec<Act>,
) {
    let waited = now - since;
    let composer = &input.observation.composer;
    let is_plain = input.observation.composer_mode.is_none();
    let beside = submit.images.as_ref().and_then(|rule| rule.beside(composer, current.attached + 1));
    if is_plain && beside == Some(Composer::Empty) {
        current.attached += 1;
        acts.push(Act::Paste(next_paste(current, submit)));
    } else if current.attached == 0
        && *composer == Composer::Empty
        && waited >= LOST_AFTER
        && input.last_output > since
        && current.pastes < PASTES
    {
        current.phase = Phase::Clearing { tries: 0, again_at: now };
    } else if waited >= ECHO_LIMIT || waited >= ATTACH_LIMIT && matches!(composer, Composer::Holds(_)) {
        current.phase = Phase::Emptying { tries: 0, again_at: now, entered: false };
    }
}

/// The text of the message, and what the composer shows beside its images. An empty composer while an image is missing:
/// without it the message does not count as shown.
pub(super) fn text_beside_images<'a>(
    current: &'a Current,
    submit: &Submit,
    composer: &'a Composer,
) -> (Cow<'a, str>, Cow<'a, Composer>) {
    let rule = submit.images.as_ref().filter(|_| !current.images.is_empty());
    let Some(rule) = rule else { return (Cow::Borrowed(&current.text), Cow::Borrowed(composer)) };
    if *composer == Composer::Absent {
        return (Cow::Borrowed(&current.text), Cow::Borrowed(composer));
    }
    let text = rule.without_marks(&current.text);
    let count = current.images.len() + rule.count(&current.text);
    // Of a text that does not fit the end is shown, and images stand before it: they have been seen.
    let is_end = |beside: &Composer| matches!(beside, Composer::Holds(end) if visible(end) != visible(&text));
    let beside = rule.beside(composer, count).or_else(|| rule.beside_some(composer, count).filter(is_end));
    (Cow::Owned(text), Cow::Owned(beside.unwrap_or(Composer::Empty)))
}

/// Whether the CLI took what was typed: the same text, apart from white space, from what cannot be seen, and from what stands
/// for images.
pub(super) fn is_same(submit: &Submit, prompt: &str, typed: &Prompt) -> bool {
    match submit.images.as_ref().filter(|_| !typed.images.is_empty()) {
        Some(rule) => visible(&rule.untold(prompt)) == visible(&rule.untold(&typed.text)),
        None => visible(prompt) == visible(&typed.text),
    }
}
