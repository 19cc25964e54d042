//! The types of values, as far as they are known before a run.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::ast::{Expression, Variable};
use crate::suggest::suggestion;

/// The type of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Type {
    /// Nothing: an agent's answer, which may be text or JSON.
    Any,
    /// A text.
    Text,
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A list.
    List,
    /// These fields.
    Record(Arc<BTreeMap<String, Type>>),
}

impl Type {
    fn of(value: &Value) -> Self {
        match value {
            Value::Bool(_) => Self::Boolean,
            Value::Number(_) => Self::Number,
            Value::String(_) => Self::Text,
            _ => Self::Any,
        }
    }

    /// A record of these fields.
    pub fn record(fields: impl IntoIterator<Item = (String, Type)>) -> Self {
        Self::Record(Arc::new(fields.into_iter().collect()))
    }

    /// Its name for people.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Any => "anything",
            Self::Text => "a text",
            Self::Number => "a number",
            Self::Boolean => "true or false",
            Self::List => "a list",
            Self::Record(_) => "a result with fields",
        }
    }
}

/// A message and a suggestion.
pub type TypeError = (String, Option<String>);

/// The variables in scope, by their first word. Cheap to clone: the fields of records are shared.
#[derive(Clone, Debug, Default)]
pub struct TypeEnv {
    /// Those that have a value whenever this part of the file is reached.
    pub types: BTreeMap<String, Type>,
    /// Those that may have no value here, with the reason.
    pub maybe: BTreeMap<String, String>,
}

impl TypeEnv {
    /// The type of a variable.
    ///
    /// # Errors
    /// When there is none of that name here.
    pub fn of(&self, variable: &Variable) -> Result<Type, TypeError> {
        let Some(mut known) = self.types.get(&variable.root) else {
            if let Some(why) = self.maybe.get(&variable.root) {
                return Err((format!("`{}` may have no result here: {why}", variable.root), None));
            }
            let names = self.types.keys().map(String::as_str);
            return Err((
                format!("there is no variable `{}` here", variable.root),
                suggestion(&variable.root, names),
            ));
        };
        for field in &variable.fields {
            known = match known {
                Type::Any | Type::List => return Ok(Type::Any),
                Type::Record(fields) => match fields.get(field) {
                    Some(known) => known,
                    None => {
                        let names = fields.keys().map(String::as_str);
                        let message = format!("`{}` has no field `{field}`", variable.root);
                        return Err((message, suggestion(field, names)));
                    }
                },
                other => {
                    let message =
                        format!("`{variable}` asks for a field of {}, which has none", other.word());
                    return Err((message, None));
                }
            };
        }
        Ok(known.clone())
    }
}

/// Errors of one expression at most: each may take a search through all names.
const MAX_ERRORS: usize = 16;

/// The type of an expression.
///
/// # Errors
/// The errors in it, at most [`MAX_ERRORS`].
pub fn check(expression: &Expression, known: &TypeEnv) -> Result<Type, Vec<TypeError>> {
    match expression {
        Expression::Literal(value) => Ok(Type::of(value)),
        Expression::Variable(variable) => known.of(variable).map_err(|error| vec![error]),
        Expression::Not(inner) => {
            boolean(inner, "!", known)?;
            Ok(Type::Boolean)
        }
        Expression::All(terms) => booleans(terms, "&&", known),
        Expression::Any(terms) => booleans(terms, "||", known),
        Expression::Compare(how, a, b) => {
            let (a, b) = match (check(a, known), check(b, known)) {
                (Ok(a), Ok(b)) => (a, b),
                (a, b) => return both(a, b),
            };
            let sign = how.as_str();
            for side in [&a, &b] {
                let has_order = matches!(side, Type::Any | Type::Number | Type::Text);
                if how.is_ordering() && !has_order {
                    let message = format!("`{sign}` compares numbers or texts, not {}", side.word());
                    return Err(vec![(message, Some("use `==` or `!=`".into()))]);
                }
            }
            if a != b && a != Type::Any && b != Type::Any {
                let message = format!("`{sign}` compares {} with {}: that never holds", a.word(), b.word());
                let hint = match (&a, &b) {
                    (Type::Boolean, Type::Text) | (Type::Text, Type::Boolean) => {
                        Some("write `true` and `false` without quotes".to_owned())
                    }
                    (Type::Number, Type::Text) | (Type::Text, Type::Number) => {
                        Some("write numbers without quotes".to_owned())
                    }
                    _ => None,
                };
                return Err(vec![(message, hint)]);
            }
            Ok(Type::Boolean)
        }
    }
}

/// Whether the expression is `true` or `false` whatever a run brings.
pub fn constant(expression: &Expression) -> Option<bool> {
    match expression {
        Expression::Literal(Value::Bool(value)) => Some(*value),
        Expression::Not(inner) => constant(inner).map(|value| !value),
        Expression::All(terms) => constant_chain(terms, false),
        Expression::Any(terms) => constant_chain(terms, true),
        Expression::Compare(how, a, b) => match (&**a, &**b) {
            (Expression::Literal(a), Expression::Literal(b)) => super::eval::compare(*how, a, b).ok(),
            _ => None,
        },
        _ => None,
    }
}

/// One term with the value `decides` decides a chain; otherwise all terms must be constant.
fn constant_chain(terms: &[Expression], decides: bool) -> Option<bool> {
    let mut all_known = true;
    for term in terms {
        match constant(term) {
            Some(value) if value == decides => return Some(decides),
            Some(_) => {}
            None => all_known = false,
        }
    }
    all_known.then_some(!decides)
}

fn booleans(terms: &[Expression], sign: &str, known: &TypeEnv) -> Result<Type, Vec<TypeError>> {
    let mut errors = Vec::new();
    for term in terms {
        if let Err(more) = boolean(term, sign, known) {
            errors.extend(more);
        }
        if errors.len() >= MAX_ERRORS {
            break;
        }
    }
    if errors.is_empty() { Ok(Type::Boolean) } else { Err(errors) }
}

fn boolean(expression: &Expression, sign: &str, known: &TypeEnv) -> Result<Type, Vec<TypeError>> {
    match check(expression, known)? {
        found @ (Type::Any | Type::Boolean) => Ok(found),
        other => Err(vec![(
            format!("`{sign}` wants true or false, not {}", other.word()),
            Some("compare it: `… == …`".into()),
        )]),
    }
}

fn both(a: Result<Type, Vec<TypeError>>, b: Result<Type, Vec<TypeError>>) -> Result<Type, Vec<TypeError>> {
    match (a, b) {
        (Err(mut a), Err(b)) => {
            a.extend(b);
            Err(a)
        }
        (Err(errors), Ok(_)) | (Ok(_), Err(errors)) => Err(errors),
        (Ok(_), Ok(_)) => Ok(Type::Boolean),
    }
}
