//! Whether two sights of a question are of the same one: an answer to the one may not be pressed into the other.

use parallax_api::{Attention, AttentionKind, AttentionTool};
use parallax_profile::AttentionRequest;

/// What a question is told from others by.
#[derive(Clone, Copy)]
pub struct Sight<'a> {
    kind: AttentionKind,
    text: &'a str,
    tool: Option<&'a AttentionTool>,
}

impl<'a> From<&'a Attention> for Sight<'a> {
    fn from(shown: &'a Attention) -> Self {
        Self { kind: shown.kind, text: &shown.text, tool: shown.tool.as_ref() }
    }
}

impl<'a> From<&'a AttentionRequest> for Sight<'a> {
    fn from(needed: &'a AttentionRequest) -> Self {
        Self { kind: needed.kind, text: &needed.text, tool: needed.tool.as_ref() }
    }
}

/// Whether both are one question. One that was painted anew in another width is the same.
pub fn is_same<'a>(before: impl Into<Sight<'a>>, now: impl Into<Sight<'a>>) -> bool {
    let (before, now) = (before.into(), now.into());
    let letters = |text: &str| text.chars().filter(|char| char.is_alphanumeric()).collect::<String>();
    match now.kind {
        kind if kind != before.kind => false,
        AttentionKind::Login | AttentionKind::Stalled | AttentionKind::Unknown => true,
        // An input that is too long is not published, and tells nothing.
        _ if let (Some(now), Some(before)) = (now.tool, before.tool)
            && !(now.input.is_null() && before.input.is_null()) =>
        {
            now == before
        }
        _ => letters(before.text) == letters(now.text),
    }
}
