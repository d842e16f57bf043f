//! Parts of the household: which counters of which source are drawn, fed in, produced, stored and consumed.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    Direction, KnownRole, SourceRole, Text, Unit,
    journal::{Listed, Micros, SECOND, SeriesName},
    roles::{Counted, is_counted, is_discharge, is_net, roles},
    store::Section,
};

/// Time after which a register counts as given up if others of its source go on: a meter was replaced.
const GIVEN_UP: Micros = 25 * 3600 * SECOND;

/// Source with its part of the household's energy.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Part {
    /// Its name.
    pub(crate) source: Text,
    /// Its name for people.
    pub(crate) label: Option<Text>,
    /// What it measures.
    pub(crate) role: SourceRole,
    /// Counters of what it draws: from the grid, into the battery, or as a consumer.
    pub(crate) import: Vec<Register>,
    /// Counters of what it delivers: to the grid, from the battery, or as production.
    pub(crate) export: Vec<Register>,
    /// Counters of the difference, where the meter of the grid has no others.
    pub(crate) net: Vec<Register>,
}

impl Part {
    /// Returns whether it consumes and does nothing else.
    pub(crate) fn is_consumer(&self) -> bool {
        matches!(self.role, SourceRole::Consumer | SourceRole::Submeter)
    }
}

/// Counter of one name; it has several series if its unit changed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Register {
    /// Its name.
    pub(crate) name: Text,
    /// Its series, each with the factor from its unit to kWh.
    pub(crate) series: Vec<Recorded>,
    /// Whether others of its source were read long after it.
    pub(crate) is_given_up: bool,
}

/// Series with the times of its readings.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Recorded {
    pub(crate) name: SeriesName,
    pub(crate) factor: f64,
    pub(crate) from: Micros,
    pub(crate) to: Micros,
}

impl Register {
    /// Returns the time of the first reading.
    pub(crate) fn from(&self) -> Micros {
        self.series.iter().map(|of| of.from).min().unwrap_or(Micros::MAX)
    }

    /// Returns the time of the last reading.
    pub(crate) fn to(&self) -> Micros {
        self.series.iter().map(|of| of.to).max().unwrap_or(Micros::MIN)
    }
}

/// Returns the parts of a household, in the order of the configuration: by the roles of the sources, else by what their
/// counters tell.
pub(crate) fn parts(sections: &[Arc<Section>], listed: &[Listed]) -> Vec<Part> {
    let meanings = |section: &Section| {
        let of_source = listed.iter().filter(|of| of.name.section == section.name);
        of_source.map(|of| (&of.name.name, of.meaning)).collect::<BTreeMap<_, _>>().into_values()
    };
    let sources = sections.iter().map(|section| {
        let counted = if section.is_computed() { Counted::Nothing } else { Counted::of(meanings(section)) };
        (section.labels().source.role, counted)
    });
    let roles = roles(&sources.collect::<Vec<_>>());
    let part = |(section, role): (&Arc<Section>, Option<KnownRole>)| {
        let role = role?.role;
        let counters = Counters::of(section, listed);
        let is_grid = role == SourceRole::Grid && counters.is_net_only();
        let net = if is_grid { counters.net.clone() } else { Vec::new() };
        let (import, export) = counters.of_role(role)?;
        Some(Part {
            source: section.name.clone(),
            label: section.labels().source.label.clone(),
            role,
            import,
            export,
            net,
        })
    };
    sections.iter().zip(roles).filter_map(part).collect()
}

/// Counters of electrical energy of one source.
#[derive(Debug, Default)]
struct Counters {
    import: Vec<Register>,
    export: Vec<Register>,
    /// Those without a direction.
    undirected: Vec<Register>,
    /// Those that count import minus export.
    net: Vec<Register>,
}

impl Counters {
    fn of(section: &Section, listed: &[Listed]) -> Self {
        let of_source = || listed.iter().filter(|of| of.name.section == section.name);
        let newest = of_source().map(|of| of.to).max().unwrap_or(Micros::MIN);
        let all: Vec<_> = of_source().filter(|of| is_counted(&of.meaning)).collect();
        let directed = |directions: &[Option<Direction>]| {
            let of_direction = all.iter().filter(|of| directions.contains(&of.meaning.direction));
            let (totals, tariffs): (Vec<_>, Vec<_>) =
                of_direction.partition(|of| of.meaning.tariff.is_none());
            // The total has the tariffs in it.
            registers(if totals.is_empty() { &tariffs } else { &totals }, newest)
        };
        Self {
            import: directed(&[Some(Direction::Import)]),
            export: directed(&[Some(Direction::Export)]),
            undirected: directed(&[None, Some(Direction::Absolute)]),
            net: registers(
                &of_source().filter(|of| is_net(&of.meaning)).collect::<Vec<_>>().iter().collect::<Vec<_>>(),
                newest,
            ),
        }
    }

    fn is_net_only(&self) -> bool {
        self.import.is_empty() && self.export.is_empty() && self.undirected.is_empty()
    }

    /// Returns the counters of what a part draws and delivers; `None` for one that takes no part.
    fn of_role(self, role: SourceRole) -> Option<(Vec<Register>, Vec<Register>)> {
        let Self { import, export, undirected, .. } = self;
        let or = |first: Vec<Register>, second: Vec<Register>| if first.is_empty() { second } else { first };
        Some(match role {
            SourceRole::Grid => (or(import, undirected), export),
            SourceRole::Consumer | SourceRole::Submeter => (or(import, undirected), Vec::new()),
            // Some meters of production are connected the other way round.
            SourceRole::Production => (Vec::new(), or(export, or(undirected, import))),
            SourceRole::Storage if import.is_empty() && export.is_empty() => {
                let (discharged, charged) = undirected.into_iter().partition(|of| is_discharge(&of.name));
                (charged, discharged)
            }
            SourceRole::Storage => (import, export),
            SourceRole::Hidden => return None,
        })
    }
}

/// Joins the series of one name.
fn registers(listed: &[&&Listed], newest: Micros) -> Vec<Register> {
    let mut registers = Vec::<Register>::new();
    for of in listed {
        let Some(factor) = of.meaning.unit.and_then(|unit| unit.factor_to(Unit::KilowattHour)) else {
            continue;
        };
        let recorded = Recorded { name: of.name.clone(), factor: factor.to_f64(), from: of.from, to: of.to };
        match registers.iter_mut().find(|register| register.name == of.name.name) {
            Some(register) => register.series.push(recorded),
            None => {
                let (name, series) = (of.name.name.clone(), vec![recorded]);
                registers.push(Register { name, series, is_given_up: false });
            }
        }
    }
    for register in &mut registers {
        register.is_given_up = register.to().saturating_add(GIVEN_UP) < newest;
    }
    registers
}
