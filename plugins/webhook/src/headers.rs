//! Headers of the user's own, with placeholders.

use std::collections::BTreeMap;

use framework::{ConfigError, Secret};

/// Placeholders in a value.
const PLACEHOLDERS: [&str; 3] = ["{publisher}", "{version}", "{count}"];
/// Headers that follow from the request itself.
const RESERVED: [&str; 6] =
    ["connection", "content-encoding", "content-length", "host", "te", "transfer-encoding"];

/// Names and values, with all [`PLACEHOLDERS`] but `{count}` filled in.
#[derive(Debug)]
pub(crate) struct Headers(Vec<(String, Secret)>);

impl Headers {
    /// Checks the headers, and fills in their placeholders.
    ///
    /// # Errors
    /// Returns each header that cannot be sent.
    pub(crate) fn new(written: BTreeMap<String, Secret>, publisher: &str) -> Result<Self, Vec<ConfigError>> {
        let wrong: Vec<_> =
            written.iter().filter_map(|(name, value)| mistake(name, value.reveal())).collect();
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let filled = |(name, value): (String, Secret)| {
            let value = value.reveal().replace("{publisher}", publisher);
            (name, value.replace("{version}", env!("CARGO_PKG_VERSION")).into())
        };
        let mut headers: Vec<_> = written.into_iter().map(filled).collect();
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
            headers.push(("Content-Type".to_owned(), "application/json".to_owned().into()));
        }
        Ok(Self(headers))
    }

    /// Returns whether there is a header of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(other, _)| other.eq_ignore_ascii_case(name))
    }

    /// Returns the headers of a request with `count` records.
    pub(crate) fn filled(&self, count: usize) -> Vec<(String, String)> {
        let count = count.to_string();
        let filled =
            |(name, value): &(String, Secret)| (name.clone(), value.reveal().replace("{count}", &count));
        self.0.iter().map(filled).collect()
    }
}

/// Returns the mistake in a header, without its value, which may be a secret.
fn mistake(name: &str, value: &str) -> Option<ConfigError> {
    let wrong = |message| Some(ConfigError::key("headers", message));
    // RFC 9110, section 5.6.2.
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_token) {
        return wrong(format!("`{name}` is not a valid name of a header"));
    }
    if RESERVED.iter().any(|reserved| name.eq_ignore_ascii_case(reserved)) {
        return wrong(format!("`{name}` follows from the request: leave it out"));
    }
    if !value.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return wrong(format!("the value of `{name}` must be printable ASCII"));
    }
    let rest = PLACEHOLDERS.iter().fold(value.to_owned(), |rest, place| rest.replace(place, ""));
    let unknown = rest.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map(|(word, _)| word);
    let word = unknown.filter(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase()))?;
    let known = PLACEHOLDERS.map(|place| format!("`{place}`")).join(", ");
    wrong(format!("`{{{word}}}` in `{name}` is not a placeholder: expected one of {known}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &str, value: &str) -> Result<Headers, Vec<ConfigError>> {
        Headers::new(BTreeMap::from([(name.to_owned(), value.to_owned().into())]), "hook")
    }

    fn filled(name: &str, value: &str) -> Vec<(String, String)> {
        headers(name, value).unwrap().filled(7)
    }

    #[test]
    fn placeholders_are_filled_in() {
        let value = "{publisher} {count} {version} {} {\"a\": 1} { x }";
        let expected = format!("hook 7 {} {{}} {{\"a\": 1}} {{ x }}", env!("CARGO_PKG_VERSION"));
        let json = ("Content-Type".to_owned(), "application/json".to_owned());
        assert_eq!(filled("X-Of", value), [("X-Of".to_owned(), expected), json]);
        assert_eq!(filled("content-type", "text/json").len(), 1);
    }

    #[test]
    fn invalid_headers_are_refused_and_not_printed() {
        for (name, value, message) in [
            ("", "geheim", "`` is not a valid name"),
            ("a b", "geheim", "`a b` is not a valid name"),
            ("Ä", "geheim", "`Ä` is not a valid name"),
            ("Content-Length", "geheim", "leave it out"),
            ("X", "geheim\r\nY: z", "must be printable ASCII"),
            ("X", "geheim ä", "must be printable ASCII"),
            (
                "X",
                "geheim {section}",
                "`{section}` in `X` is not a placeholder: expected one of `{publisher}`",
            ),
        ] {
            let errors = format!("{:?}", headers(name, value).unwrap_err());
            assert!(errors.contains(message) && !errors.contains("geheim"), "{errors}");
        }
        assert!(!format!("{:?}", headers("X", "geheim").unwrap()).contains("geheim"));
    }
}
