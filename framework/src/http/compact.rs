//! Scripts and style sheets as browsers get them: without comments, types, and blanks that mean nothing.
//!
//! The source is what people read, a third of it types and reasons. Lines stay, if empty, so that a fault names the line
//! of the source. Texts, templates and regular expressions are copied as they are. `tests/page/types.rs` compares the
//! syntax tree of each script with that of its source.

/// Words after which a `/` begins a regular expression, although a value would not.
const BEFORE_VALUES: [&str; 14] = [
    "await",
    "case",
    "delete",
    "do",
    "else",
    "in",
    "instanceof",
    "new",
    "of",
    "return",
    "throw",
    "typeof",
    "void",
    "yield",
];

/// Returns a script in its compact form.
pub(super) fn script(source: &str) -> String {
    let mut out = Output::new(source);
    // Braces that are open in each `${…}` of a template.
    let mut templates: Vec<usize> = Vec::new();
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '\n' => out.line(),
            ' ' | '\t' | '\r' => out.blank(first.len_utf8()),
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => out.comment(rest),
            '/' if out.expects_value() => out.token(rest, regular_expression(rest)),
            '\'' | '"' => out.token(rest, text(rest)),
            '`' => {
                let (length, is_open) = template(rest, 1);
                templates.extend(is_open.then_some(0));
                out.token(rest, length)
            }
            '}' if templates.last() == Some(&0) => {
                let (length, is_open) = template(rest, 1);
                if !is_open {
                    templates.pop();
                }
                out.token(rest, length)
            }
            _ if is_word(first) => out.token(rest, rest.find(|c| !is_word(c)).unwrap_or(rest.len())),
            _ => {
                if let Some(braces) = templates.last_mut() {
                    *braces = match first {
                        '{' => *braces + 1,
                        '}' => braces.saturating_sub(1),
                        _ => *braces,
                    };
                }
                if matches!(first, ')' | ']' | '}') {
                    out.end_list();
                }
                out.token(rest, first.len_utf8())
            }
        };
        rest = &rest[length..];
    }
    out.code
}

/// Returns a style sheet in its compact form.
pub(super) fn style(source: &str) -> String {
    let mut out = Output::new(source);
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '\n' => out.line(),
            ' ' | '\t' | '\r' => out.blank(first.len_utf8()),
            '/' if rest.starts_with("/*") => out.comment(rest),
            _ => {
                let length = if matches!(first, '\'' | '"') { text(rest) } else { first.len_utf8() };
                if first == '}' && out.code.ends_with(';') {
                    out.code.pop();
                }
                let ends = out.code.ends_with(['{', '}', ';', ',', ':', '\n']) || out.code.is_empty();
                out.push(&rest[..length], !ends && !matches!(first, '{' | '}' | ';' | ','))
            }
        };
        rest = &rest[length..];
    }
    out.code
}

/// Code so far. Each method returns the number of bytes that it took from the source.
struct Output {
    code: String,
    /// Whether there were blanks since the last token.
    is_apart: bool,
}

impl Output {
    fn new(source: &str) -> Self {
        Self { code: String::with_capacity(source.len()), is_apart: false }
    }

    fn line(&mut self) -> usize {
        self.code.push('\n');
        self.is_apart = false;
        1
    }

    fn blank(&mut self, length: usize) -> usize {
        self.is_apart = true;
        length
    }

    /// Leaves out a comment, but not its lines.
    fn comment(&mut self, rest: &str) -> usize {
        let length = rest.get(2..).and_then(|inside| inside.find("*/")).map_or(rest.len(), |end| end + 4);
        self.code.extend(rest[..length].matches('\n'));
        self.is_apart = true;
        length
    }

    /// Leaves out the comma after the last one of a list. A comma after nothing counts as one more.
    fn end_list(&mut self) {
        let end = self.code.trim_end().len();
        let list = self.code[..end].strip_suffix(',').map(str::trim_end);
        if list.is_some_and(|list| !list.ends_with([',', '['])) {
            self.code.remove(end - 1);
        }
    }

    /// Adds a token of a script. A blank stays where two tokens would become another one.
    fn token(&mut self, rest: &str, length: usize) -> usize {
        let token = &rest[..length];
        let last = self.code.chars().next_back().unwrap_or('\n');
        let needs_blank = token.chars().next().is_some_and(|first| {
            is_word(last) && is_word(first)
                || last.is_ascii_digit() && first == '.'
                || "+-".contains(last) && "+-".contains(first)
                || last != '\n' && (last == '/' || first == '/')
        });
        self.push(token, needs_blank)
    }

    fn push(&mut self, token: &str, needs_blank: bool) -> usize {
        if self.is_apart && needs_blank {
            self.code.push(' ');
        }
        self.is_apart = false;
        self.code.push_str(token);
        token.len()
    }

