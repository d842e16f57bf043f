//! InfluxDB line protocol: `measurement,tag=value field=1.5,other="text" 1700000000000000000`.
//!
//! <https://docs.influxdata.com/influxdb/v1/write_protocols/line_protocol_reference/>

use framework::{Reading, Timestamp};

use super::{Line, Parser, bounded, excerpt, name, number};

/// Tag that names this machine, on every line of telegraf's.
const HOST: &str = "host";

/// Parses one line. A comment has no readings.
pub(super) fn line(line: &str, parser: &Parser) -> Result<Line, String> {
    if line.starts_with('#') {
        return Ok(Line::default());
    }
    let (measurement, mut rest) = until(line, &[',', ' '])?;
    if measurement.is_empty() {
        return Err("a line without a measurement, expected `measurement,tag=value field=1.5`".to_owned());
    }
    let mut tags = Vec::new();
    while let Some(tag) = rest.strip_prefix(',') {
        let (key, after) = until(tag, &['=', ',', ' '])?;
        let value = after.strip_prefix('=').ok_or_else(|| no_value("tag", &key))?;
        let (value, after) = until(value, &[',', ' '])?;
        if key.is_empty() || value.is_empty() {
            return Err(no_value("tag", &key));
        }
        tags.push((key, value));
        rest = after;
    }
    let prefix = prefix(&measurement, &tags, parser);
    let mut parsed = Line::default();
    let mut fields = rest.trim_start_matches(' ');
    loop {
        let (key, after) = until(fields, &['=', ',', ' '])?;
        let value = after.strip_prefix('=').ok_or_else(|| no_value("field", &key))?;
        // A measurement with a single field usually calls it `value`, which tells nothing.
        let own = if key == "value" { "" } else { &*key };
        let name = name(prefix.iter().copied().chain([own]))?;
        let (reading, after) = field(&name, value)?;
        parsed.add(reading)?;
        match after.strip_prefix(',') {
            Some(more) => fields = more,
            None => {
                rest = after;
                break;
            }
        }
    }
    parsed.time = match rest.trim() {
        "" => None,
        nanos => {
            let time =
                nanos.parse::<i64>().ok().and_then(|nanos| Timestamp::from_nanosecond(nanos.into()).ok());
            Some(time.ok_or_else(|| {
                format!("the time `{}` is not nanoseconds since 1970", excerpt(nanos.as_bytes()))
            })?)
        }
    };
    Ok(parsed)
}

/// Returns the parts of a name before the field's own: the measurement, and the values of tags.
fn prefix<'a>(measurement: &'a str, tags: &'a [(String, String)], parser: &Parser) -> Vec<&'a str> {
    let values: Vec<_> = match &parser.tags {
        None => tags.iter().filter(|(key, _)| key != HOST).map(|(_, value)| value.as_str()).collect(),
        Some(wanted) => wanted
            .iter()
            .filter_map(|wanted| tags.iter().find(|(key, _)| key == wanted))
            .map(|(_, value)| value.as_str())
            .collect(),
    };
    [measurement].into_iter().chain(values).collect()
}

fn no_value(what: &str, key: &str) -> String {
    format!("the {what} `{}` has no value", excerpt(key.as_bytes()))
}

/// Splits before the first of `ends` that has no backslash before it, and takes such backslashes out.
fn until<'a>(text: &'a str, ends: &[char]) -> Result<(String, &'a str), String> {
    let mut part = String::new();
    let mut chars = text.char_indices().peekable();
    while let Some((at, char)) = chars.next() {
        if ends.contains(&char) {
            return Ok((part, &text[at..]));
        }
        let escaped = chars.next_if(|(_, next)| char == '\\' && [',', '=', ' ', '\\'].contains(next));
        part.push(escaped.map_or(char, |(_, escaped)| escaped));
    }
    Ok((part, ""))
}

/// Returns the reading of a field, and what follows its value.
fn field<'a>(name: &str, value: &'a str) -> Result<(Reading, &'a str), String> {
    if let Some(quoted) = value.strip_prefix('"') {
        let mut text = String::new();
        let mut chars = quoted.char_indices().peekable();
        while let Some((at, char)) = chars.next() {
            match char {
                '"' => {
                    bounded(&text, name)?;
                    return Ok((Reading::text(name, text), &quoted[at + 1..]));
                }
                '\\' => {
                    let escaped = chars.next_if(|(_, next)| ['"', '\\'].contains(next));
                    text.push(escaped.map_or(char, |(_, escaped)| escaped));
                }
                _ => text.push(char),
            }
        }
        return Err(format!("the text of `{name}` does not end: a `\"` is missing"));
    }
    let (value, rest) = value.split_at(value.find([',', ' ']).unwrap_or(value.len()));
    let flag = match value {
        "t" | "T" | "true" | "True" | "TRUE" => Some(true),
        "f" | "F" | "false" | "False" | "FALSE" => Some(false),
        _ => None,
    };
    if let Some(on) = flag {
        return Ok((Reading::flag(name, on), rest));
    }
    let digits = value.strip_suffix(['i', 'u']).unwrap_or(value);
    Ok((number::reading(name, digits)?, rest))
}
