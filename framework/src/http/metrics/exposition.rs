//! Text format of Prometheus (exposition format 0.0.4).
//!
//! ```text
//! # HELP meter_power_watts Power.
//! # TYPE meter_power_watts gauge
//! meter_power_watts{meter="grid",reading="CURRENT_POWER_SUM"} -318.4
//! ```

use std::{fmt::Display, io::Write as _, ptr};

/// Metric: its name, help text and type.
#[derive(Debug)]
pub(super) struct Family {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) kind: &'static str,
}

/// Defines metrics, a line for each: its constant, type, name and help text.
///
/// A `counter` only rises, or restarts at zero, and its name ends with `_total`; a `gauge` rises and falls.
macro_rules! families {
    ($($constant:ident: $kind:ident $name:literal $help:literal;)+) => {
        $(static $constant: Family = Family { name: $name, help: $help, kind: stringify!($kind) };)+
    };
}
pub(super) use families;

/// Samples, grouped by family as the format demands.
#[derive(Debug, Default)]
pub(super) struct Exposition {
    families: Vec<(&'static Family, Vec<u8>)>,
    length: usize,
}

impl Exposition {
    /// Adds a sample. A label without text is omitted, which means the same.
    pub(super) fn add(&mut self, family: &'static Family, labels: &[(&str, &str)], value: impl Display) {
        let lines = self.lines(family);
        let before = lines.len();
        lines.extend_from_slice(family.name.as_bytes());
        let mut open = b'{';
        for (name, text) in labels.iter().filter(|(_, text)| !text.is_empty()) {
            lines.push(open);
            open = b',';
            lines.extend_from_slice(name.as_bytes());
            lines.extend_from_slice(b"=\"");
            escape(lines, text);
            lines.push(b'"');
        }
        if open == b',' {
            lines.push(b'}');
        }
        // Writing into memory cannot fail.
        let _ = writeln!(lines, " {value}");
        let added = lines.len() - before;
        self.length += added;
    }

    /// Returns the bytes of all samples so far.
    pub(super) fn length(&self) -> usize {
        self.length
    }

    fn lines(&mut self, family: &'static Family) -> &mut Vec<u8> {
        let there = self.families.iter().position(|(known, _)| ptr::eq(*known, family));
        let at = there.unwrap_or_else(|| {
            self.families.push((family, Vec::new()));
            self.families.len() - 1
        });
        &mut self.families[at].1
    }

    /// Returns the text: the families in the order of their first samples.
    pub(super) fn text(self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.length + 200 * self.families.len());
        for (Family { name, help, kind }, lines) in self.families {
            let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
            out.extend_from_slice(&lines);
        }
        out
    }
}

/// Appends a label's text. A meter's names may contain anything.
fn escape(out: &mut Vec<u8>, text: &str) {
    for &byte in text.as_bytes() {
        match byte {
            b'\\' => out.extend_from_slice(br"\\"),
            b'"' => out.extend_from_slice(br#"\""#),
            b'\n' => out.extend_from_slice(br"\n"),
            byte => out.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_stay_together_and_labels_are_escaped() {
        families! {
            POWER: gauge "power_watts" "Power.";
            COUNT: counter "things_total" "Things.";
        }
        let mut out = Exposition::default();
        out.add(&POWER, &[("a", "x"), ("none", ""), ("b", "q\"\\\n{}ü")], -0.5);
        out.add(&COUNT, &[("none", "")], 3);
        out.add(&POWER, &[], 7);
        assert_eq!(
            String::from_utf8(out.text()).unwrap(),
            "# HELP power_watts Power.\n# TYPE power_watts gauge\n\
             power_watts{a=\"x\",b=\"q\\\"\\\\\\n{}ü\"} -0.5\npower_watts 7\n\
             # HELP things_total Things.\n# TYPE things_total counter\nthings_total 3\n"
        );
    }
}
