//! JSON objects: their members are readings. Numbers are read as raw JSON, so that they keep every digit.

use std::{borrow::Cow, fmt};

use framework::{Kind, Obis, Reading};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{Format, Line, MAX_READINGS, Parser, bounded, excerpt, name, number, text, time};

/// Deepest nesting of objects and lists.
const MAX_DEPTH: usize = 8;

/// Members of an object in their order; a map would lose it, and members that repeat.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Name<'a>(#[serde(borrow)] Cow<'a, str>);
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((Name(name), value)) = map.next_entry()? {
                    // One more than allowed, which `Line::add` reports.
                    if members.len() <= MAX_READINGS {
                        members.push((name, value));
                    }
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// Parses one line.
pub(super) fn object(line: &[u8], parser: &Parser) -> Result<Line, String> {
    let line_text = text(line)?;
    let value: &RawValue = serde_json::from_str(line_text).map_err(|error| invalid(line, &error))?;
    readings(value, parser)
}

/// Parses the output of a run: any number of objects, with or without line ends in between.
pub(super) fn objects(output: &[u8], parser: &Parser) -> Result<Vec<Line>, String> {
    let output_text = text(output)?;
    let mut lines = Vec::new();
    for value in serde_json::Deserializer::from_str(output_text).into_iter::<&RawValue>() {
        let value = value
            .map_err(|error| format!("{}: `{}`", invalid(output, &error), excerpt(output.trim_ascii())))?;
        let line = readings(value, parser)
            .map_err(|reason| format!("{reason}: `{}`", excerpt(value.get().as_bytes())))?;
        lines.push(line);
        if lines.len() > MAX_READINGS {
            return Err(format!("more than {MAX_READINGS} JSON values in one run"));
        }
    }
    Ok(lines)
}

/// Message about something that is not JSON. Python writes `NaN`, which is not.
fn invalid(text: &[u8], error: &serde_json::Error) -> String {
    let line = text.split(|byte| *byte == b'\n').nth(error.line().saturating_sub(1)).unwrap_or_default();
    let at = line.get(error.column().saturating_sub(1)..).unwrap_or_default();
    let around = line.get(error.column().saturating_sub(2)..).unwrap_or_default();
    let words = ["NaN", "-Infinity", "Infinity", "None", "True", "False", "'"];
    match words.iter().find(|word| at.starts_with(word.as_bytes()) || around.starts_with(word.as_bytes())) {
        Some(&"'") => "not valid JSON: texts are in double quotes".to_owned(),
        Some(word) if word.ends_with("ty") || *word == "NaN" => {
            format!("`{word}` is not valid JSON: leave such a reading out, or write null")
        }
        Some(word) => format!("`{word}` is not valid JSON: in Python, print `json.dumps(…)`"),
        None => format!("not valid JSON: {error}"),
    }
}

fn readings(value: &RawValue, parser: &Parser) -> Result<Line, String> {
    let Some(Members(members)) = members(value) else {
        return Err("expected an object such as {\"power\": 12.3}".to_owned());
    };
    let flat = parser.format == Format::FlatJson;
    let mut line = Line::default();
    let tags = if flat { tags(&members, parser)? } else { Vec::new() };
    let mut path: Vec<Cow<'_, str>> = tags.iter().map(|(_, value)| value.clone()).collect();
    let depth = path.len();
    for (key, value) in members {
        let is_time = key == "time" || flat && (key == "Time" || key == "timestamp");
        if is_time && line.time.is_none() {
            line.time = taken_at(value, &key)?;
            continue;
        }
        path.truncate(depth);
        path.push(key);
        flatten(value, &mut path, &mut line, (flat, depth), &tags)?;
    }
    Ok(line)
}

fn taken_at(value: &RawValue, key: &str) -> Result<Option<framework::Timestamp>, String> {
    let found = match (scalar(value), value.get()) {
        (Scalar::Null, _) => return Ok(None),
        (Scalar::Text(text), _) => time::of_text(&text),
        (Scalar::Number(seconds), _) => time::of_seconds(seconds),
        _ => None,
    };
    found
        .map(Some)
        .ok_or_else(|| format!("`{key}` is `{}`, {}", excerpt(value.get().as_bytes()), time::EXPECTED))
}

/// Returns the paths and values of the members that are part of the names.
fn tags<'a>(
    members: &[(Cow<'a, str>, &'a RawValue)],
    parser: &Parser,
) -> Result<Vec<(String, Cow<'a, str>)>, String> {
    let mut found = Vec::new();
    for wanted in parser.tags.iter().flatten() {
        if let Some(value) = at_path(members, wanted) {
            match scalar(value) {
                Scalar::Text(text) => found.push((wanted.clone(), text)),
                Scalar::Number(number) => found.push((wanted.clone(), Cow::Borrowed(number))),
                Scalar::Flag(flag) => found.push((wanted.clone(), Cow::Owned(flag.to_string()))),
                Scalar::Null | Scalar::Decimal(_) => {}
                Scalar::Nested => {
                    return Err(format!("`tags` names `{wanted}`, which is an object or a list"));
                }
            }
        }
    }
    Ok(found)
}

