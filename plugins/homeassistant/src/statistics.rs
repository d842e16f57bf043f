//! Statistics of Home Assistant: their ids, names, units and classes.
//!
//! Source: developers.home-assistant.io, "Long-term statistics", and the schemas of `recorder/import_statistics` from
//! 2023.4 to 2026.11.

use std::collections::BTreeMap;

use framework::{Direction, Figure, HourSeries, Quantity, Unit};
use serde::{Deserialize, Serialize};

use crate::client::Version;

/// Owner of the statistics, and the beginning of their ids.
pub(crate) const SOURCE: &str = "smartmeter";
/// First version that wants the kind of mean and the class of the unit, and refuses to go without in a year. Older ones
/// refuse both keys.
const WITH_CLASSES: Version = Version { year: 2025, month: 11 };
/// Longest id after the source: longer ones do not fit into Home Assistant's database.
const MAX_ID: usize = 240;

/// Statistic of Home Assistant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Statistic {
    /// `smartmeter:grid_power_import`.
    pub(crate) id: String,
    /// For people.
    pub(crate) name: String,
    /// Unit in Home Assistant's spelling.
    pub(crate) unit: Option<String>,
    /// Class of the unit, of which Home Assistant knows how to convert.
    class: Option<&'static str>,
    /// Whether it has sums, and not means.
    pub(crate) has_sum: bool,
}

/// Metadata as `recorder/import_statistics` takes it.
#[derive(Debug, Serialize)]
pub(crate) struct Metadata<'a> {
    source: &'a str,
    statistic_id: &'a str,
    name: &'a str,
    unit_of_measurement: Option<&'a str>,
    has_sum: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    has_mean: Option<bool>,
    /// 0: none. 1: arithmetic.
    #[serde(skip_serializing_if = "Option::is_none")]
    mean_type: Option<u8>,
    /// The outer `None` leaves it out.
    #[serde(skip_serializing_if = "Option::is_none")]
    unit_class: Option<Option<&'a str>>,
}

impl Statistic {
    /// Returns the metadata for this version of Home Assistant.
    pub(crate) fn metadata(&self, version: Version) -> Metadata<'_> {
        let has_classes = version >= WITH_CLASSES;
        Metadata {
            source: SOURCE,
            statistic_id: &self.id,
            name: &self.name,
            unit_of_measurement: self.unit.as_deref(),
            has_sum: self.has_sum,
            has_mean: (!has_classes).then_some(!self.has_sum),
            mean_type: has_classes.then_some(u8::from(!self.has_sum)),
            unit_class: has_classes.then_some(self.class),
        }
    }
}

/// Ids that were ever given, each with the series that has it: source, name, unit, and whether it is a cost.
///
/// The ids of two series can look the same: `a_b/c` and `a/b_c`, or a name whose unit has changed. Which of them has the
/// plain one must not depend on what is added later, or a series would go on with the hours of another.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Ids(BTreeMap<String, String>);

impl Ids {
    /// Returns the statistic of each series, in order, with ids that differ, and that they keep.
    pub(crate) fn statistics(&mut self, series: &[HourSeries], prefix: &str) -> Vec<Statistic> {
        let mut order: Vec<_> =
            series.iter().map(|series| (series.complete.start, exact(series), series)).collect();
        // Without memory, as in the beginning, the oldest has the plain one.
        order.sort_by(|one, other| (one.0, &one.1).cmp(&(other.0, &other.1)));
        for (_, exact, series) in order {
            self.id(series, exact, prefix);
        }
        series.iter().map(|series| statistic(series, self.id(series, exact(series), prefix))).collect()
    }

    fn id(&mut self, series: &HourSeries, exact: String, prefix: &str) -> String {
        let parts = [prefix, &series.source, &series.name, money(series).unwrap_or_default()];
        let with = |more: &[&str]| {
            let slugs = parts.iter().chain(more).map(|part| slug(part)).filter(|slug| !slug.is_empty());
            let mut id = slugs.collect::<Vec<_>>().join("_");
            id.truncate(MAX_ID);
            format!("{SOURCE}:{}", id.trim_end_matches('_'))
        };
        let hashed = |round: usize| {
            let hash = format!("{:08x}", hash(&format!("{exact}{}", ".".repeat(round))));
            let short = with(&[]);
            format!("{}_{hash}", &short[..short.len().min(MAX_ID - hash.len())]).replace(":_", ":")
        };
        let mut round = 0;
        let mut id = with(&[]);
        while id.len() == SOURCE.len() + 1 || self.0.get(&id).is_some_and(|of| *of != exact) {
            id = hashed(round);
            round += 1;
        }
        self.0.insert(id.clone(), exact);
        id
    }
}

/// Returns what tells a series from each other one.
fn exact(series: &HourSeries) -> String {
    let HourSeries { source, name, unit, .. } = series;
    match series.figure {
        Figure::Cost { .. } => format!("{source}/{name} {unit} cost"),
        _ => format!("{source}/{name} {unit}"),
    }
}

