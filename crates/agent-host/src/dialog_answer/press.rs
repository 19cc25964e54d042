//! The keys of an answer in a dialog as it stands on the screen.

use std::collections::HashSet;

use parallax_api::message::AnswerRequest;
use parallax_api::{AttentionQuestion, Code, Problem};
use parallax_profile::{AttentionRequest, DialogOption};
use parallax_screen::{Modes, keys};

use super::entry::PressedText;

/// What ends a dialog in which several options were ticked, or several questions answered.
pub(super) const SUBMIT: [&str; 4] = ["submit", "next", "done", REVIEW];
/// The option of the review that follows.
pub(super) const REVIEW: &str = "submit-answers";

/// Keys to press, and what they are for.
pub(super) struct Press {
    pub(super) what: String,
    pub(super) is_scroll: bool,
    pub(super) writes: Vec<Vec<u8>>,
    pub(super) text: Option<PressedText>,
}

/// Whether the request fits the question.
pub(super) fn check(request: &AnswerRequest, needed: &AttentionRequest) -> Result<(), Problem> {
    let ways = [request.option.is_some(), request.text.is_some(), !request.answers.is_empty()];
    if ways.into_iter().filter(|way| *way).count() != 1 {
        return Err(Problem::invalid("option", "give one of `option`, `text` and `answers`"));
    }
    if request.answers.is_empty() {
        let fits = || press(request, needed, &HashSet::new(), &Modes::default()).map(drop);
        return if needed.on_screen { fits() } else { Ok(()) };
    }
    let ids: Vec<&str> = needed.questions.iter().map(|question| question.id.as_str()).collect();
    if let Some(unknown) = request.answers.keys().find(|id| !ids.contains(&id.as_str())) {
        let detail = format!("`{unknown}` is none of the questions: {}", ids.join(", "));
        return Err(Problem::invalid("answers", detail).with("questions", ids));
    }
    for question in &needed.questions {
        let answers = request
            .answers
            .get(&question.id)
            .map(parallax_api::message::Answers::as_slice)
            .unwrap_or_default();
        let is_fit = match answers {
            [] => false,
            [one] => question.free_text || offers(question, one),
            several => question.multiple && several.iter().all(|answer| offers(question, answer)),
        };
        if !is_fit {
            let known: Vec<&str> = question.options.iter().map(|option| option.id.as_str()).collect();
            let how = if question.multiple { "some" } else { "one" };
            let detail = format!("`{}` wants {how} of: {}", question.id, known.join(", "));
            return Err(Problem::invalid("answers", detail).with("options", known));
        }
    }
    Ok(())
}

fn offers(question: &AttentionQuestion, answer: &str) -> bool {
    question.options.iter().any(|option| option.id == answer || option.label == answer)
}

/// The keys of this answer in the dialog as it stands.
pub(super) fn press(
    request: &AnswerRequest,
    needed: &AttentionRequest,
    ticked: &HashSet<(String, String)>,
    modes: &Modes,
) -> Result<Press, Problem> {
    match (&request.option, &request.text) {
        (Some(option), _) => press_option(option, needed, modes),
        (None, Some(text)) => press_text(text, needed, modes),
        (None, None) => press_part(request, needed, ticked, modes),
    }
}

/// The next keys of an answer to several questions: those of the question on the screen, or what submits them all.
fn press_part(
    request: &AnswerRequest,
    needed: &AttentionRequest,
    ticked: &HashSet<(String, String)>,
    modes: &Modes,
) -> Result<Press, Problem> {
    let question = needed.questions.iter().find(|question| question.text == needed.text);
    let answers = question.and_then(|question| request.answers.get(&question.id));
    let (Some(question), Some(answers)) = (question, answers) else {
        return match submit(needed) {
            Some(submit) => Ok(pressed(needed, submit, modes)),
            None => {
                let what = needed.text.clone();
                Ok(Press { what, is_scroll: false, writes: Vec::new(), text: None })
            }
        };
    };
    let chosen = answers.as_slice();
    if let [one] = chosen
        && !offers(question, one)
    {
        return press_text(one, needed, modes);
    }
    if !question.multiple {
        return press_option(chosen.first().map_or("", String::as_str), needed, modes);
    }
    let differs =
        |option: &&DialogOption| option.selected.is_some_and(|selected| selected != is_among(option, chosen));
    let is_of_question = |option: &&DialogOption| offers(question, &option.label);
    if let Some(option) = needed.options.iter().filter(is_of_question).find(differs) {
        return Ok(pressed(needed, option, modes));
    }
    let is_unseen = |option: &&DialogOption| {
        option.keys.is_empty()
            && is_among(option, chosen)
            && !ticked.contains(&(needed.text.clone(), option.id.clone()))
    };
    let hidden = needed.options.iter().find(is_unseen).filter(|_| !needed.scroll.is_empty());
    match submit(needed).filter(|_| hidden.is_none()) {
        Some(submit) => Ok(pressed(needed, submit, modes)),
        None if !needed.scroll.is_empty() => Ok(scrolled(needed, modes)),
        None => {
            Err(Problem::new(Code::Timeout, "the dialog shows no way to submit; look at the agent's screen"))
        }
    }
}

