//! Units that the configuration tells before any batch, for sources that compute with them.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{ConfigError, SourceContext, Text};

/// Units of readings that sources state, by source and reading.
#[derive(Debug, Default)]
pub struct StatedUnits(BTreeMap<(Text, Text), Text>);

impl StatedUnits {
    /// The units that these sources state.
    pub(crate) fn of<'s>(sources: impl IntoIterator<Item = &'s SourceContext>) -> Self {
        let mut units = BTreeMap::new();
        for cx in sources {
            let statement = cx.statement().lock();
            let stated = statement.units.iter();
            units.extend(stated.map(|(name, unit)| ((cx.name().into(), name.clone()), unit.clone())));
        }
        Self(units)
    }

    /// Returns the unit of a reading; `None` if only its batches tell.
    pub fn unit(&self, source: &str, reading: &str) -> Option<&str> {
        self.0.get(&(source.into(), reading.into())).map(Text::as_str)
    }
}

/// Check of a source with what the others state.
type Check = Box<dyn FnOnce(&StatedUnits) -> Result<(), ConfigError> + Send>;

/// What a source states about itself, and its check of the others.
#[derive(Clone, Default)]
pub(crate) struct Statement(Arc<Mutex<Said>>);

#[derive(Default)]
struct Said {
    units: Vec<(Text, Text)>,
    check: Option<Check>,
}

impl Statement {
    fn lock(&self) -> MutexGuard<'_, Said> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.lock().units).finish()
    }
}

impl SourceContext {
    /// States the unit of a reading that the configuration tells: a source that computes with it is then checked at the
    /// start, and not with the first batch only.
    pub fn state_unit(&self, reading: impl Into<Text>, unit: impl Into<Text>) {
        self.statement().lock().units.push((reading.into(), unit.into()));
    }

    /// Has the configuration checked once more when the units that all sources state are known.
    pub fn check_units(&self, check: impl FnOnce(&StatedUnits) -> Result<(), ConfigError> + Send + 'static) {
        self.statement().lock().check = Some(Box::new(check));
    }

    /// Runs the source's check.
    ///
    /// # Errors
    /// Returns what it finds.
    pub(crate) fn run_check(&self, units: &StatedUnits) -> Result<(), ConfigError> {
        let check = self.statement().lock().check.take();
        check.map_or(Ok(()), |check| check(units))
    }
}
