//! Roles of sources: those of the configuration, and a guess for the others. Nobody else guesses.
//!
//! Most guesses are made of what a source counts. A heat pump, the outside temperature, and the counter of what comes out
//! of a battery have no meaning of their own, so their names tell: `docs/decisions/0029-names-that-tell-a-role.md`.

use std::sync::Arc;

use serde::Serialize;

use crate::{Direction, Kind, Meaning, Medium, Quantity, SourceRole, Store, store::Section};

/// Part of the household that a source measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct KnownRole {
    /// The role.
    pub role: SourceRole,
    /// Whether nobody has said so: its readings look like it.
    pub guessed: bool,
}

/// Electrical energy that a source counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counted {
    /// None.
    Nothing,
    /// Drawn, and fed in.
    Both,
    /// Drawn.
    Import,
    /// Fed in.
    Export,
    /// Of no stated direction, such as by pulses, by one counter.
    Undirected,
    /// Drawn minus fed in, by one counter that runs both ways.
    Net,
}

impl Counted {
    pub(crate) const ALL: [Self; 6] =
        [Self::Nothing, Self::Both, Self::Import, Self::Export, Self::Undirected, Self::Net];

    /// Returns what numbers with these meanings count.
    pub(crate) fn of(meanings: impl IntoIterator<Item = Meaning>) -> Self {
        let (mut import, mut export, mut undirected, mut net) = (false, false, 0, false);
        for meaning in meanings {
            match meaning.direction {
                _ if is_net(&meaning) => net = true,
                _ if !is_counted(&meaning) => {}
                Some(Direction::Import) => import = true,
                Some(Direction::Export) => export = true,
                None | Some(Direction::Absolute) => undirected += 1,
                Some(Direction::Net) => {}
            }
        }
        match (import, export, undirected) {
            (true, true, _) => Self::Both,
            (true, false, _) => Self::Import,
            (false, true, _) => Self::Export,
            // Several may be anything: charged and discharged, or two devices.
            (false, false, 1) => Self::Undirected,
            (false, false, 0) if net => Self::Net,
            (false, false, _) => Self::Nothing,
        }
    }
}

/// Returns whether a number counts the electrical energy of all phases.
pub(crate) fn is_counted(meaning: &Meaning) -> bool {
    meaning.kind == Kind::Counter && is_electricity(meaning)
}

/// Returns whether a number counts the electrical energy of all phases that was drawn, minus what was fed in.
pub(crate) fn is_net(meaning: &Meaning) -> bool {
    meaning.kind == Kind::Net && meaning.direction == Some(Direction::Net) && is_electricity(meaning)
}

fn is_electricity(meaning: &Meaning) -> bool {
    meaning.live
        && meaning.quantity == Quantity::Energy
        && meaning.phase.is_none()
        && matches!(meaning.medium, None | Some(Medium::Electricity))
}

/// Parts of a source's name or label that say that it is a heat pump.
const PUMPS: [&str; 9] = [
    "heat pump",
    "heat_pump",
    "heat-pump",
    "heatpump",
    "wärmepumpe",
    "waermepumpe",
    "warmtepomp",
    "pompe à chaleur",
    "varmepump",
];
/// Parts of a reading's or source's name that say that it is outside.
const OUTSIDE: [&str; 7] = ["outside", "outdoor", "außen", "aussen", "buiten", "extérieur", "exterieur"];
/// Part of the name of a battery's counter that says that it counts what comes out.
const DISCHARGE: &str = "discharg";

/// Returns whether a name or a label says that a consumer is a heat pump.
pub(crate) fn is_heat_pump(name: &str) -> bool {
    has_any(name, &PUMPS)
}

/// Returns whether the name of a source or of a reading says that it is outside.
pub(crate) fn is_outside(name: &str) -> bool {
    has_any(name, &OUTSIDE)
}

/// Returns whether the counter of a battery that states no direction counts what comes out.
pub(crate) fn is_discharge(name: &str) -> bool {
    has_any(name, &[DISCHARGE])
}

fn has_any(name: &str, words: &[&str]) -> bool {
    let name = name.to_lowercase();
    words.iter().any(|word| name.contains(word))
}

