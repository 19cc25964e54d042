//! Text with `${variables}` in it. A `$` without `{` is a `$`; `$${` is `${`. The value of a variable is not parsed again.

use serde_json::Value;

use super::ast::Variable;
use super::parser::parse_variable;
use super::values::{Scope, Values, as_text};

/// A text with variables.
#[derive(Clone, Debug, PartialEq)]
pub struct Template(Vec<Piece>);

#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Text(String),
    Variable(Variable),
}

/// Why a template has no text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TemplateError {
    /// A variable has no value, with why.
    NoValue(String),
    /// The text would be longer than this.
    TooLong(usize),
}

impl Template {
    /// Parses a template.
    ///
    /// # Errors
    /// A `${` without `}`, or with something else than a variable in it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            let (before, variable) = (&rest[..at], &rest[at + 2..]);
            if let Some(before) = before.strip_suffix('$') {
                plain.push_str(before);
                plain.push_str("${");
                rest = variable;
                continue;
            }
            plain.push_str(before);
            let end =
                variable.find('}').ok_or("a `${` has no `}`; for the two letters themselves write `$${`")?;
            if !plain.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
            }
            pieces.push(Piece::Variable(parse_variable(&variable[..end])?));
            rest = &variable[end + 1..];
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Ok(Self(pieces))
    }

    /// Every variable in it.
    pub fn variables(&self) -> impl Iterator<Item = &Variable> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Text(_) => None,
            Piece::Variable(variable) => Some(variable),
        })
    }

    /// The text with the values filled in, of at most `most` bytes. The bound is checked before a piece is added.
    ///
    /// # Errors
    /// When a variable has no value, or the text would be longer.
    pub fn text(&self, scope: &dyn Scope, most: usize) -> Result<String, TemplateError> {
        let mut values = Values::new(scope);
        let mut text = String::new();
        let mut add = |piece: &str| {
            if piece.len() > most - text.len() {
                return Err(TemplateError::TooLong(most));
            }
            text.push_str(piece);
            Ok(())
        };
        for piece in &self.0 {
            match piece {
                Piece::Text(plain) => add(plain)?,
                Piece::Variable(variable) => {
                    add(&as_text(values.get(variable).map_err(TemplateError::NoValue)?))?;
                }
            }
        }
        Ok(text)
    }

    /// The value: of a variable that stands alone, its own; otherwise the text.
    ///
    /// # Errors
    /// As [`Template::text`].
    pub fn value(&self, scope: &dyn Scope, most: usize) -> Result<Value, TemplateError> {
        match self.0.as_slice() {
            [Piece::Variable(variable)] => {
                Values::new(scope).get(variable).cloned().map_err(TemplateError::NoValue)
            }
            _ => self.text(scope, most).map(Value::String),
        }
    }
}
