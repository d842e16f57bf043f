//! Report of the counters that are held back.

use framework::{Fact, Faults, SourceContext};
use tracing::warn;

use crate::Implausible;

/// Report of a source's counters that are held back: `held_back` in `/health`, and a warning.
#[derive(Debug)]
pub struct Holding {
    /// Their codes.
    fact: Fact,
    any: bool,
    faults: Faults<()>,
}

impl Holding {
    /// The report of a source.
    pub fn new(cx: &SourceContext) -> Self {
        Self { fact: cx.fact("held_back"), any: false, faults: Faults::default() }
    }

    /// Reports all that are held back now.
    pub fn report<'a>(&mut self, held: impl Iterator<Item = &'a Implausible> + Clone) {
        let first = held.clone().next();
        if let Some(implausible) = first {
            let codes: Vec<_> = held.map(|implausible| implausible.code.as_str()).collect();
            self.fact.set(codes.join(", "));
            let text = format!("{implausible}: it is left out until it rises again");
            if let Some(text) = self.faults.note((), &text) {
                warn!("{text}");
            }
        } else if self.any {
            self.fact.set("none");
        }
        self.any = first.is_some();
    }
}
