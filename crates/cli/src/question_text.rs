//! A question as text for a person, and how to answer it.

use parallax_api::execution::Question;
use parallax_api::{Attention, AttentionOption};

use crate::output::{clean, one_line};

/// The question and its options, as a person picks one.
pub(crate) fn question_text(attention: &Attention) -> String {
    clean(&attention.whole()) + &options_text(&attention.options)
}

/// The options, each on a line of its own behind what is asked.
pub(crate) fn options_text(options: &[AttentionOption]) -> String {
    options
        .iter()
        .map(|option| format!("\n  {}  {}", one_line(&option.id), one_line(&option.label)))
        .collect()
}

/// The command that answers the question that was shown, and no other.
pub(crate) fn how_to_answer(agent: &str, attention: &Attention) -> String {
    format!("parallax answer {agent} --question {} OPTION", one_line(&attention.id))
}

/// What a person is asked by a run, and how to answer.
pub(crate) fn run_question_text(question: &Question, how: &str) -> String {
    let who = question.role.as_deref().unwrap_or("the run");
    let mut text = format!("YOU are asked by {}:\n{}", one_line(who), clean(&question.whole()));
    text.push_str(&options_text(&question.options));
    if let Some(url) = &question.login_url {
        text.push_str(&format!("\n  log in at {}", clean(url)));
    }
    text + "\n  " + how
}

/// How to answer a question of the run without the terminal that follows it.
pub(crate) fn how_to_answer_run(execution: &str, question: &Question) -> String {
    let id = one_line(&question.id);
    format!("answer with: parallax runs {execution} --question {id} --answer OPTION (or --text TEXT)")
}