fn money(series: &HourSeries) -> Option<&'static str> {
    match (&series.figure, series.meaning.direction) {
        (Figure::Cost { .. }, Some(Direction::Export)) => Some("income"),
        (Figure::Cost { .. }, _) => Some("cost"),
        _ => None,
    }
}

fn statistic(series: &HourSeries, id: String) -> Statistic {
    let source = series.source_label.as_deref().unwrap_or(&series.source);
    let label = series.label.as_deref().unwrap_or(&series.name);
    let mut name = format!("{source} {label}");
    if let Some(money) = money(series) {
        name = format!("{name} {money}");
    }
    let (unit, class) = match &series.figure {
        Figure::Cost { currency } => (Some(currency.to_string()), None),
        _ => match series.meaning.unit {
            Some(unit) => (Some(spelling(unit).to_owned()), class(unit)),
            None => (Some(series.unit.to_string()).filter(|unit| !unit.is_empty()), None),
        },
    };
    Statistic { id, name, unit, class, has_sum: series.figure != Figure::Measured }
}

/// Returns a text as Home Assistant's ids may have it: lower-case letters, digits, and single `_` between them.
pub(crate) fn slug(text: &str) -> String {
    let mut slug = String::with_capacity(text.len());
    for letter in text.chars() {
        let plain = match letter {
            'ä' | 'Ä' => "ae",
            'ö' | 'Ö' => "oe",
            'ü' | 'Ü' => "ue",
            'ß' => "ss",
            '³' => "3",
            '²' => "2",
            letter if letter.is_ascii_alphanumeric() => {
                slug.push(letter.to_ascii_lowercase());
                continue;
            }
            _ => "",
        };
        match plain {
            "" if slug.is_empty() || slug.ends_with('_') => {}
            "" => slug.push('_'),
            plain => slug.push_str(plain),
        }
    }
    slug.truncate(slug.trim_end_matches('_').len());
    slug
}

