//! Amounts of a tariff's days.

use std::collections::BTreeMap;

use jiff::civil::{Date, DateTime};

use crate::{KwhPrice, LevyPrice, Number, Tariff, Window};

/// What a charge is for. It sorts as on a bill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChargeKind {
    /// Energy.
    Work,
    /// A levy or fee, by its place in the tariff.
    Levy(usize),
    /// Energy that was fed into the grid.
    FeedIn,
}

/// Charge per kWh: what it is for, the register, and the level of a price by time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Charge {
    /// What it is for.
    pub kind: ChargeKind,
    /// Register of the energy.
    pub register: Option<u8>,
    /// Level of the price.
    pub level: usize,
}

/// Sum of a charge: the energy in kWh, and its value at the stated prices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sum {
    energy: Number,
    value: Number,
    /// The one price, as long as there is one only.
    price: Option<Number>,
}

/// Charge with its sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charged {
    /// The charge.
    pub charge: Charge,
    /// Energy in kWh.
    pub energy: Number,
    /// Net price: the one price, else the mean one; `None` where several prices held and nothing was counted.
    pub price: Option<Number>,
    /// Net value; negative for what the household is paid.
    pub net: Number,
    /// Value with tax, negative too.
    pub gross: Number,
}

/// Energy of some days of one tariff.
#[derive(Debug, Clone)]
pub struct Account<'t> {
    tariff: &'t Tariff,
    from: Date,
    to: Date,
    sums: BTreeMap<Charge, Sum>,
    pub(crate) has_standing: bool,
    /// Energy without a price.
    pub unpriced: Number,
}

impl<'t> Account<'t> {
    /// An account of the days from one to before another, without energy yet.
    pub fn new(tariff: &'t Tariff, from: Date, to: Date) -> Self {
        Self { tariff, from, to, sums: BTreeMap::new(), has_standing: true, unpriced: Number::ZERO }
    }

    /// Leaves out what is paid per month or year: for energy behind the meter that is billed.
    #[must_use]
    pub fn without_standing(self) -> Self {
        Self { has_standing: false, ..self }
    }

    /// Returns its first day, and the day after its last.
    pub fn days(&self) -> (Date, Date) {
        (self.from, self.to)
    }

    /// Returns its tariff.
    pub fn tariff(&self) -> &'t Tariff {
        self.tariff
    }

    /// Adds kWh that were drawn in the quarter-hour that begins at a local time. Returns whether they have a price.
    pub fn draw(
        &mut self,
        time: DateTime,
        register: Option<u8>,
        energy: Number,
        spot: Option<Number>,
    ) -> bool {
        let tariff = self.tariff;
        let mut charges = Vec::with_capacity(1 + tariff.levies.len());
        let work = tariff.work.at(time, register, spot, &tariff.holidays);
        charges.push((ChargeKind::Work, work));
        for (n, levy) in tariff.levies.iter().enumerate() {
            if let LevyPrice::PerKwh(price) = &levy.price {
                charges.push((ChargeKind::Levy(n), price.at(time, &tariff.holidays)));
            }
        }
        if charges.iter().any(|(_, price)| price.is_none()) {
            self.unpriced = self.unpriced.saturating_add(energy);
            return false;
        }
        for (kind, price) in charges {
            // The register matters for energy alone.
            let register = register.filter(|_| kind == ChargeKind::Work);
            self.add(kind, register, energy, price);
        }
        true
    }

    /// Adds kWh that were fed into the grid in the quarter-hour that begins at a local time. Returns whether they have a
    /// price.
    pub fn feed(
        &mut self,
        time: DateTime,
        register: Option<u8>,
        energy: Number,
        spot: Option<Number>,
    ) -> bool {
        let price = self.tariff.feed_in.as_ref().map(|of| of.at(time, register, spot, &self.tariff.holidays));
        if price == Some(None) {
            self.unpriced = self.unpriced.saturating_add(energy);
            return false;
        }
        self.add(ChargeKind::FeedIn, register, energy, price.flatten());
        price.is_some()
    }

    fn add(
        &mut self,
        kind: ChargeKind,
        register: Option<u8>,
        energy: Number,
        price: Option<(usize, Number)>,
    ) {
        let (level, price) = price.map_or((0, Number::ZERO), |(level, price)| (level, price));
        let none = Sum { energy: Number::ZERO, value: Number::ZERO, price: Some(price) };
        let sum = self.sums.entry(Charge { kind, register, level }).or_insert(none);
        sum.energy = sum.energy.saturating_add(energy);
        sum.value = sum.value.saturating_add(energy.saturating_mul(price));
        sum.price = sum.price.filter(|known| *known == price);
    }

    /// Returns each charge per kWh.
    pub fn charges(&self) -> impl Iterator<Item = Charged> {
        self.sums.iter().map(|(charge, sum)| {
            let is_paid = charge.kind == ChargeKind::FeedIn;
            // What the household is paid has no tax here.
            let net = |number| if is_paid { number } else { self.tariff.net(number) };
            let price = sum.price.or_else(|| sum.value.checked_div(sum.energy)).map(net);
            let value = if is_paid { -sum.value } else { sum.value };
            let gross = if is_paid { value } else { self.tariff.gross(value) };
            Charged { charge: *charge, energy: sum.energy, price, net: net(value), gross }
        })
    }

    /// Returns the window of a charge, where its price is one by time and holds in one.
    pub fn window(&self, charge: Charge) -> Option<&'t Window> {
        let tariff = self.tariff;
        let price = match charge.kind {
            ChargeKind::Work => &tariff.work,
            ChargeKind::FeedIn => tariff.feed_in.as_ref()?,
            ChargeKind::Levy(n) => match &tariff.levies.get(n)?.price {
                LevyPrice::PerKwh(price) => return price.window(charge.level),
                LevyPrice::Standing(_) => return None,
            },
        };
        match price {
            KwhPrice::Timed(price) => price.window(charge.level),
            KwhPrice::Registers(_) | KwhPrice::Spot(_) => None,
        }
    }

    /// Returns a charge in words: its name, register and window.
    pub fn text(&self, charge: Charge) -> String {
        let tariff = self.tariff;
        let name = match charge.kind {
            ChargeKind::Work | ChargeKind::FeedIn => &tariff.name,
            ChargeKind::Levy(n) => tariff.levies.get(n).map_or(&tariff.name, |levy| &levy.name),
        };
        let register = charge.register.map(|register| format!("T{register}"));
        let window = self.window(charge).map(Window::text);
        [Some(name.clone()), register, window].into_iter().flatten().collect::<Vec<_>>().join(" ")
    }
}
