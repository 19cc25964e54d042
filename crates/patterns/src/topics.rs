//! Topics in a text: words in a row, whatever their case. One pass over the text finds all topics.

use std::collections::{BTreeSet, HashMap};

/// The words of a text.
pub fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty())
}

/// Those of `topics` whose words stand in the text in a row.
pub fn topics_in<'a>(text: &str, topics: impl IntoIterator<Item = &'a str>) -> BTreeSet<&'a str> {
    let mut wanted: HashMap<String, Vec<&'a str>> = HashMap::new();
    let mut lengths = BTreeSet::new();
    for topic in topics {
        let (normal, ends) = normalize(topic);
        if !ends.is_empty() {
            lengths.insert(ends.len());
            wanted.entry(normal).or_default().push(topic);
        }
    }
    let mut found = BTreeSet::new();
    if wanted.is_empty() {
        return found;
    }
    let (normal, ends) = normalize(text);
    for length in lengths {
        for last in length - 1..ends.len() {
            let first = last + 1 - length;
            let begin = if first == 0 { 0 } else { ends[first - 1] + 1 };
            if let Some(topics) = wanted.get(&normal[begin..ends[last]]) {
                found.extend(topics);
            }
        }
    }
    found
}

/// The words in lower case with one blank between them, and where each ends.
fn normalize(text: &str) -> (String, Vec<usize>) {
    let mut normal = String::with_capacity(text.len());
    let mut ends = Vec::new();
    for word in words(text) {
        if !normal.is_empty() {
            normal.push(' ');
        }
        normal.push_str(&word.to_lowercase());
        ends.push(normal.len());
    }
    (normal, ends)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_words_in_a_row() {
        let topics = ["data base", "money", "base", "a b c", "", "Ärger"];
        let found = |text: &str| topics_in(text, topics).into_iter().collect::<Vec<_>>();
        assert_eq!(found("Which DATA-base?"), ["base", "data base"]);
        assert_eq!(found("database, moneys"), [""; 0]);
        assert_eq!(found("money: ärger, A, b; C"), ["a b c", "money", "Ärger"]);
        assert_eq!(found(""), [""; 0]);
    }
}
