//! Costs: what was paid for the energy in the journal. They are computed for each answer, and never stored.
//!
//! | file | content |
//! |---|---|
//! | `tariffs` | all tariffs of the configuration |
//! | `counters` | the counters of a source that are billed |
//! | `spots` | prices of a market |
//! | `walk` | amounts of pieces with one price, each with its tariff and its spot price |
//! | `periods` | cost of each period of a series |
//! | `saved` | price of what was not drawn |
//! | `accounts` | energy of a source by tariff, and what of it is not as it should be |
//! | `asked` | a tariff of the prices in a question |
//! | `energies` | energy of each register and price, with the numbers of the counter |
//! | `bill` | bill of a source between two moments |
//! | `forecast` | cost of this month and this year, as it is expected |
//! | `today` | cost until now, for the source with the costs |

mod accounts;
mod asked;
mod bill;
mod counters;
mod energies;
mod forecast;
mod periods;
mod saved;
mod spots;
mod tariffs;
mod today;
mod walk;

use std::sync::Arc;

pub(crate) use self::{
    bill::{Question, bill},
    counters::billed_counters,
    energies::Times,
    forecast::forecast,
    periods::{Cost, costs},
    saved::prices,
};
pub use self::{
    tariffs::Tariffs,
    today::{CostsToday, KnownCost},
};
use crate::{
    journal::{Journal, ReadError, View},
    latest::Latest,
};

/// Digits after the point of an amount of money in an answer that is not rounded to cents. Nothing is rounded before.
pub(crate) const MONEY_DECIMALS: u32 = 9;

/// The journal, and the tariffs by which its energy is paid.
#[derive(Debug)]
pub struct Costs {
    pub(crate) journal: Journal,
    /// The program replaces them when the configuration is loaded again.
    tariffs: Latest<Tariffs>,
}

impl Costs {
    pub(crate) fn new(journal: Journal, tariffs: Arc<Tariffs>) -> Self {
        let latest = Latest::default();
        latest.set(tariffs);
        Self { journal, tariffs: latest }
    }

    /// Returns the tariffs.
    pub fn tariffs(&self) -> Arc<Tariffs> {
        self.tariffs.get().unwrap_or_default()
    }

    /// Replaces the tariffs. All costs are other ones from now on, as none is stored.
    pub(crate) fn replace(&self, tariffs: Arc<Tariffs>) {
        self.tariffs.set(tariffs);
    }

    /// Passes the journal and the tariffs to `ask`. It may block.
    pub(crate) fn read<T>(
        &self,
        ask: impl FnOnce(&View<'_>, &Tariffs) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        let tariffs = self.tariffs();
        self.journal.read(|view| ask(view, &tariffs))
    }

    /// Passes both to `ask`, whose questions fail once `is_wanted` returns false. It may block.
    pub(crate) fn read_while<T>(
        &self,
        is_wanted: &dyn Fn() -> bool,
        ask: impl FnOnce(&View<'_>, &Tariffs) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        let tariffs = self.tariffs();
        self.journal.read_while(is_wanted, |view| ask(view, &tariffs))
    }
}
