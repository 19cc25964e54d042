//! Regular expressions in a profile.

use regex::{Captures, Regex};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A regular expression: compiled when the profile is read, written back as it stands.
#[derive(Clone, Debug)]
pub struct Pattern(Regex);

impl Pattern {
    /// Whether it matches somewhere in the text.
    pub fn is_match(&self, text: &str) -> bool {
        self.0.is_match(text)
    }

    /// Its first match with groups.
    pub fn captures<'t>(&self, text: &'t str) -> Option<Captures<'t>> {
        self.0.captures(text)
    }

    /// The first group of its first match, or the whole match when it has no group.
    pub fn extract<'t>(&self, text: &'t str) -> Option<&'t str> {
        let captures = self.0.captures(text)?;
        captures.get(1).or_else(|| captures.get(0)).map(|found| found.as_str())
    }

    /// Where its first group ends, in each of its matches, in bytes.
    pub fn group_ends(&self, text: &str) -> Vec<usize> {
        self.0.captures_iter(text).filter_map(|found| Some(found.get(1)?.end())).collect()
    }

    /// How often it matches.
    pub fn count(&self, text: &str) -> usize {
        self.0.find_iter(text).count()
    }

    /// The text without its matches.
    pub fn without(&self, text: &str) -> String {
        self.0.replace_all(text, "").into_owned()
    }

    /// As it stands in the profile.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Regex::new(&text).map(Self).map_err(|error| D::Error::custom(format!("not a pattern: {error}")))
    }
}

impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
