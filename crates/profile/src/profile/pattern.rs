//! Regular expressions in a profile.

use std::sync::OnceLock;

use regex::{Captures, Regex};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Bytes of a pattern that is compiled later.
const MAX_LAZY: usize = 1024;

/// A regular expression: checked when the profile is read, compiled when something is first held against it, written back as it
/// stands. A server has every profile and holds nothing against them; a host has its own.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    compiled: OnceLock<Option<Regex>>,
}

impl Pattern {
    /// None: it is no pattern, which was seen when it was read.
    fn compiled(&self) -> Option<&Regex> {
        self.compiled.get_or_init(|| Regex::new(&self.text).ok()).as_ref()
    }

    /// Whether it matches somewhere in the text.
    pub fn is_match(&self, text: &str) -> bool {
        self.compiled().is_some_and(|regex| regex.is_match(text))
    }

    /// Its first match with groups.
    pub fn captures<'t>(&self, text: &'t str) -> Option<Captures<'t>> {
        self.compiled()?.captures(text)
    }

    /// The first group of its first match, or the whole match when it has no group.
    pub fn extract<'t>(&self, text: &'t str) -> Option<&'t str> {
        let captures = self.captures(text)?;
        captures.get(1).or_else(|| captures.get(0)).map(|found| found.as_str())
    }

    /// Where its first group ends, in each of its matches, in bytes.
    pub fn group_ends(&self, text: &str) -> Vec<usize> {
        let found = self.compiled().into_iter().flat_map(|regex| regex.captures_iter(text));
        found.filter_map(|found| Some(found.get(1)?.end())).collect()
    }

    /// How often it matches.
    pub fn count(&self, text: &str) -> usize {
        self.compiled().map_or(0, |regex| regex.find_iter(text).count())
    }

    /// The text without its matches.
    pub fn without(&self, text: &str) -> String {
        self.compiled().map_or_else(|| text.to_owned(), |regex| regex.replace_all(text, "").into_owned())
    }

    /// As it stands in the profile.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let refused = |error: &dyn std::fmt::Display| D::Error::custom(format!("not a pattern: {error}"));
        regex_syntax::parse(&text).map_err(|error| refused(&error))?;
        // Only what repeats, or is very long, can be too large.
        if text.contains('{') || text.len() > MAX_LAZY {
            let compiled = Regex::new(&text).map_err(|error| refused(&error))?;
            return Ok(Self { text, compiled: OnceLock::from(Some(compiled)) });
        }
        Ok(Self { text, compiled: OnceLock::new() })
    }
}

impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
