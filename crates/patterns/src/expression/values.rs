//! The values of variables in one evaluation.
//!
//! Each root is fetched once, and each text with JSON in it is parsed once, however many variables look into it.

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::Value;

use super::ast::Variable;
use crate::answer_parser;

/// The source of values.
pub trait Scope {
    /// The value of a variable's first word.
    fn get(&self, root: &str) -> Option<Value>;
}

/// The values seen so far in one evaluation.
pub struct Values<'a> {
    scope: &'a dyn Scope,
    /// Roots, and the JSON in texts, by the path at which they begin.
    documents: HashMap<String, Option<Value>>,
}

impl<'a> Values<'a> {
    /// The values of this scope.
    pub fn new(scope: &'a dyn Scope) -> Self {
        Self { scope, documents: HashMap::new() }
    }

    /// The value of a variable. The fields of a text are those of the JSON in it.
    ///
    /// # Errors
    /// When there is none.
    pub fn get(&mut self, variable: &Variable) -> Result<&Value, String> {
        let mut document = variable.root.clone();
        let scope = self.scope;
        self.documents.entry(document.clone()).or_insert_with(|| scope.get(&variable.root));
        let mut done = 0;
        // A text with JSON in it begins a new document; the loop goes from one to the next.
        loop {
            match walk(self.document(&document, variable, done)?, variable, done)? {
                Walk::Found(_) => break,
                Walk::Text(text, at) => {
                    let inner = format!("{}.{}", variable.root, variable.fields[..at].join("."));
                    if !self.documents.contains_key(&inner) {
                        let parsed = answer_parser::json(text);
                        self.documents.insert(inner.clone(), parsed);
                    }
                    (document, done) = (inner, at);
                }
            }
        }
        match walk(self.document(&document, variable, done)?, variable, done)? {
            Walk::Found(value) => Ok(value),
            // Not after the loop.
            Walk::Text(..) => Err(format!("`{variable}` has no value")),
        }
    }

    fn document(&self, path: &str, variable: &Variable, done: usize) -> Result<&Value, String> {
        match self.documents.get(path) {
            Some(Some(value)) => Ok(value),
            _ if path == variable.root => Err(format!("`{path}` has no value")),
            _ => {
                let field = &variable.fields[done];
                Err(format!("`{variable}`: the answer is no JSON, so it has no field `{field}`"))
            }
        }
    }
}

/// Where the walk through a document ends.
enum Walk<'a> {
    Found(&'a Value),
    /// At a text, with so many of the fields done.
    Text(&'a str, usize),
}

/// Follows the fields from number `done` on.
fn walk<'a>(document: &'a Value, variable: &Variable, done: usize) -> Result<Walk<'a>, String> {
    let mut value = document;
    for (index, field) in variable.fields.iter().enumerate().skip(done) {
        let inner = match value {
            // The document itself is a text when its fields are asked for: it is parsed, once.
            Value::String(text) => return Ok(Walk::Text(text, index)),
            Value::Object(fields) => fields.get(field),
            Value::Array(items) => field.parse::<usize>().ok().and_then(|index| items.get(index)),
            Value::Null | Value::Bool(_) | Value::Number(_) => None,
        };
        value = inner.ok_or_else(|| format!("`{variable}`: there is no `{field}`"))?;
    }
    Ok(Walk::Found(value))
}

/// A value as text: a text as it is, everything else as JSON.
pub fn as_text(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) => Cow::Borrowed(text),
        Value::Null => Cow::Borrowed(""),
        other => Cow::Owned(other.to_string()),
    }
}

/// The bytes of the text in a value, and one for each part of it.
pub fn text_size(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 1,
        Value::String(text) => 1 + text.len(),
        Value::Array(items) => 1 + items.iter().map(text_size).sum::<usize>(),
        Value::Object(fields) => {
            1 + fields.iter().map(|(name, value)| name.len() + text_size(value)).sum::<usize>()
        }
    }
}
