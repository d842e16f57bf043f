//! Energy of each register and price, with the numbers of the counter.

use serde::Serialize;
use tariff::{Account, ChargeKind, Charged, Number, Window, decimal};

use super::{MONEY_DECIMALS, accounts::Accounts, counters::Billed};
use crate::{
    Decimal,
    journal::{ReadError, Registered, SECOND, View},
};

/// Energy of one register with one price.
#[derive(Debug, Serialize)]
pub(super) struct Energy {
    register: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    tariff: Option<u8>,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    window: Option<Times>,
    direction: &'static str,
    /// Milliseconds since 1970.
    from: i64,
    to: i64,
    amount: Option<Decimal>,
    unit: &'static str,
    price: Option<Decimal>,
    net: Option<Decimal>,
    #[serde(flatten)]
    counter: Counter,
    estimated: bool,
}

/// Numbers of a counter at both ends, and of each meter in between.
#[derive(Debug, Clone, Default, Serialize)]
struct Counter {
    begin: Option<Decimal>,
    end: Option<Decimal>,
    swaps: Vec<Swap>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    parts: Vec<Part>,
    #[serde(skip)]
    gap: bool,
}

/// Another meter, or a counter that was set.
#[derive(Debug, Clone, Copy, Serialize)]
struct Swap {
    /// Milliseconds since 1970.
    time: i64,
    from: Option<Decimal>,
    to: Option<Decimal>,
}

/// Time of one meter, and its numbers.
#[derive(Debug, Clone, Copy, Serialize)]
struct Part {
    /// Milliseconds since 1970.
    from: i64,
    to: i64,
    begin: Option<Decimal>,
    end: Option<Decimal>,
}

/// Times at which a price holds, in the words of the configuration; a list is left out where all are meant.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Times {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    days: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hours: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    months: Vec<String>,
}

impl Times {
    pub(crate) fn of(window: &Window) -> Self {
        let Window { name, days, hours, months, price: _ } = window;
        Self { name: name.clone(), days: days.words(), hours: hours.words(), months: months.words() }
    }
}

impl Counter {
    /// Returns the numbers between two seconds, of which the later one may be to come.
    fn between(counter: &Billed<'_>, from: i64, to: i64, now: i64) -> Result<Self, ReadError> {
        let to = to.min(now);
        if from >= to {
            return Ok(Self::default());
        }
        let found = counter.series.registered(from.saturating_mul(SECOND), to.saturating_mul(SECOND))?;
        Ok(Self::of(&found, from.saturating_mul(1000), to.saturating_mul(1000)))
    }

    fn of(found: &Registered, from: i64, to: i64) -> Self {
        let swap = |swap: &crate::journal::Swap| Swap {
            time: swap.time.div_euclid(1000),
            from: Decimal::from_f64(swap.from),
            to: Decimal::from_f64(swap.to),
        };
        let swaps: Vec<_> = found.swaps.iter().map(swap).collect();
        let mut parts = Vec::new();
        let (mut since, mut begin) = (from, found.begin.value);
        for swap in &swaps {
            parts.push(Part { from: since, to: swap.time, begin, end: swap.from });
            (since, begin) = (swap.time, swap.to);
        }
        if !parts.is_empty() {
            parts.push(Part { from: since, to, begin, end: found.end.value });
        }
        let gap = found.begin.gap || found.end.gap;
        Self { begin: found.begin.value, end: found.end.value, swaps, parts, gap }
    }
}

/// Returns the energy of each register and price, until `now` at most.
pub(super) fn energies(
    view: &View<'_>,
    accounts: &Accounts<'_>,
    counters: &[Billed<'_>],
    (from, to): (i64, i64),
    now: i64,
) -> Result<Vec<Energy>, ReadError> {
    let mut energies = Vec::new();
    for (at, account) in accounts.accounts.iter().enumerate() {
        let (first, last) = account.days();
        let (from, to) = (view.day_start(first).max(from), view.day_start(last).min(to));
        for (n, counter) in counters.iter().enumerate() {
            let Some(seen) = accounts.seen.get(&(at, n)) else { continue };
            let numbers = Counter::between(counter, from, to, now)?;
            for charged in account.charges().filter(|charged| is_of(charged, counter)) {
                let estimated = seen.gap || numbers.gap;
                let counter = (counter, &numbers);
                energies.push(Energy { estimated, ..energy(account, counter, charged, (from, to)) });
            }
        }
    }
    Ok(energies)
}

/// Returns whether a charge is that of a counter's energy.
fn is_of(charged: &Charged, counter: &Billed<'_>) -> bool {
    let kind = if counter.is_export { ChargeKind::FeedIn } else { ChargeKind::Work };
    charged.charge.kind == kind && charged.charge.register == counter.register
}

fn energy(
    account: &Account<'_>,
    (counter, numbers): (&Billed<'_>, &Counter),
    charged: Charged,
    (from, to): (i64, i64),
) -> Energy {
    let shown = |number: Number| decimal(number, MONEY_DECIMALS);
    let tariff = account.tariff();
    // What nobody pays for has no price.
    let is_unpaid = counter.is_export && tariff.feed_in.is_none();
    Energy {
        register: counter.series.name.name.to_string(),
        tariff: counter.register,
        name: tariff.name.clone(),
        window: account.window(charged.charge).map(Times::of),
        direction: if counter.is_export { "export" } else { "import" },
        from: from.saturating_mul(1000),
        to: to.saturating_mul(1000),
        amount: shown(charged.energy),
        unit: "kWh",
        price: charged.price.filter(|_| !is_unpaid).and_then(|price| decimal(price, PRICE_DECIMALS)),
        net: shown(charged.net),
        counter: numbers.clone(),
        estimated: false,
    }
}

/// Digits after the point of a net price.
const PRICE_DECIMALS: u32 = 6;
