//! Series of the journal, with what the newest readings tell of them.

use std::time::Instant;

use crate::{
    Store,
    journal::{Listed, ReadError, View},
};

/// Returns all series.
///
/// The newest reading tells more of a series than the journal, which keeps the short form of its code.
///
/// # Errors
/// Returns the error of the journal.
pub(crate) fn listed(view: &View<'_>, store: &Store) -> Result<Vec<Listed>, ReadError> {
    let mut all = view.series()?;
    for listed in &mut all {
        let name = &listed.name;
        let newest = store.section(&name.section).and_then(|section| section.view(Instant::now()));
        let reading = newest.as_ref().and_then(|newest| newest.snapshot.batch.get(&name.name));
        if let Some(reading) =
            reading.filter(|reading| reading.unit.as_deref().unwrap_or_default() == name.unit)
        {
            listed.meaning = reading.meaning();
        }
    }
    Ok(all)
}
