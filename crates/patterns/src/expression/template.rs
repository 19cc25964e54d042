//! Text with `${variables}` in it. A `$` without `{` is a `$`; `$${` is `${`. What a variable brings is never read again.

use serde_json::Value;

use super::eval::{self, Scope};
use super::{Variable, parse_variable};

/// A text with variables.
#[derive(Clone, Debug, PartialEq)]
pub struct Template(Vec<Piece>);

#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Text(String),
    Variable(Variable),
}

impl Template {
    /// Reads one.
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

    /// The text.
    ///
    /// # Errors
    /// When a variable has no value.
    pub fn text(&self, scope: &dyn Scope) -> Result<String, String> {
        self.0.iter().try_fold(String::new(), |mut text, piece| {
            match piece {
                Piece::Text(plain) => text.push_str(plain),
                Piece::Variable(variable) => text.push_str(&as_text(&eval::variable(variable, scope)?)),
            }
            Ok(text)
        })
    }

    /// The value: of a variable that stands alone, its own; otherwise the text.
    ///
    /// # Errors
    /// When a variable has no value.
    pub fn value(&self, scope: &dyn Scope) -> Result<Value, String> {
        match self.0.as_slice() {
            [Piece::Variable(variable)] => eval::variable(variable, scope),
            _ => self.text(scope).map(Value::String),
        }
    }
}

/// A value as text: a text as it is, everything else as JSON.
pub fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}