/// Returns the member whose names, joined with `_`, are `wanted`.
fn at_path<'a>(list: &[(Cow<'a, str>, &'a RawValue)], wanted: &str) -> Option<&'a RawValue> {
    list.iter().find_map(|(key, value)| {
        let rest = wanted.strip_prefix(&**key)?;
        match rest.strip_prefix('_') {
            None => rest.is_empty().then_some(*value),
            Some(rest) => at_path(&members(value)?.0, rest),
        }
    })
}

/// Adds the readings of a value whose name is the parts of `path`. The first `depth` of them are the values of tags.
fn flatten<'a>(
    value: &'a RawValue,
    path: &mut Vec<Cow<'a, str>>,
    line: &mut Line,
    (flat, depth): (bool, usize),
    tags: &[(String, Cow<'a, str>)],
) -> Result<(), String> {
    if path.len() - depth > MAX_DEPTH {
        return Err(format!("more than {MAX_DEPTH} objects inside each other"));
    }
    let nested: Vec<_> = match scalar(value) {
        Scalar::Nested => match (members(value), serde_json::from_str::<Vec<&RawValue>>(value.get())) {
            (Some(Members(members)), _) if !flat && members.iter().any(|(key, _)| key == "value") => {
                return described(&name(path.iter().map(|part| &**part))?, members, line);
            }
            (Some(Members(members)), _) => members,
            (None, Ok(list)) => {
                list.into_iter().enumerate().map(|(n, value)| (Cow::Owned(n.to_string()), value)).collect()
            }
            (None, Err(error)) => return Err(format!("not valid JSON: {error}")),
        },
        single => {
            let own: Vec<_> = path[depth..].iter().map(|part| &**part).collect();
            if !tags.is_empty() && tags.iter().any(|(tag, _)| *tag == own.join("_")) {
                return Ok(());
            }
            let name = name(path.iter().map(|part| &**part))?;
            return match reading(&name, &single)? {
                Some(reading) => line.add(reading),
                None => Ok(()),
            };
        }
    };
    let length = path.len();
    for (key, value) in nested {
        path.truncate(length);
        path.push(key);
        flatten(value, path, line, (flat, depth), tags)?;
    }
    Ok(())
}

/// Adds a reading of the form `{"value": 12.3, "unit": "W", "kind": "gauge"}`.
fn described(name: &str, members: Vec<(Cow<'_, str>, &RawValue)>, line: &mut Line) -> Result<(), String> {
    let (mut value, mut unit, mut kind, mut obis) = (None, None, None, None);
    for (key, member) in members {
        let wrong = |expected: &str| {
            format!("`{key}` of `{name}` is {}, expected {expected}", excerpt(member.get().as_bytes()))
        };
        match (&*key, scalar(member)) {
            ("value", Scalar::Nested) => return Err(wrong("a number, a text, true, false or null")),
            ("value", single) => value = Some(single),
            ("unit" | "kind" | "obis", Scalar::Null) => {}
            ("unit", Scalar::Text(text)) => unit = Some(text).filter(|text| !text.trim().is_empty()),
            ("unit", _) => return Err(wrong("a text such as \"W\"")),
            ("kind", Scalar::Text(word)) => {
                kind = Some(Kind::parse(&word).ok_or_else(|| wrong(&kinds()))?);
            }
            ("kind", _) => return Err(wrong(&kinds())),
            ("obis", Scalar::Text(code)) => {
                obis =
                    Some(Obis::parse(code.as_bytes()).ok_or_else(|| wrong("a code such as \"1-0:1.8.0\""))?);
            }
            ("obis", _) => return Err(wrong("a code such as \"1-0:1.8.0\"")),
            _ => {
                return Err(format!(
                    "unknown member `{}` of `{name}`, expected `value`, `unit`, `kind`, `obis`",
                    excerpt(key.as_bytes())
                ));
            }
        }
    }
    let mut value = value.unwrap_or(Scalar::Null);
    // Python's `json` writes a `Decimal` as a text, if at all.
    let is_number = unit.is_some() || kind.is_some_and(|kind| kind != Kind::State);
    if let Scalar::Text(digits) = &value
        && is_number
    {
        match number::decimal(digits) {
            Some(number) => value = Scalar::Decimal(number),
            None => {
                let found = excerpt(digits.as_bytes());
                line.mistakes
                    .push(format!("`value` of `{name}` is `{found}`, expected a number such as 12.5"));
                return Ok(());
            }
        }
    }
    if let Some(unit) = &unit {
        bounded(unit, name)?;
    }
    let Some(mut reading) = reading(name, &value)? else { return Ok(()) };
    reading.kind = kind.or(reading.kind);
    (reading.unit, reading.obis) = (unit.map(|unit| unit.trim().into()), obis);
    line.add(reading)
}

/// Returns the words for kinds, for messages.
pub(crate) fn kinds() -> String {
    let words: Vec<_> = Kind::ALL.iter().map(|kind| format!("`{kind}`")).collect();
    format!("one of {}", words.join(", "))
}

/// A value that is not an object or a list.
enum Scalar<'a> {
    Null,
    Flag(bool),
    Number(&'a str),
    Decimal(framework::Decimal),
    Text(Cow<'a, str>),
    Nested,
}

fn scalar(value: &RawValue) -> Scalar<'_> {
    match value.get() {
        "null" => Scalar::Null,
        "true" => Scalar::Flag(true),
        "false" => Scalar::Flag(false),
        text if text.starts_with(['{', '[']) => Scalar::Nested,
        text if text.starts_with('"') => match serde_json::from_str::<String>(text) {
            Ok(text) => Scalar::Text(text.into()),
            Err(_) => Scalar::Null, // half of a surrogate pair
        },
        number => Scalar::Number(number),
    }
}

fn members(value: &RawValue) -> Option<Members<'_>> {
    value.get().starts_with('{').then(|| serde_json::from_str(value.get()).ok())?
}

/// Returns the reading of a value; `None` for `null`: the program has no value now.
fn reading(name: &str, value: &Scalar<'_>) -> Result<Option<Reading>, String> {
    Ok(Some(match value {
        Scalar::Null | Scalar::Nested => return Ok(None),
        Scalar::Flag(on) => Reading::flag(name, *on),
        Scalar::Decimal(number) => Reading::number(name, *number),
        Scalar::Number(digits) => number::reading(name, digits)?,
        Scalar::Text(text) => {
            bounded(text, name)?;
            Reading::text(name, &**text)
        }
    }))
}