pub(super) fn is_among(option: &DialogOption, answers: &[String]) -> bool {
    answers.iter().any(|answer| option.id == *answer || option.label == *answer)
}

fn press_option(option: &str, needed: &AttentionRequest, modes: &Modes) -> Result<Press, Problem> {
    let review = || submit(needed).filter(|_| SUBMIT.contains(&option));
    let is_multiple = needed.options.iter().any(|option| option.selected.is_some());
    if find(needed, option).is_none() && is_multiple && SUBMIT.contains(&option) && !needed.scroll.is_empty()
    {
        return Ok(scrolled(needed, modes));
    }
    let choice = find(needed, option).or_else(review).ok_or_else(|| {
        let known: Vec<&str> = needed.options.iter().map(|choice| choice.id.as_str()).collect();
        let detail = match known.as_slice() {
            [] => "this question has no options; send `text`".to_owned(),
            known => format!("`{option}` is none of: {}", known.join(", ")),
        };
        Problem::invalid("option", detail).with("options", known)
    })?;
    if needed.takes_text.as_ref().is_some_and(|entry| !entry.before.is_empty() && entry.before == choice.keys)
    {
        let detail = format!("`{option}` is an answer in own words; send them as `text`");
        return Err(Problem::invalid("option", detail));
    }
    if choice.keys.is_empty() {
        return Ok(scrolled(needed, modes));
    }
    Ok(pressed(needed, choice, modes))
}

fn press_text(text: &str, needed: &AttentionRequest, modes: &Modes) -> Result<Press, Problem> {
    let entry = needed.takes_text.as_ref().ok_or_else(|| {
        let known: Vec<&str> = needed.options.iter().map(|choice| choice.id.as_str()).collect();
        Problem::invalid("text", "this question takes no text; send one of `options` as `option`")
            .with("options", known)
    })?;
    let mut writes = keys::encode_all(&entry.before, modes);
    let is_digit = entry.in_list && text.len() == 1 && text.bytes().all(|byte| byte.is_ascii_digit());
    let typed = if is_digit { format!("{text} ") } else { text.to_owned() };
    let typed = if modes.bracketed_paste { keys::paste(&typed) } else { typed.into_bytes() };
    let opens = entry.waits_for_echo && !writes.is_empty();
    if !opens {
        writes.push(typed.clone());
    }
    let mut enter = keys::encode_all(&entry.after, modes);
    if !entry.waits_for_echo {
        writes.append(&mut enter);
    }
    let text = Some(PressedText { text: text.to_owned(), writes: vec![typed], enter, opens });
    Ok(Press { what: text_of(needed), is_scroll: false, writes, text })
}

/// What a text is typed for.
pub(super) fn text_of(needed: &AttentionRequest) -> String {
    format!("{} text", needed.text)
}

/// Shows more of the list. What it shows now is part of `what`: the same again is a retry.
fn scrolled(needed: &AttentionRequest, modes: &Modes) -> Press {
    let shown = needed.options.iter().filter(|option| !option.keys.is_empty());
    let shown: Vec<&str> = shown.map(|option| option.id.as_str()).collect();
    let what = format!("{} scroll {shown:?} {:?}", needed.text, needed.marked);
    Press { what, is_scroll: true, writes: keys::encode_all(&needed.scroll, modes), text: None }
}

fn pressed(needed: &AttentionRequest, option: &DialogOption, modes: &Modes) -> Press {
    let what = format!("{} {} {:?}", needed.text, option.id, option.selected);
    Press { what, is_scroll: false, writes: keys::encode_all(&option.keys, modes), text: None }
}

pub(super) fn find<'a>(needed: &'a AttentionRequest, option: &str) -> Option<&'a DialogOption> {
    needed.options.iter().find(|choice| choice.id == option || choice.label == option)
}

pub(super) fn submit(needed: &AttentionRequest) -> Option<&DialogOption> {
    needed.options.iter().find(|option| SUBMIT.contains(&option.id.as_str()))
}
