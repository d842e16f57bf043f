//! Parser of expressions, by precedence (Pratt, 1973).

use std::ops::Range;

use framework::Unit;

use super::{
    Expression, Mistake, Node, Op, Operand,
    token::{Token, tokens},
};

/// Deepest nesting of parentheses, functions and signs.
const MOST_NESTED: usize = 64;

/// Parses an expression.
pub(super) fn parse(text: &str) -> Result<Expression, Mistake> {
    let tokens = tokens(text)?;
    let mut parser = Parser { text, tokens, at: 0, found: Expression::default() };
    parser.expression(0, 0)?;
    match parser.peek() {
        (Token::End, _) => {
            let Expression { nodes, operands } = &mut parser.found;
            for node in nodes.iter().filter(|node| !node.can_miss) {
                if let Op::Operand(n) = node.op {
                    operands[n].is_optional = false;
                }
            }
            Ok(parser.found)
        }
        (_, part) => Err(parser.unexpected(part, "an operator (`+`, `-`, `*`, `/`)")),
    }
}

struct Parser<'t> {
    text: &'t str,
    tokens: Vec<(Token, Range<usize>)>,
    at: usize,
    found: Expression,
}

impl Parser<'_> {
    fn peek(&self) -> (&Token, Range<usize>) {
        // The last token is the end, and is never taken.
        let (token, part) = &self.tokens[self.at];
        (token, part.clone())
    }

    fn take(&mut self) -> (Token, Range<usize>) {
        let (token, part) = self.peek();
        let token = token.clone();
        self.at += usize::from(token != Token::End);
        (token, part)
    }

    fn takes(&mut self, symbol: char) -> bool {
        let is_there = *self.peek().0 == Token::Symbol(symbol);
        self.at += usize::from(is_there);
        is_there
    }

    fn unexpected(&self, part: Range<usize>, expected: &str) -> Mistake {
        let found = match &self.text[part.clone()] {
            "" => "the end".to_owned(),
            found => format!("`{found}`"),
        };
        Mistake::new(part, format!("expected {expected}, not {found}"))
    }

    fn emit(&mut self, op: Op, part: Range<usize>) -> Range<usize> {
        self.found.nodes.push(Node { op, part: part.clone(), can_miss: false });
        part
    }

    /// Parses what binds more tightly than `least`. Returns its place.
    fn expression(&mut self, least: u8, nested: usize) -> Result<Range<usize>, Mistake> {
        let mut left = self.operand(nested)?;
        loop {
            let (op, binds) = match self.peek().0 {
                Token::Symbol('+') => (Op::Add, 1),
                Token::Symbol('-') => (Op::Subtract, 1),
                Token::Symbol('*') => (Op::Multiply, 2),
                Token::Symbol('/') => (Op::Divide, 2),
                _ => return Ok(left),
            };
            if binds <= least {
                return Ok(left);
            }
            self.at += 1;
            let right = self.expression(binds, nested)?;
            left = self.emit(op, left.start..right.end);
        }
    }

    fn operand(&mut self, nested: usize) -> Result<Range<usize>, Mistake> {
        let (token, part) = self.take();
        if nested > MOST_NESTED {
            return Err(Mistake::new(part, format!("this is nested more than {MOST_NESTED} deep")));
        }
        match token {
            Token::Number(number) => match self.unit()? {
                Some((unit, end)) => Ok(self.emit(Op::Amount(number, unit), part.start..end)),
                None => Ok(self.emit(Op::Literal(number), part)),
            },
            Token::Symbol('-') => {
                let negated = self.expression(2, nested + 1)?;
                Ok(self.emit(Op::Negate, part.start..negated.end))
            }
            Token::Symbol('(') => {
                self.expression(0, nested + 1)?;
                Ok(part.start..self.close()?)
            }
            Token::Name(name) if self.takes('(') => self.function(&name, part, nested),
            Token::Name(source) => self.reading(source, part),
            _ => Err(self.unexpected(part, "a number, a reading such as `grid.power`, or `(`")),
        }
    }

    /// Parses the unit after a number, if there is one.
    fn unit(&mut self) -> Result<Option<(Unit, usize)>, Mistake> {
        let (Token::Name(name), part) = self.peek() else { return Ok(None) };
        let Some(unit) = Unit::parse(name) else {
            let mistake = Mistake::new(part, format!("`{name}` is not a known unit"));
            return Err(
                mistake.hint("after a number stands an operator, or a unit such as `W`, `kWh` or `'m³/h'`")
            );
        };
        self.at += 1;
        Ok(Some((unit, part.end)))
    }

    fn close(&mut self) -> Result<usize, Mistake> {
        let (_, part) = self.peek();
        match self.takes(')') {
            true => Ok(part.end),
            false => Err(self.unexpected(part, "an operator, `,` or `)`")),
        }
    }

    fn function(&mut self, name: &str, part: Range<usize>, nested: usize) -> Result<Range<usize>, Mistake> {
        if !["abs", "max", "min", "or"].contains(&name) {
            let message = format!("unknown function `{name}`, expected one of `abs`, `max`, `min`, `or`");
            return Err(Mistake::new(part, message));
        }
        let first = self.found.nodes.len();
        let (mut count, mut last) = (0, first);
        while count == 0 || self.takes(',') {
            last = self.found.nodes.len();
            self.expression(0, nested + 1)?;
            count += 1;
        }
        if name == "or" {
            self.found.nodes[first..last].iter_mut().for_each(|node| node.can_miss = true);
        }
        let whole = part.start..self.close()?;
        let op = match (name, count) {
            ("abs", 1) => Op::Absolute,
            ("max", 2..) => Op::Maximum(count),
            ("min", 2..) => Op::Minimum(count),
            ("or", 2..) => Op::Or(count),
            ("abs", _) => return Err(Mistake::new(whole, format!("`abs` takes one argument, not {count}"))),
            _ => {
                return Err(Mistake::new(
                    whole,
                    format!("`{name}` takes two or more arguments, not {count}"),
                ));
            }
        };
        Ok(self.emit(op, whole))
    }

    fn reading(&mut self, source: String, part: Range<usize>) -> Result<Range<usize>, Mistake> {
        let quoted = "a name with other characters than letters, digits and `_` is quoted: \
                      `grid.'1-0:16.7.0'`, `'heat-pump'.power`";
        if !self.takes('.') {
            let message =
                format!("`{source}` is not a reading: expected a source and a reading, such as `grid.power`");
            return Err(Mistake::new(part, message).hint(quoted));
        }
        let (Token::Name(reading), end) = self.take() else {
            let (_, part) = self.tokens[self.at.saturating_sub(1)].clone();
            return Err(self.unexpected(part, "the name of a reading").hint(quoted));
        };
        let part = part.start..end.end;
        let operands = &mut self.found.operands;
        let known = operands.iter().position(|known| known.source == source && known.reading == reading);
        let n = known.unwrap_or(operands.len());
        if known.is_none() {
            operands.push(Operand { source, reading, part: part.clone(), is_optional: true });
        }
        Ok(self.emit(Op::Operand(n), part))
    }
}
