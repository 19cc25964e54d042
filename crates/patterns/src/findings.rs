//! Findings in a pattern file, each with the line it concerns.

use parallax_api::pattern::Finding;
use parallax_api::text::cut;

use crate::expression::types::TypeError;
use crate::field_path::FieldPath;
use crate::yaml::Node;

/// Findings of one file at most. Once there are so many, no more are searched for: each costs a search through all names.
pub const MAX_FINDINGS: usize = 100;
/// The longest message and the longest suggestion, in characters: names in a file may have any length.
const MAX_TEXT: usize = 2000;

/// The findings of one file.
#[derive(Debug)]
pub struct Findings<'a> {
    root: &'a Node,
    list: Vec<Finding>,
    /// Parts of the file about which nothing more is reported.
    hidden: Vec<FieldPath>,
    /// The paths of the findings so far.
    found: Vec<FieldPath>,
}

impl<'a> Findings<'a> {
    /// No findings in the file with this root.
    pub fn new(root: &'a Node) -> Self {
        Self { root, list: Vec::new(), hidden: Vec::new(), found: Vec::new() }
    }

    /// Reports nothing more below this path.
    pub fn hide(&mut self, path: &FieldPath) {
        self.hidden.push(path.clone());
    }

    /// Reports nothing more at or below the paths of the findings so far.
    pub fn hide_found(&mut self) {
        self.hidden.append(&mut self.found);
    }

    /// Whether no more are added.
    pub fn is_full(&self) -> bool {
        self.list.len() >= MAX_FINDINGS
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Adds a finding.
    pub fn add(&mut self, path: &FieldPath, message: impl Into<String>, suggestion: Option<String>) {
        if self.is_full() {
            return;
        }
        self.add_at(self.root.position(path), path, message, suggestion);
    }

    /// Adds a finding at this line and column.
    pub fn add_at(
        &mut self,
        (line, column): (usize, usize),
        path: &FieldPath,
        message: impl Into<String>,
        suggestion: Option<String>,
    ) {
        if self.is_full() || self.hidden.iter().any(|hidden| path.is_within(hidden)) {
            return;
        }
        self.found.push(path.clone());
        self.list.push(Finding {
            line,
            column,
            field: cut(path.to_string(), MAX_TEXT),
            message: cut(message.into(), MAX_TEXT),
            suggestion: suggestion.map(|text| cut(text, MAX_TEXT)),
        });
    }

    /// Adds the type errors of an expression.
    pub fn type_errors(&mut self, path: &FieldPath, errors: impl IntoIterator<Item = TypeError>) {
        for (message, suggestion) in errors {
            self.add(path, message, suggestion);
        }
    }

    /// The findings by line, each once.
    pub fn into_sorted(self) -> Vec<Finding> {
        let mut list = self.list;
        list.sort();
        list.dedup();
        list
    }
}
