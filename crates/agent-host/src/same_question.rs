//! Whether two looks at a question are at the same one: an answer to the one may not be pressed into the other.

use parallax_api::message::AnswerRequest;
use parallax_api::{Attention, AttentionKind, AttentionQuestion, AttentionTool};
use parallax_profile::AttentionRequest;

/// What a question is told from others by.
#[derive(Clone, Copy)]
pub struct QuestionLook<'a> {
    kind: AttentionKind,
    text: &'a str,
    tool: Option<&'a AttentionTool>,
    questions: &'a [AttentionQuestion],
}

impl<'a> From<&'a Attention> for QuestionLook<'a> {
    fn from(shown: &'a Attention) -> Self {
        let Attention { kind, text, tool, questions, .. } = shown;
        Self { kind: *kind, text, tool: tool.as_ref(), questions }
    }
}

impl<'a> From<&'a AttentionRequest> for QuestionLook<'a> {
    fn from(needed: &'a AttentionRequest) -> Self {
        let AttentionRequest { kind, text, tool, questions, .. } = needed;
        Self { kind: *kind, text, tool: tool.as_ref(), questions }
    }
}

/// Whether an answer to the one is an answer to the other: it is the same question, or another pane of those that the answer has all of.
pub fn answers_both<'a>(
    request: &AnswerRequest,
    before: impl Into<QuestionLook<'a>>,
    now: impl Into<QuestionLook<'a>>,
) -> bool {
    let (before, now) = (before.into(), now.into());
    (!request.answers.is_empty() && before.questions == now.questions) || is_same(before, now)
}

/// Whether both are one question. One that was painted anew in another width is the same.
pub fn is_same<'a>(before: impl Into<QuestionLook<'a>>, now: impl Into<QuestionLook<'a>>) -> bool {
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