/// Returns the role of each source, by what a person has said about it and what it counts; `None` where it is not known.
///
/// Where nobody says which meter is that of the grid, it is the first one that counts both directions, else the first one
/// that counts what is drawn, else the first one that counts the difference. One that counts only what is fed in is a production, and the only counter of a source, if it
/// has no direction, a consumer.
pub(crate) fn roles(sources: &[(Option<SourceRole>, Counted)]) -> Vec<Option<KnownRole>> {
    let has_grid = sources.iter().any(|(said, _)| *said == Some(SourceRole::Grid));
    let first = |wanted| sources.iter().position(|source| *source == (None, wanted));
    let guess = || [Counted::Both, Counted::Import, Counted::Net].into_iter().find_map(first);
    let grid = if has_grid { None } else { guess() };
    let known = sources.iter().enumerate().map(|(n, (said, counted))| {
        let guess = match counted {
            _ if said.is_some() => None,
            _ if grid == Some(n) => Some(SourceRole::Grid),
            Counted::Export => Some(SourceRole::Production),
            Counted::Undirected => Some(SourceRole::Consumer),
            Counted::Nothing | Counted::Both | Counted::Import | Counted::Net => None,
        };
        let role = said.or(guess)?;
        Some(KnownRole { role, guessed: said.is_none() })
    });
    known.collect()
}

impl Store {
    /// Returns all sources in the order of the configuration, each with its role, if that is known.
    pub fn roles(&self) -> Vec<(Arc<Section>, Option<KnownRole>)> {
        let sections = self.sections();
        let sources: Vec<_> =
            sections.iter().map(|section| (section.labels().source.role, section.counted())).collect();
        sections.iter().cloned().zip(roles(&sources)).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{Batch, Decimal, Obis, Reading, Stats, labels::Labels};

    fn reading(name: &str, unit: &str) -> Reading {
        Reading::counter(name, Decimal::from(1)).unit(unit)
    }

    fn register(code: &str) -> Reading {
        reading(code, "kWh").obis(Obis::parse(format!("1-0:{code}*255").as_bytes()).unwrap())
    }

    /// Returns the roles of sources by what each counts, and by the role that a person has said; guesses with a `?`.
    fn guessed(sources: &[(&str, Option<SourceRole>)]) -> Vec<String> {
        let store = Store::new(sources.iter().enumerate().map(|(n, (_, role))| {
            let labels = Labels::of_source(None, *role);
            Section::new(format!("s{n}"), "test", Duration::from_secs(30), Stats::default()).labelled(labels)
        }));
        for (section, (readings, _)) in store.sections().iter().zip(sources) {
            let readings = readings.split_whitespace().map(|reading_of| match reading_of {
                "heat" => reading("heat", "kWh").obis(Obis::parse(b"6-0:1.0.0*255").unwrap()),
                "pulses" | "charged" => reading(reading_of, "kWh"),
                "litres" => reading("volume", "L"),
                "net" => Reading::net("energy", 1).unit("kWh").obis(Obis::parse(b"1-0:16.8.0*255").unwrap()),
                code => register(code),
            });
            store.publish(section, Batch::now(readings.collect()));
        }
        let known = store.roles().into_iter().map(|(_, role)| match role {
            None => "-".to_owned(),
            Some(KnownRole { role, guessed }) => format!("{role}{}", if guessed { "?" } else { "" }),
        });
        known.collect()
    }

    #[test]
    fn roles_are_guessed_from_what_a_meter_counts_unless_a_person_has_said_them() {
        use SourceRole::{Grid, Hidden, Submeter};
        for (sources, expected) in [
            (&[("1.8.0 2.8.0", None), ("pulses", None), ("2.8.0", None)][..], "grid? consumer? production?"),
            (&[("1.8.0 1.8.1 1.8.2", None)], "grid?"),
            (&[("net", None), ("pulses", None)], "grid? consumer?"),
            (&[("net", None), ("1.8.0", None)], "- grid?"),
            (&[("1.8.0", None), ("1.8.0", None)], "grid? -"),
            (&[("1.8.0", None), ("1.8.0 2.8.0", None)], "- grid?"),
            (&[("1.8.0 2.8.0", None), ("1.8.0 2.8.0", Some(Grid))], "- grid"),
            (&[("1.8.0 2.8.0", None), ("1.8.0 2.8.0", Some(Hidden))], "grid? hidden"),
            (&[("1.8.0", None), ("1.8.0", Some(Grid))], "- grid"),
            (&[("pulses", Some(Submeter)), ("15.8.0", None)], "submeter consumer?"),
            (&[("pulses charged", None), ("heat", None), ("litres", None), ("", None)], "- - - -"),
        ] {
            assert_eq!(guessed(sources).join(" "), expected, "{sources:?}");
        }
    }
}
