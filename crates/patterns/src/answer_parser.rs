//! Parses answers in the forms that agents are asked for: verdicts, choices, questions, JSON.

use serde_json::Value;

/// Topics of one question at most; further ones are ignored.
const MAX_TOPICS: usize = 32;

/// The result of a review.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is good.
    Approved,
    /// It is not.
    Rejected,
}

/// The verdict in an answer: a line of its own, `VERDICT: APPROVED` or `VERDICT: REJECTED`. None when there is no such
/// line, or when two contradict each other: an unclear answer is never an approval.
pub fn verdict(answer: &str) -> Option<Verdict> {
    one(marked(answer, "VERDICT").map(|word| match word.to_uppercase().as_str() {
        "APPROVED" => Some(Verdict::Approved),
        "REJECTED" => Some(Verdict::Rejected),
        _ => None,
    }))
}

/// The answer without its verdict.
pub fn without_mark(answer: &str, mark: &str) -> String {
    let lines: Vec<&str> = answer.lines().filter(|line| mark_of(line, mark).is_none()).collect();
    lines.join("\n").trim().to_owned()
}

/// The number of the best answer: `BEST: 2`, of `count`.
pub fn best(answer: &str, count: usize) -> Option<usize> {
    one(marked(answer, "BEST").map(|word| {
        let number: usize = word.trim_start_matches('#').parse().ok()?;
        (1..=count).contains(&number).then(|| number - 1)
    }))
}

/// The choice among options: `ANSWER: yes`, by id or label.
pub fn choice<'a>(answer: &str, options: &'a [parallax_api::AttentionOption]) -> Option<&'a str> {
    one(marked(answer, "ANSWER").map(|word| {
        let same = |text: &str| text.trim().eq_ignore_ascii_case(word);
        options.iter().find(|option| same(&option.id) || same(&option.label)).map(|option| option.id.as_str())
    }))
}

/// Whether the answer passes the question on: `ESCALATE` as the first or last line.
pub fn escalates(answer: &str) -> bool {
    let lines = || answer.lines().map(undecorated).filter(|line| !line.is_empty());
    let is = |line: Option<&str>| {
        line.is_some_and(|line| {
            line.eq_ignore_ascii_case("ESCALATE") || line.to_uppercase().starts_with("ESCALATE:")
        })
    };
    is(lines().next()) || is(lines().next_back())
}

/// A question that an agent asks by answering with it: the whole answer is `QUESTION: …` or `QUESTION (topic): …`, in as
/// many lines as it takes.
pub fn question(answer: &str) -> Option<(Vec<String>, String)> {
    let text = answer.trim().trim_start_matches(['*', '`', '_', '#', ' ']);
    let rest = text.strip_prefix("QUESTION")?;
    let (topics, rest) = match rest.trim_start().strip_prefix('(') {
        Some(rest) => {
            let (topics, rest) = rest.split_once(')')?;
            let topics = topics.split(',').map(|topic| topic.trim().to_lowercase());
            (topics.filter(|topic| !topic.is_empty()).take(MAX_TOPICS).collect(), rest)
        }
        None => (Vec::new(), rest),
    };
    let text = rest.trim_start().trim_start_matches(['*', '`', '_']).strip_prefix(':')?;
    let text = text.trim().trim_start_matches(['*', '`', '_']).trim();
    (!text.is_empty()).then(|| (topics, text.to_owned()))
}

/// The JSON in an answer: the whole of it, or the only fenced block.
pub fn json(answer: &str) -> Option<Value> {
    let whole = answer.trim();
    if whole.starts_with(['{', '[']) {
        return serde_json::from_str(whole).ok();
    }
    let mut blocks = whole.split("```").skip(1).step_by(2);
    let (block, None) = (blocks.next()?, blocks.next()) else { return None };
    let body = block.strip_prefix("json").unwrap_or(block);
    serde_json::from_str(body.trim()).ok().filter(|value: &Value| value.is_object() || value.is_array())
}

