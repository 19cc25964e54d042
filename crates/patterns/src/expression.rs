//! Conditions and variables: `${review.approved} && ${score.value} >= 7`.
//!
//! [`parse`] reads one, [`types`] says before a run whether it can mean anything, [`eval`] says in a run what it means.
//! [`template`] is text with variables in it.

pub mod eval;
mod lexer;
mod parser;
pub mod template;
pub mod types;

use serde_json::Value;

pub use parser::{parse, parse_variable};

/// What a condition is made of.
#[derive(Clone, Debug, PartialEq)]
pub enum Expression {
    /// A number, text, `true`, `false` or `null`.
    Literal(Value),
    /// A variable.
    Variable(Variable),
    /// `!x`
    Not(Box<Expression>),
    /// `x && y`
    And(Box<Expression>, Box<Expression>),
    /// `x || y`
    Or(Box<Expression>, Box<Expression>),
    /// `x == y` and the like.
    Compare(Comparison, Box<Expression>, Box<Expression>),
}

/// `input.task`, `step_0_result.score`, `review.approved`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// The first word.
    pub root: String,
    /// The words after it.
    pub fields: Vec<String>,
}

impl std::fmt::Display for Variable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.root)?;
        self.fields.iter().try_for_each(|field| write!(f, ".{field}"))
    }
}

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `==`
    Equal,
    /// `!=`
    Different,
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    Greater,
    /// `>=`
    AtLeast,
}

impl Comparison {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::Different => "!=",
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::Greater => ">",
            Self::AtLeast => ">=",
        }
    }

    /// Whether it asks for an order, which only numbers and texts have.
    pub fn is_ordering(self) -> bool {
        !matches!(self, Self::Equal | Self::Different)
    }
}

impl Expression {
    /// Every variable in it.
    pub fn variables(&self) -> Vec<&Variable> {
        match self {
            Self::Literal(_) => vec![],
            Self::Variable(variable) => vec![variable],
            Self::Not(inner) => inner.variables(),
            Self::And(a, b) | Self::Or(a, b) | Self::Compare(_, a, b) => {
                let mut all = a.variables();
                all.extend(b.variables());
                all
            }
        }
    }
}

#[cfg(test)]
mod tests;
