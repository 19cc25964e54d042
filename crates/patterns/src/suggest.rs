//! What somebody may have meant.

/// The one of `known` that is spelt most like `given`, if one is alike enough.
pub fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let most = match given.chars().count() {
        0..3 => 0,
        3 => 1,
        letters => (letters / 3).max(2),
    };
    let distances = known.into_iter().map(|word| (distance(given, word), word));
    distances.filter(|(distance, _)| *distance <= most).min().map(|(_, word)| word)
}

/// `did you mean …`, or else the list of what there is.
pub fn suggestion<'a>(given: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> Option<String> {
    if let Some(word) = nearest(given, known.clone()) {
        return Some(format!("did you mean `{word}`?"));
    }
    let all: Vec<String> = known.into_iter().map(|word| format!("`{word}`")).collect();
    (!all.is_empty()).then(|| format!("there is {}", all.join(", ")))
}

/// How many letters must change: the distance of Levenshtein, in which two letters that changed places count once.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) =
        (a.to_lowercase().chars().collect(), b.to_lowercase().chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let same = a[i - 1] == b[j - 1];
                let mut least =
                    (rows[i - 1][j] + 1).min(rows[i][j - 1] + 1).min(rows[i - 1][j - 1] + usize::from(!same));
                if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    least = least.min(rows[i - 2][j - 2] + 1);
                }
                least
            };
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alike_words_are_found() {
        let known = ["developer", "lead", "reportsTo"];
        assert_eq!(nearest("develper", known), Some("developer"));
        assert_eq!(nearest("reportTo", known), Some("reportsTo"));
        assert_eq!(nearest("laed", known), Some("lead"));
        assert_eq!(nearest("architect", known), None);
        assert_eq!(
            suggestion("architect", known).unwrap(),
            "there is `developer`, `lead`, `reportsTo`".to_owned()
        );
    }
}
