//! Patterns of images that requests may name.

use std::fmt;
use std::str::FromStr;

use anyhow::ensure;

/// A pattern of image references: `*` stands for any text without a `/`, `**` for any text. So `debian:*` does not match
/// `debian:5000/other`, which is an image of the registry `debian:5000`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImagePattern(String);

impl ImagePattern {
    /// Whether a reference matches, as it is written.
    pub fn matches(&self, image: &str) -> bool {
        matches(self.0.as_bytes(), image.as_bytes())
    }
}

impl FromStr for ImagePattern {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let fits = |c: char| c.is_ascii_alphanumeric() || "._-/:@*".contains(c);
        ensure!(
            !text.is_empty() && text.len() <= 512 && text.chars().all(fits),
            "a pattern of images is a reference in which `*` stands for any text without `/`, and `**` for any text, not `{text}`"
        );
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for ImagePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Goes back to the last star when a text does not fit, and to the last double star when the last star cannot take more.
/// Each is taken further at most once for each byte of the text.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut read) = (0, 0);
    let (mut star, mut double) = (None, None);
    loop {
        if pattern[at..].starts_with(b"**") {
            at += 2;
            (star, double) = (None, Some((at, read)));
        } else if pattern.get(at) == Some(&b'*') {
            at += 1;
            star = Some((at, read));
        } else if at < pattern.len() && pattern.get(at) == text.get(read) {
            (at, read) = (at + 1, read + 1);
        } else if at == pattern.len() && read == text.len() {
            return true;
        } else {
            let longer = star.filter(|(_, taken)| text.get(*taken).is_some_and(|byte| *byte != b'/'));
            match (longer, double) {
                (Some((after, taken)), _) => {
                    star = Some((after, taken + 1));
                    (at, read) = (after, taken + 1);
                }
                (None, Some((after, taken))) if taken < text.len() => {
                    (star, double) = (None, Some((after, taken + 1)));
                    (at, read) = (after, taken + 1);
                }
                _ => return false,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stays_between_slashes_and_two_do_not() {
        for (pattern, image, is_match) in [
            ("debian:12", "debian:12", true),
            ("debian:12", "debian:13", false),
            ("debian:*", "debian:12", true),
            ("debian:*", "debian:5000/evil", false),
            ("registry.example/*", "registry.example/a:1", true),
            ("registry.example/*", "registry.example/a/b", false),
            ("registry.example/**", "registry.example/a/b@sha256:12", true),
            ("registry.example/**", "registry.example.evil/a", false),
            ("**/agent:*", "registry.example/team/agent:2", true),
            ("**/agent:*", "registry.example/team/agent2", false),
            ("**/a*/b*", "x/ab/q/ay/b1", true),
            ("**/a*/b*", "x/ab/q/ay/c1", false),
            ("*", "a/b", false),
            ("**", "a/b", true),
            ("a*b*c", "a-b-b-c", true),
        ] {
            assert_eq!(
                pattern.parse::<ImagePattern>().unwrap().matches(image),
                is_match,
                "{pattern} {image}"
            );
        }
        assert!("".parse::<ImagePattern>().is_err() && "a b".parse::<ImagePattern>().is_err());
        let hostile = "**a".repeat(100).parse::<ImagePattern>().unwrap();
        assert!(!hostile.matches(&"a".repeat(510).replace("aaa", "aab")), "in bounded time");
    }
}
