//! What an expression means in a run.

use std::cmp::Ordering;

use serde_json::Value;

use super::{Comparison, Expression, Variable};
use crate::answer_parser;

/// Where values come from.
pub trait Scope {
    /// The value of a variable's first word.
    fn get(&self, root: &str) -> Option<Value>;
}

/// The value of a variable. The fields of a text are those of the JSON in it.
///
/// # Errors
/// When there is none.
pub fn variable(variable: &Variable, scope: &dyn Scope) -> Result<Value, String> {
    let mut value = scope.get(&variable.root).ok_or_else(|| format!("`{}` has no value", variable.root))?;
    for field in &variable.fields {
        if let Value::String(text) = &value {
            value = answer_parser::json(text).ok_or_else(|| {
                format!("`{variable}`: the answer is no JSON, so it has no field `{field}`")
            })?;
        }
        let inner = match &value {
            Value::Object(fields) => fields.get(field),
            Value::Array(items) => field.parse::<usize>().ok().and_then(|index| items.get(index)),
            _ => None,
        };
        value = inner.cloned().ok_or_else(|| format!("`{variable}`: there is no `{field}`"))?;
    }
    Ok(value)
}

/// Whether a condition holds.
///
/// # Errors
/// When a variable has no value, or values cannot be compared.
pub fn holds(expression: &Expression, scope: &dyn Scope) -> Result<bool, String> {
    truth(&value(expression, scope)?)
}

fn value(expression: &Expression, scope: &dyn Scope) -> Result<Value, String> {
    Ok(match expression {
        Expression::Literal(value) => value.clone(),
        Expression::Variable(name) => variable(name, scope)?,
        Expression::Not(inner) => Value::Bool(!holds(inner, scope)?),
        Expression::And(a, b) => Value::Bool(holds(a, scope)? && holds(b, scope)?),
        Expression::Or(a, b) => Value::Bool(holds(a, scope)? || holds(b, scope)?),
        Expression::Compare(how, a, b) => Value::Bool(compare(*how, &value(a, scope)?, &value(b, scope)?)?),
    })
}

/// Compares two values. A text that stands beside a number or a boolean is read as one.
///
/// # Errors
/// When the two have no order, or are of different types.
pub fn compare(how: Comparison, a: &Value, b: &Value) -> Result<bool, String> {
    let order = match (a, b) {
        (Value::Null, Value::Null) => Some(Ordering::Equal),
        (Value::Null, _) | (_, Value::Null) if !how.is_ordering() => Some(Ordering::Less),
        (Value::String(a), Value::String(b)) => Some(a.trim().cmp(b.trim())),
        (Value::Number(_), _) | (_, Value::Number(_)) => match (number(a), number(b)) {
            (Some(a), Some(b)) => a.partial_cmp(&b),
            _ => None,
        },
        (Value::Bool(_), _) | (_, Value::Bool(_)) if !how.is_ordering() => match (truth(a), truth(b)) {
            (Ok(a), Ok(b)) => Some(a.cmp(&b)),
            _ => None,
        },
        (a, b) if !how.is_ordering() => Some(if a == b { Ordering::Equal } else { Ordering::Less }),
        _ => None,
    };
    let order = order.ok_or_else(|| format!("`{a}` and `{b}` cannot be compared with `{}`", how.as_str()))?;
    Ok(match how {
        Comparison::Equal => order.is_eq(),
        Comparison::Different => order.is_ne(),
        Comparison::Less => order.is_lt(),
        Comparison::AtMost => order.is_le(),
        Comparison::Greater => order.is_gt(),
        Comparison::AtLeast => order.is_ge(),
    })
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok().filter(|number: &f64| number.is_finite()),
        _ => None,
    }
}

fn truth(value: &Value) -> Result<bool, String> {
    match value {
        Value::Bool(value) => Ok(*value),
        Value::String(text) => match text.trim().to_lowercase().as_str() {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(format!("`{:.80}` is neither true nor false", text.trim())),
        },
        other => Err(format!("`{other}` is neither true nor false")),
    }
}
