//! The syntax tree of a condition.

use serde_json::Value;

/// A condition or a part of one.
///
/// A chain of `&&` or `||` is one node with a list of terms, and the parser bounds the nesting: recursion over the tree is
/// bounded, whatever a file holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Expression {
    /// A number, text, `true`, `false` or `null`.
    Literal(Value),
    /// A variable.
    Variable(Variable),
    /// `!x`
    Not(Box<Expression>),
    /// `x && y && …`
    All(Vec<Expression>),
    /// `x || y || …`
    Any(Vec<Expression>),
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

    /// Whether it needs an order, which only numbers and texts have.
    pub fn is_ordering(self) -> bool {
        !matches!(self, Self::Equal | Self::Different)
    }
}

impl Expression {
    /// Every variable in it.
    pub fn variables(&self) -> Vec<&Variable> {
        let mut variables = Vec::new();
        let mut pending = vec![self];
        while let Some(expression) = pending.pop() {
            match expression {
                Self::Literal(_) => {}
                Self::Variable(variable) => variables.push(variable),
                Self::Not(inner) => pending.push(inner),
                Self::All(terms) | Self::Any(terms) => pending.extend(terms),
                Self::Compare(_, a, b) => pending.extend([&**a, &**b]),
            }
        }
        variables
    }
}
