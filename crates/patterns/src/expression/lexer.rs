//! The tokens of an expression.

use serde_json::{Number, Value};

use super::ast::Comparison;

/// A token.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Literal(Value),
    /// `a.b.c`
    Name(String),
    /// `${a.b.c}`
    Wrapped(String),
    Not,
    And,
    Or,
    Compare(Comparison),
    Open,
    Close,
}

/// The tokens, each with the index of its first character.
pub(super) fn tokens(text: &str) -> Result<Vec<(usize, Token)>, String> {
    let letters: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < letters.len() {
        let rest = &letters[at..];
        if rest[0].is_whitespace() {
            at += 1;
            continue;
        }
        let (length, token) = token(rest).map_err(|why| format!("{why} (character {})", at + 1))?;
        tokens.push((at, token));
        at += length;
    }
    Ok(tokens)
}

fn token(rest: &[char]) -> Result<(usize, Token), String> {
    let second = rest.get(1).copied();
    Ok(match (rest[0], second) {
        ('&', Some('&')) => (2, Token::And),
        ('|', Some('|')) => (2, Token::Or),
        ('=', Some('=')) => (2, Token::Compare(Comparison::Equal)),
        ('!', Some('=')) => (2, Token::Compare(Comparison::Different)),
        ('<', Some('=')) => (2, Token::Compare(Comparison::AtMost)),
        ('>', Some('=')) => (2, Token::Compare(Comparison::AtLeast)),
        ('<', _) => (1, Token::Compare(Comparison::Less)),
        ('>', _) => (1, Token::Compare(Comparison::Greater)),
        ('!', _) => (1, Token::Not),
        ('(', _) => (1, Token::Open),
        (')', _) => (1, Token::Close),
        ('=', _) => return Err("`=` compares nothing: write `==`".into()),
        ('&', _) => return Err("`&` means nothing: write `&&`".into()),
        ('|', _) => return Err("`|` means nothing: write `||`".into()),
        ('$', Some('{')) => {
            let end = rest.iter().position(|c| *c == '}').ok_or("a `${` has no `}`")?;
            (end + 1, Token::Wrapped(rest[2..end].iter().collect()))
        }
        (quote @ ('\'' | '"'), _) => {
            let end =
                rest[1..].iter().position(|c| *c == quote).ok_or("a text has no end: close the quote")?;
            (end + 2, Token::Literal(Value::String(rest[1..=end].iter().collect())))
        }
        (first, _)
            if first.is_ascii_digit() || (first == '-' && second.is_some_and(|c| c.is_ascii_digit())) =>
        {
            let length = 1 + rest[1..].iter().take_while(|c| c.is_ascii_digit() || **c == '.').count();
            let text: String = rest[..length].iter().collect();
            (length, Token::Literal(Value::Number(number(&text)?)))
        }
        (first, _) if first.is_alphabetic() || first == '_' => {
            let length = rest.iter().take_while(|c| is_of_name(**c)).count();
            let word: String = rest[..length].iter().collect();
            let literal = match word.as_str() {
                "true" => Value::Bool(true),
                "false" => Value::Bool(false),
                "null" => Value::Null,
                _ => return Ok((length, Token::Name(word))),
            };
            (length, Token::Literal(literal))
        }
        (other, _) => return Err(format!("`{other}` means nothing here")),
    })
}

fn number(text: &str) -> Result<Number, String> {
    let number = match text.parse::<i64>() {
        Ok(whole) => Some(Number::from(whole)),
        Err(_) => text.parse::<f64>().ok().and_then(Number::from_f64),
    };
    number.ok_or_else(|| format!("`{text}` is no number"))
}

fn is_of_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '.')
}