/// FNV-1a: an id must be the same in each version of the program.
fn hash(text: &str) -> u32 {
    text.bytes().fold(0x811C_9DC5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// Returns a unit in Home Assistant's spelling.
fn spelling(unit: Unit) -> &'static str {
    match unit {
        Unit::Litre => "L",
        Unit::LitrePerHour => "L/h",
        Unit::LitrePerMinute => "L/min",
        Unit::RelativeHumidity => "%",
        unit => unit.symbol(),
    }
}

/// Returns the class of a unit that Home Assistant can convert since classes have a name in its API.
fn class(unit: Unit) -> Option<&'static str> {
    Some(match (unit.quantity(), unit) {
        (Quantity::Energy, _) => "energy",
        (Quantity::Power, Unit::Watt | Unit::Kilowatt | Unit::Megawatt | Unit::Milliwatt) => "power",
        (Quantity::Voltage, Unit::Volt | Unit::Millivolt) => "voltage",
        (Quantity::Current, Unit::Ampere | Unit::Milliampere) => "electric_current",
        (Quantity::Volume, Unit::CubicMetre | Unit::Litre) => "volume",
        (Quantity::VolumeFlow, Unit::CubicMetrePerHour | Unit::LitrePerMinute) => "volume_flow_rate",
        (Quantity::Temperature, Unit::Celsius) => "temperature",
        (
            Quantity::Pressure,
            Unit::Pascal | Unit::Hectopascal | Unit::Kilopascal | Unit::Millibar | Unit::Bar,
        ) => "pressure",
        (Quantity::ReactiveEnergy, Unit::VarHour | Unit::KilovarHour) => "reactive_energy",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use framework::{Meaning, Text};

    use super::*;

    fn series(source: &str, name: &str, unit: &str, figure: Figure) -> HourSeries {
        HourSeries {
            source: source.into(),
            name: name.into(),
            unit: unit.into(),
            source_label: None,
            label: None,
            meaning: Meaning::of(name, Some(unit), None),
            figure,
            complete: 0..3600,
        }
    }

    fn counted(source: &str, name: &str, unit: &str) -> HourSeries {
        series(source, name, unit, Figure::Counted)
    }

    fn ids(series: &[HourSeries], prefix: &str) -> Vec<String> {
        Ids::default().statistics(series, prefix).into_iter().map(|statistic| statistic.id).collect()
    }

    /// The rule of Home Assistant's `valid_statistic_id`.
    fn is_valid(id: &str) -> bool {
        let Some((domain, rest)) = id.split_once(':') else { return false };
        let is_slug = |text: &str| {
            !text.is_empty()
                && !text.starts_with('_')
                && !text.ends_with('_')
                && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        };
        domain == SOURCE && is_slug(rest) && !id.contains("__") && id.len() <= 255
    }

    #[test]
    fn an_id_is_made_of_source_and_name() {
        for (source, name, prefix, id) in [
            ("grid", "POWER_IMPORT", "", "smartmeter:grid_power_import"),
            ("grid", "POWER__IMPORT_", "", "smartmeter:grid_power_import"),
            ("heat-pump", "Wärme 1.8.0", "garage", "smartmeter:garage_heat_pump_waerme_1_8_0"),
        ] {
            assert_eq!(ids(&[counted(source, name, "kWh")], prefix), [id]);
        }
    }

    #[test]
    fn series_whose_ids_would_be_the_same_get_ids_that_differ() {
        let all = [
            counted("a_b", "c", "kWh"),
            counted("a", "b_c", "kWh"),
            counted("a", "B_C", "kWh"),
            counted("a", "b_c", "Wh"),
            counted("a", "…", "kWh"),
            counted("…", "…", "kWh"),
            counted("…", "……", ""),
            counted("a", &"x".repeat(400), "kWh"),
            counted("a", &format!("{}y", "x".repeat(400)), "kWh"),
        ];
        let ids = ids(&all, "");
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), all.len(), "{ids:#?}");
        for id in &ids {
            assert!(is_valid(id), "{id}");
        }
        assert_eq!(ids[2], "smartmeter:a_b_c");
    }

    #[test]
    fn an_id_never_moves_to_a_series_that_is_added_later() {
        let mut old = counted("grid", "POWER", "kWh");
        old.complete.start = 7200;
        let more = counted("a_b", "c", "kWh");
        let mut known = Ids::default();
        let before: Vec<_> =
            known.statistics(&[more.clone(), old.clone()], "").into_iter().map(|of| of.id).collect();
        assert_eq!(before, ["smartmeter:a_b_c", "smartmeter:grid_power"]);
        // Each sorts before an old one, or has older readings, as after an import.
        let all = [counted("a", "b_c", "kWh"), more, counted("grid", "POWER", "MWh"), old];
        let mut restarted: Ids = serde_json::from_value(serde_json::to_value(&known).unwrap()).unwrap();
        let after: Vec<_> = restarted.statistics(&all, "").into_iter().map(|of| of.id).collect();
        assert_eq!([&after[1], &after[3]], [&before[0], &before[1]]);
        assert_eq!(after.iter().collect::<BTreeSet<_>>().len(), 4, "{after:?}");
        // The old ones are no longer selected.
        let rest: Vec<_> =
            restarted.statistics(&[all[0].clone(), all[2].clone()], "").into_iter().map(|of| of.id).collect();
        assert_eq!([&rest[0], &rest[1]], [&after[0], &after[2]]);
    }

    #[test]
    fn the_oldest_series_has_the_plain_id_where_nothing_is_remembered() {
        let mut new = counted("grid", "POWER", "MWh");
        new.complete.start = 3600;
        let ids = ids(&[new, counted("grid", "POWER", "kWh")], "");
        assert_eq!(ids[1], "smartmeter:grid_power");
    }

    #[test]
    fn a_cost_is_a_statistic_of_its_own_in_its_currency() {
        let cost = series("grid", "POWER_IMPORT", "kWh", Figure::Cost { currency: "EUR".into() });
        let [of] = &Ids::default().statistics(&[cost], "")[..] else { panic!() };
        assert_eq!(
            (of.id.as_str(), of.unit.as_deref(), of.class),
            ("smartmeter:grid_power_import_cost", Some("EUR"), None)
        );
        assert!(of.has_sum);
    }

    #[test]
    fn names_are_the_labels_of_the_configuration() {
        let mut labelled = counted("grid", "POWER_IMPORT", "kWh");
        labelled.source_label = Some(Text::from("House"));
        labelled.label = Some(Text::from("Import"));
        assert_eq!(Ids::default().statistics(&[labelled], "")[0].name, "House Import");
    }

    #[test]
    fn each_version_gets_the_keys_that_it_demands() {
        let energy = &Ids::default().statistics(&[counted("grid", "E", "kWh")], "")[0];
        let power = &Ids::default().statistics(&[series("grid", "P", "var", Figure::Measured)], "")[0];
        let json = |of: &Statistic, year, month| {
            serde_json::to_value(of.metadata(Version { year, month })).unwrap().to_string()
        };
        assert_eq!(
            json(energy, 2025, 10),
            r#"{"has_mean":false,"has_sum":true,"name":"grid E","source":"smartmeter","statistic_id":"smartmeter:grid_e","unit_of_measurement":"kWh"}"#
        );
        assert_eq!(
            json(energy, 2025, 11),
            r#"{"has_sum":true,"mean_type":0,"name":"grid E","source":"smartmeter","statistic_id":"smartmeter:grid_e","unit_class":"energy","unit_of_measurement":"kWh"}"#
        );
        assert_eq!(
            json(power, 2026, 11),
            r#"{"has_sum":false,"mean_type":1,"name":"grid P","source":"smartmeter","statistic_id":"smartmeter:grid_p","unit_class":null,"unit_of_measurement":"var"}"#
        );
    }
}
