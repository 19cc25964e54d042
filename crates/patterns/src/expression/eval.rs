//! The evaluation of a condition in a run.

use std::cmp::Ordering;

use serde_json::Value;

use super::ast::{Comparison, Expression};
use super::values::{Scope, Values, text_size};

/// The text that one evaluation looks at, in bytes: a condition may name a long text often.
const MAX_COMPARED: usize = 64 * 1024 * 1024;
/// The longest text that is read as a number or as true or false, in bytes.
const MAX_WORD: usize = 4096;

/// Whether a condition holds.
///
/// # Errors
/// When a variable has no value, values cannot be compared, or too much text is compared.
pub fn holds(expression: &Expression, scope: &dyn Scope) -> Result<bool, String> {
    Evaluation { values: Values::new(scope), budget: MAX_COMPARED }.holds(expression)
}

struct Evaluation<'a> {
    values: Values<'a>,
    budget: usize,
}

impl Evaluation<'_> {
    fn holds(&mut self, expression: &Expression) -> Result<bool, String> {
        match expression {
            Expression::Literal(value) => truth(value),
            Expression::Variable(name) => truth(self.values.get(name)?),
            Expression::Not(inner) => Ok(!self.holds(inner)?),
            Expression::All(terms) => {
                for term in terms {
                    if !self.holds(term)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Expression::Any(terms) => {
                for term in terms {
                    if self.holds(term)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Expression::Compare(how, a, b) => {
                let a = self.operand(a)?;
                let b = self.operand(b)?;
                compare(*how, &a, &b)
            }
        }
    }

    /// A side of a comparison. Its size is taken from the budget before it is copied.
    fn operand(&mut self, expression: &Expression) -> Result<Value, String> {
        let value = match expression {
            Expression::Literal(value) => value,
            Expression::Variable(name) => self.values.get(name)?,
            _ => return self.holds(expression).map(Value::Bool),
        };
        self.budget = self.budget.checked_sub(text_size(value)).ok_or_else(|| {
            format!("the condition compares more than {} MiB of text", MAX_COMPARED / (1024 * 1024))
        })?;
        Ok(value.clone())
    }
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
    let order = order
        .ok_or_else(|| format!("{} and {} cannot be compared with `{}`", short(a), short(b), how.as_str()))?;
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
        Value::String(text) if text.len() <= MAX_WORD => {
            text.trim().parse().ok().filter(|number: &f64| number.is_finite())
        }
        _ => None,
    }
}

fn truth(value: &Value) -> Result<bool, String> {
    match value {
        Value::Bool(value) => Ok(*value),
        Value::String(text) if text.len() <= MAX_WORD => match text.trim().to_lowercase().as_str() {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(format!("{} is neither true nor false", short(value))),
        },
        other => Err(format!("{} is neither true nor false", short(other))),
    }
}

/// The beginning of a value, for messages.
fn short(value: &Value) -> String {
    match value {
        Value::String(text) => format!("`{:.80}`", text.trim()),
        Value::Array(_) => "a list".into(),
        Value::Object(_) => "a value with fields".into(),
        other => format!("`{other}`"),
    }
}
