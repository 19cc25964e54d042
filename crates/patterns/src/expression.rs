//! Conditions and variables: `${review.approved} && ${score.value} >= 7`.
//!
//! [`parse`] reads a condition, [`types`] checks before a run whether it can mean anything, [`eval`] evaluates it in a run.
//! [`template`] is text with variables in it; [`values`] looks variables up. The cost of each is linear in the size of the
//! expression and of the values it names.

mod ast;
pub mod eval;
mod lexer;
mod parser;
pub mod template;
pub mod types;
pub mod values;

pub use ast::Variable;
pub use parser::parse;

#[cfg(test)]
mod tests;
