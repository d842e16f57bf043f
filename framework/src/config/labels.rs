//! Keys `label` and `role` of a source, and of its readings in `[sources.<name>.readings.<reading>]`.

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::{
    Text,
    labels::{Label, Labels},
    one_line::is_special,
    table::Table,
};

/// Longest name for people, in characters.
const MAX_LABEL: usize = 64;

/// Takes all of them out of a section. What else a plugin reads from `readings` stays.
pub(super) fn labels(section: &mut Table<'_>) -> Labels {
    let source = label(section);
    let mut readings = Vec::new();
    if let Some((key, value)) = section.table.get_key_value("readings")
        && let DeValue::Table(entries) = value.get_ref().clone()
    {
        let (key, span) = (key.clone(), value.span());
        section.table.remove("readings");
        let rest = rest_of(section, entries, &mut readings);
        if !rest.is_empty() {
            section.table.insert(key, Spanned::new(span, DeValue::Table(rest)));
        }
    }
    // A name before patterns, and those in the order of the file.
    readings.sort_by_key(|(at, name, ..): &(usize, String, Label)| (name.contains(['*', '?']), *at));
    Labels::new(source, readings.into_iter().map(|(_, name, label)| (name, label)))
}

/// Takes the labels out of the table of each reading. Returns the tables without them.
fn rest_of<'a>(
    section: &Table<'a>,
    entries: DeTable<'a>,
    readings: &mut Vec<(usize, String, Label)>,
) -> DeTable<'a> {
    let mut rest = DeTable::new();
    for (key, value) in entries {
        let (at, span) = (key.span().start, value.span());
        let value = match value.into_inner() {
            DeValue::Table(table) => {
                let mut reading = Table { span: span.clone(), table, ..*section };
                let label = label(&mut reading);
                readings.push((at, key.get_ref().to_string(), label));
                if reading.table.is_empty() {
                    continue;
                }
                DeValue::Table(reading.table)
            }
            other => other,
        };
        rest.insert(key, Spanned::new(span, value));
    }
    rest
}

/// Refuses what else is in `readings`, for a plugin that does not read it.
pub(super) fn refuse_rest(section: &mut Table<'_>) {
    let Some(rest) = section.table.remove("readings") else { return };
    let hint = "write `label` and `role` for each reading: `readings.POWER = { label = \"Kitchen\" }`";
    let refuse = |at| section.note(at, "expected a table with the tables of readings", Some(hint.to_owned()));
    let DeValue::Table(readings) = rest.get_ref() else { return refuse(rest.span()) };
    for value in readings.values() {
        let DeValue::Table(keys) = value.get_ref() else {
            refuse(value.span());
            continue;
        };
        for key in keys.keys() {
            section.unknown_key(key.span(), key.get_ref(), ["label", "role"].into_iter());
        }
    }
}

/// Takes `label` and `role` out of a table.
fn label(table: &mut Table<'_>) -> Label {
    let at = table.place("label");
    let label = table.take::<String>("label").and_then(|label| match is_label(&label) {
        true => Some(Text::from(label)),
        false => {
            let hint = "write a name for people: `label = \"Heat pump\"`".to_owned();
            table.note(at, format!("`label` {RULE}"), Some(hint));
            None
        }
    });
    Label { label, role: table.take("role") }
}

/// What [`is_label`] demands.
pub(super) const RULE: &str = "must have 1 to 64 characters, without line ends or other control characters, and without spaces around it";

/// Returns whether a text is a name for people.
pub(super) fn is_label(label: &str) -> bool {
    (1..=MAX_LABEL).contains(&label.chars().count())
        && !label.chars().any(is_special)
        && label.trim() == label
}