/// An answer in a normal form: without case, surrounding blanks, quotes and the full stop.
pub fn same_words(answer: &str) -> String {
    if let Some(value) = json(answer) {
        return value.to_string();
    }
    let decoration = |c: char| c.is_whitespace() || matches!(c, '.' | '!' | '*' | '`' | '"' | '\'' | '_');
    answer.trim_matches(decoration).split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

/// The words after the mark, of each line that is `MARK: word` and nothing else.
fn marked<'a>(answer: &'a str, mark: &'a str) -> impl Iterator<Item = &'a str> {
    answer.lines().filter_map(move |line| mark_of(line, mark))
}

fn mark_of<'a>(line: &'a str, mark: &str) -> Option<&'a str> {
    let line = undecorated(line);
    let head = line.get(..mark.len())?;
    let rest = head.eq_ignore_ascii_case(mark).then(|| &line[mark.len()..])?;
    let word = undecorated(rest.trim_start_matches(['*', '_', '`', ' ']).strip_prefix(':')?);
    let word = word.trim_end_matches(['.', '!']);
    (!word.is_empty()).then_some(word)
}

fn undecorated(line: &str) -> &str {
    line.trim().trim_matches(['*', '_', '`', '#', '>', ' '])
}

/// The value that all of them have.
fn one<T: PartialEq>(mut found: impl Iterator<Item = Option<T>>) -> Option<T> {
    let first = found.next()??;
    found.all(|other| other.as_ref() == Some(&first)).then_some(first)
}

#[cfg(test)]
mod tests {
    use parallax_api::AttentionOption;

    use super::*;

    #[test]
    fn verdicts() {
        for (answer, expected) in [
            ("Good work.\nVERDICT: APPROVED", Some(Verdict::Approved)),
            ("**Verdict: rejected.**", Some(Verdict::Rejected)),
            ("VERDICT: **APPROVED**\n", Some(Verdict::Approved)),
            ("- a\n> `VERDICT: REJECTED`", Some(Verdict::Rejected)),
            ("VERDICT: APPROVED\nbut\nVERDICT: REJECTED", None),
            ("The verdict: approved, I think", None),
            ("End with `VERDICT: APPROVED` or `VERDICT: REJECTED`", None),
            ("VERDICT: MAYBE", None),
            ("VERDICT: APPROVED or VERDICT: REJECTED", None),
            ("approved", None),
        ] {
            assert_eq!(verdict(answer), expected, "{answer}");
        }
        assert_eq!(without_mark("One.\n\nVERDICT: APPROVED\n", "VERDICT"), "One.");
    }

    #[test]
    fn questions_and_choices() {
        assert_eq!(question("QUESTION: which port?"), Some((vec![], "which port?".into())));
        assert_eq!(
            question("**QUESTION (Database, api):** SQL\nor not?"),
            Some((vec!["database".into(), "api".into()], "SQL\nor not?".into()))
        );
        for answer in ["I have a QUESTION: which?", "QUESTION", "QUESTION:", "QUESTION (a: b"] {
            assert_eq!(question(answer), None, "{answer}");
        }
        let options = [("yes", "Yes, go on"), ("no", "No")].map(|(id, label)| AttentionOption {
            id: id.into(),
            label: label.into(),
            ..AttentionOption::default()
        });
        assert_eq!(choice("I think so.\nANSWER: yes", &options), Some("yes"));
        assert_eq!(choice("ANSWER: Yes, go on", &options), Some("yes"));
        assert_eq!(choice("ANSWER: perhaps", &options), None);
        assert_eq!((best("BEST: 2", 3), best("BEST: 4", 3), best("2", 3)), (Some(1), None, None));
        assert!(escalates("ESCALATE") && escalates("Not mine.\nescalate") && !escalates("do not escalate"));
    }

    #[test]
    fn the_same_said_differently() {
        assert_eq!(same_words(" **Yes.** "), same_words("yes"));
        assert_eq!(same_words("{\"a\": 1}"), same_words("```json\n{\"a\":1}\n```"));
        assert_ne!(same_words("yes"), same_words("no"));
    }
}
