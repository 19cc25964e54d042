//! Suggestions for misspelt names. The cost of one is bounded, however many names there are.

/// The longest name that is compared, in characters.
const MAX_NAME: usize = 64;
/// Cells of distance tables that one search computes: some 4000 names of eight letters.
const MAX_CELLS: usize = 256 * 1024;
/// Names that are listed when none is alike.
const MAX_LISTED: usize = 40;

/// The one of `known` that is spelt most like `given`, if one is similar enough.
pub fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = given.chars().take(MAX_NAME + 1).count();
    let most = match length {
        0..3 => 0,
        3 => 1,
        letters => (letters / 3).max(2),
    };
    if length > MAX_NAME {
        return None;
    }
    let mut cells = MAX_CELLS;
    let mut best: Option<(usize, &str)> = None;
    for word in known {
        let letters = word.chars().take(MAX_NAME + 1).count();
        // The distance is at least the difference of the lengths.
        if letters > MAX_NAME || letters.abs_diff(length) > most {
            continue;
        }
        let Some(left) = cells.checked_sub((letters + 1) * (length + 1)) else { break };
        cells = left;
        let found = (distance(given, word), word);
        if found.0 <= most && best.is_none_or(|best| found < best) {
            best = Some(found);
        }
    }
    best.map(|(_, word)| word)
}

/// `did you mean …`, or else a list of the known names.
pub fn suggestion<'a>(given: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> Option<String> {
    if let Some(word) = nearest(given, known.clone()) {
        return Some(format!("did you mean `{word}`?"));
    }
    let mut known = known.into_iter();
    let listed: Vec<String> = known.by_ref().take(MAX_LISTED).map(|word| format!("`{word:.64}`")).collect();
    let more = if known.next().is_some() { ", …" } else { "" };
    (!listed.is_empty()).then(|| format!("there is {}{more}", listed.join(", ")))
}

/// The optimal string alignment distance: Levenshtein, with swapped neighbours counted once.
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
