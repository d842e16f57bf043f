//! Tokens of an expression.

use std::ops::Range;

use crate::Number;

/// A mistake in an expression, with its place in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mistake {
    pub(crate) part: Range<usize>,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

impl Mistake {
    pub(crate) fn new(part: Range<usize>, message: impl Into<String>) -> Self {
        Self { part, message: message.into(), hint: None }
    }

    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Token {
    Number(Number),
    /// A name, or any text in quotes.
    Name(String),
    /// `+ - * / ( ) , .`
    Symbol(char),
    End,
}

/// Splits an expression into tokens, each with its place. The last one is [`Token::End`].
pub(crate) fn tokens(text: &str) -> Result<Vec<(Token, Range<usize>)>, Mistake> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        let (token, len) = match first {
            _ if first.is_whitespace() => {
                at += first.len_utf8();
                continue;
            }
            '0'..='9' => number(rest, at)?,
            '\'' | '"' => {
                let Some(len) = rest[1..].find(first) else {
                    return Err(Mistake::new(at..text.len(), format!("the quote {first} has no end")));
                };
                (Token::Name(rest[1..=len].to_owned()), len + 2)
            }
            '+' | '-' | '*' | '/' | '(' | ')' | ',' | '.' => (Token::Symbol(first), 1),
            _ if starts_name(first) => {
                let len = rest.find(|c: char| !is_of_name(c)).unwrap_or(rest.len());
                (Token::Name(rest[..len].to_owned()), len)
            }
            _ => {
                let mistake =
                    Mistake::new(at..at + first.len_utf8(), format!("`{first}` is not an operator"));
                return Err(mistake.hint("the operators are `+`, `-`, `*` and `/`; a name with other characters than letters, digits \
                     and `_` is quoted: `grid.'1-0:16.7.0'`"));
            }
        };
        found.push((token, at..at + len));
        at += len;
    }
    found.push((Token::End, at..at));
    Ok(found)
}

fn number(rest: &str, at: usize) -> Result<(Token, usize), Mistake> {
    let digits = |from: usize| rest[from..].bytes().take_while(u8::is_ascii_digit).count();
    let mut len = digits(0);
    if rest[len..].starts_with('.') && digits(len + 1) > 0 {
        len += 1 + digits(len + 1);
    }
    match Number::from_str_exact(&rest[..len]) {
        Ok(number) => Ok((Token::Number(number), len)),
        Err(_) => Err(Mistake::new(at..at + len, "this number has more than 28 digits")),
    }
}

/// Letters, and the signs of units: `°C`, `%`.
fn starts_name(char: char) -> bool {
    char.is_alphabetic() || matches!(char, '_' | '°' | '%')
}

fn is_of_name(char: char) -> bool {
    char.is_alphanumeric() || matches!(char, '_' | '°' | '%')
}
