//! Tokens into an expression: `||` binds least, then `&&`, comparisons, `!`.
//!
//! The parser recurses into parentheses and `!` only, at most [`MAX_DEPTH`] deep. Chains are loops.

use super::ast::{Expression, Variable};
use super::lexer::{Token, tokens};

/// The deepest nesting of parentheses and `!`.
const MAX_DEPTH: usize = 32;

/// Reads a condition.
///
/// # Errors
/// What is wrong with it, as a fragment of a sentence.
pub fn parse(text: &str) -> Result<Expression, String> {
    let tokens = tokens(text)?;
    if tokens.is_empty() {
        return Err("a condition is not empty".into());
    }
    let mut parser = Parser { tokens, next: 0, depth: 0 };
    let expression = parser.or()?;
    match parser.tokens.get(parser.next) {
        None => Ok(expression),
        Some((at, token)) => Err(format!("{} is one too many (character {})", words(token), at + 1)),
    }
}

/// Reads what stands in `${…}`.
///
/// # Errors
/// What is wrong with it.
pub fn parse_variable(text: &str) -> Result<Variable, String> {
    let mut words = text.trim().split('.').map(str::to_owned);
    let root = words.next().unwrap_or_default();
    let variable = Variable { root, fields: words.collect() };
    let is_word = |word: &String| {
        !word.is_empty() && word.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'))
    };
    if is_word(&variable.root) && variable.fields.iter().all(is_word) {
        return Ok(variable);
    }
    Err(format!("`{}` is no variable: write words with dots between them, such as `input.task`", text.trim()))
}

struct Parser {
    tokens: Vec<(usize, Token)>,
    next: usize,
    depth: usize,
}

impl Parser {
    fn take(&mut self, wanted: &Token) -> bool {
        let is_there = self.tokens.get(self.next).is_some_and(|(_, token)| token == wanted);
        self.next += usize::from(is_there);
        is_there
    }

    fn or(&mut self) -> Result<Expression, String> {
        let first = self.and()?;
        let mut terms = Vec::new();
        while self.take(&Token::Or) {
            terms.push(self.and()?);
        }
        Ok(chain(first, terms, Expression::Any))
    }

    fn and(&mut self) -> Result<Expression, String> {
        let first = self.comparison()?;
        let mut terms = Vec::new();
        while self.take(&Token::And) {
            terms.push(self.comparison()?);
        }
        Ok(chain(first, terms, Expression::All))
    }

    fn comparison(&mut self) -> Result<Expression, String> {
        let left = self.one()?;
        let Some((_, Token::Compare(how))) = self.tokens.get(self.next).cloned() else { return Ok(left) };
        self.next += 1;
        Ok(Expression::Compare(how, Box::new(left), Box::new(self.one()?)))
    }

    fn one(&mut self) -> Result<Expression, String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(format!("at most {MAX_DEPTH} parentheses may stand within each other"));
        }
        let token = self.tokens.get(self.next).cloned();
        self.next += 1;
        let expression = match token {
            None => Err("something is missing at the end".into()),
            Some((_, Token::Literal(value))) => Ok(Expression::Literal(value)),
            Some((_, Token::Name(name) | Token::Wrapped(name))) => {
                parse_variable(&name).map(Expression::Variable)
            }
            Some((_, Token::Not)) => Ok(Expression::Not(Box::new(self.one()?))),
            Some((_, Token::Open)) => {
                let inner = self.or()?;
                if self.take(&Token::Close) { Ok(inner) } else { Err("a `(` has no `)`".into()) }
            }
            Some((at, token)) => {
                Err(format!("{} stands where a value should (character {})", words(&token), at + 1))
            }
        };
        self.depth -= 1;
        expression
    }
}

/// The only term, or the chain of several.
fn chain(
    first: Expression,
    mut rest: Vec<Expression>,
    make: fn(Vec<Expression>) -> Expression,
) -> Expression {
    if rest.is_empty() {
        return first;
    }
    rest.insert(0, first);
    make(rest)
}

fn words(token: &Token) -> String {
    match token {
        Token::Literal(value) => format!("`{value}`"),
        Token::Name(name) => format!("`{name}`"),
        Token::Wrapped(name) => format!("`${{{name}}}`"),
        Token::Not => "`!`".into(),
        Token::And => "`&&`".into(),
        Token::Or => "`||`".into(),
        Token::Compare(how) => format!("`{}`", how.as_str()),
        Token::Open => "`(`".into(),
        Token::Close => "`)`".into(),
    }
}
