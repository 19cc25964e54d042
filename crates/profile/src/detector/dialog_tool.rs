//! Which of the tools that an agent asked to use a dialog is about.

use parallax_api::AttentionKind;

use super::asked_tool::{AskedTool, KEY_CHARS, squeezed, texts};
use crate::observation::AttentionRequest;

/// Whether everything that a dialog shows of the one tool is a part of what it shows of the other.
fn is_part(one: &[String], other: &[String]) -> bool {
    one.iter().all(|text| other.iter().any(|whole| whole.contains(text)))
}

/// The tool of whose input a dialog shows the most. Where it does not tell two of them apart, it is the one that has been taken for it
/// before, or none: who permits another one than is shown permits what nobody knows.
fn most_shown(asked: &[AskedTool], shown: &[Vec<String>]) -> Option<usize> {
    let candidates = || (0..asked.len()).filter(|at| !shown[*at].is_empty());
    let is_behind = |at: usize| {
        candidates().any(|other| is_part(&shown[at], &shown[other]) && !is_part(&shown[other], &shown[at]))
    };
    let best: Vec<usize> = candidates().filter(|at| !is_behind(*at)).collect();
    // Programs run one after the other.
    let is_program = |at: &usize| asked[*at].tool.input.is_string();
    match *best.as_slice() {
        [] => None,
        [one] => Some(one),
        _ if best.iter().all(is_program) => best.last().copied(),
        _ => best.into_iter().find(|at| asked[*at].is_shown),
    }
}

/// The tool that this dialog is about: the one whose input it shows, else the only one that it can be about.
pub(super) fn of_dialog<'a>(
    asked: &'a mut [AskedTool],
    needed: &AttentionRequest,
) -> Option<&'a mut AskedTool> {
    if !needed.kind.is_question() {
        return None;
    }
    if needed.kind == AttentionKind::Plan {
        return of_plan(asked, &needed.text);
    }
    let shown: Vec<Vec<String>> = asked.iter().map(|tool| tool.shown_in(&needed.text)).collect();
    let at = match shown.iter().all(Vec::is_empty) {
        false => most_shown(asked, &shown)?,
        true => newest_fitting(asked, needed)?,
    };
    asked.get_mut(at)
}

/// The tool that a dialog can be about which shows nothing of any. One that is on the screen is about the newest, if about any.
fn newest_fitting(asked: &[AskedTool], needed: &AttentionRequest) -> Option<usize> {
    let newest = asked.iter().rposition(|tool| tool.fits(needed))?;
    let fitting = asked.iter().filter(|tool| tool.fits(needed)).count();
    let is_certain = fitting == 1 && newest + 1 == asked.len();
    (is_certain || !needed.on_screen || needed.kind == AttentionKind::Question).then_some(newest)
}

/// The tool that asks for leave to begin: the newest. Where it does not bring the plan, another tool has written that before.
fn of_plan<'a>(asked: &'a mut [AskedTool], shown: &str) -> Option<&'a mut AskedTool> {
    let shown = squeezed(shown);
    let is_shown = |text: &&str| {
        let key: String = squeezed(text).chars().take(KEY_CHARS).collect();
        !key.is_empty() && shown.contains(&key)
    };
    let written = asked.iter().rev().flat_map(|tool| texts(&tool.tool.input)).filter(is_shown);
    let written = written.max_by_key(|text| text.len()).map(str::to_owned);
    let newest = asked.last_mut()?;
    newest.plan = newest.plan.take().or(written);
    Some(newest)
}