    /// Returns whether a value comes next: then a `/` begins a regular expression, else it divides.
    fn expects_value(&self) -> bool {
        let code = self.code.trim_end();
        let word = &code[code
            .rfind(|c| !is_word(c))
            .map_or(0, |at| at + code[at..].chars().next().map_or(1, char::len_utf8))..];
        let ends_value = !word.is_empty() || code.ends_with([')', ']', '}', '\'', '"', '`']);
        BEFORE_VALUES.contains(&word) || !ends_value
    }
}

const fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '$' | '#') || !c.is_ascii()
}

/// Length of a text in quotes.
fn text(rest: &str) -> usize {
    let quote = rest.as_bytes().first().copied().unwrap_or_default();
    length_to(rest, 1, |_, byte| byte == quote)
}

/// Length of a regular expression without its flags, which are a word.
fn regular_expression(rest: &str) -> usize {
    let mut is_class = false;
    length_to(rest, 1, |_, byte| {
        is_class = byte == b'[' || is_class && byte != b']';
        byte == b'/' && !is_class
    })
}

/// Length of a template up to its end, or to the `${` of the next expression, and whether that has begun.
fn template(rest: &str, from: usize) -> (usize, bool) {
    let length = length_to(rest, from, |before, byte| byte == b'`' || byte == b'{' && before == b'$');
    (length, rest[..length].ends_with('{'))
}

/// Length up to and with the first byte that ends a literal, by the byte before it and its own; a backslash hides the next.
fn length_to(rest: &str, from: usize, mut ends: impl FnMut(u8, u8) -> bool) -> usize {
    let (mut is_hidden, mut before) = (false, 0);
    for (at, byte) in rest.bytes().enumerate().skip(from) {
        if !is_hidden && byte != b'\\' && ends(before, byte) {
            return at + 1;
        }
        before = if is_hidden { 0 } else { byte };
        is_hidden = !is_hidden && byte == b'\\';
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_types_and_blanks_are_left_out_and_lines_stay() {
        let source = "// Why.\n/** @type {number} */\nlet a = 1; // said\n  /**\n   * @param {string} b\n   */\n  \
                      f(/** @type {any} */ (a), b);\n";
        assert_eq!(script(source), "\n\nlet a=1;\n\n\n\nf((a),b);\n");
    }

    #[test]
    fn texts_templates_and_regular_expressions_are_copied_as_they_are() {
        for same in [
            "f('/** no  comment */','//','it\\'s  //');",
            "f(\"a  'b'  /* c */\");",
            "f(`a  // ${b}  /* ${`c  ${d}`} */`);",
            "f(`${{a:{b:1}}.a}  // x`);",
            "f(`\\${  a`,`$  {`);",
            "f(/\\/\\*  [/*]\\]  /g,/a  '/);",
            "g(x=>/  \"/.test(x));",
            "return /  '/;",
            "f('é  ü');",
        ] {
            assert_eq!(script(same), same);
        }
    }

    #[test]
    fn a_comma_after_the_last_one_of_a_list_is_left_out() {
        assert_eq!(script("f(\n  [a, b,],\n  { c, },\n);"), "f(\n[a,b],\n{c}\n);");
        for same in ["[,]", "[a,,]", "f('a,')", "f(`a,${b},`)", "g(/a,/)"] {
            assert_eq!(script(same), same);
        }
    }

    #[test]
    fn a_division_is_no_regular_expression() {
        assert_eq!(script("a = b / 2; // '\nc = (d) / e[0] / 'f';"), "a=b / 2;\nc=(d) / e[0] / 'f';");
        assert_eq!(script("a = `${b / 2} ' ${c}`; // '"), "a=`${b / 2} ' ${c}`;");
    }

    #[test]
    fn blanks_stay_where_two_tokens_would_become_one() {
        let same = "const a=b in c;x=a- -b+ +c;y=1 .toFixed();static #z;if(typeof a)return'b';";
        assert_eq!(script(same), same);
    }

    #[test]
    fn unfinished_texts_and_comments_end_with_the_file() {
        for source in ["'a", "`a${b", "/*", "/* a", "/a", "'a\\", "`${'", "/", "\\", "}", "/*/"] {
            assert!(script(source).len() <= source.len(), "{source}");
            assert!(style(source).len() <= source.len(), "{source}");
        }
    }

    #[test]
    fn style_sheets_keep_their_selectors_sums_and_texts() {
        let source = "/* Why. */\n.a :is(b, c) > d { margin: 0 calc(1px + 2px); content: \"a  ;  b\"; }\n\
                      @media (min-width: 1px) and (a) { /* b */\n}\n";
        let wanted = "\n.a :is(b,c) > d{margin:0 calc(1px + 2px);content:\"a  ;  b\"}\n\
                      @media (min-width:1px) and (a){\n}\n";
        assert_eq!(style(source), wanted);
    }
}
