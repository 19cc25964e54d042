//! Paths of steps in a run: `2/0` is the first step in the third, `2#2/0` the same when the third is tried again.
//!
//! Keys of messages begin with their conversation: `2/0:1` is the first message of that step, `2/0:1:a1` the answer to a
//! question it led to, `2/0:1:q1>lead:1` that question as the lead hears it.

/// The path of one attempt at a step.
pub(super) fn attempt(step: &str, attempt: u32) -> String {
    if attempt == 1 { step.to_owned() } else { format!("{step}#{attempt}") }
}

/// The step of an attempt.
pub(super) fn step(attempt: &str) -> &str {
    match attempt.rsplit_once('#') {
        Some((step, number)) if !number.contains('/') => step,
        _ => attempt,
    }
}

/// The path of a step within an attempt at another.
pub(super) fn child(parent: &str, field: &str, index: usize) -> String {
    // A condition has two lists; the others have one.
    if field == "steps" { format!("{parent}/{index}") } else { format!("{parent}/{field}/{index}") }
}

/// Whether `path` is below the attempt `above`.
pub(super) fn is_below(path: &str, above: &str) -> bool {
    path.strip_prefix(above).is_some_and(|rest| rest.starts_with('/'))
}

/// Whether `path` is the attempt `of` or below it.
pub(super) fn is_of(path: &str, of: &str) -> bool {
    path == of || is_below(path, of)
}

/// The index of a step of the workflow itself; none for a nested one.
pub(super) fn number(step: &str) -> Option<usize> {
    step.parse().ok()
}

/// The conversation that a message belongs to. All its messages go to one agent.
pub(super) fn conversation(key: &str) -> &str {
    let begins = key.rfind('>').unwrap_or(0);
    key[begins..].find(':').map_or(key, |length| &key[..begins + length])
}

/// The question that a message hands on, and the role that it asks; none for a message of a step itself.
pub(super) fn asked(key: &str) -> Option<(&str, &str)> {
    conversation(key).rsplit_once('>')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversations() {
        for (key, expected) in [
            ("2/0#2:1", "2/0#2"),
            ("2/0:1:a1", "2/0"),
            ("2/0:1:q1>lead:1", "2/0:1:q1>lead"),
            ("2/0:1:q1>lead:2", "2/0:1:q1>lead"),
            ("2/0:1:d:9f-1>lead:1", "2/0:1:d:9f-1>lead"),
        ] {
            assert_eq!(conversation(key), expected);
        }
        assert_eq!(asked("2/0:1:q1>lead:2"), Some(("2/0:1:q1", "lead")));
        assert_eq!(asked("2/0:1:a1"), None);
        assert!(is_below("2#2/0", "2#2") && !is_below("2#2/0", "2") && is_of("2", "2"));
    }
}
