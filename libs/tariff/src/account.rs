//! Amounts of a tariff's days, and the bill that they make.

use std::collections::BTreeMap;

use jiff::civil::{Date, DateTime};

use crate::{LevyPrice, Number, Tariff, WorkPrice, cents, number::rounded, tariff::Standing};

/// Digits after the point of a price that was computed.
const PRICE_DECIMALS: u32 = 6;

/// What a charge is for. It sorts as on a bill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChargeKind {
    /// Energy.
    Work,
    /// A levy or fee, by its place in the tariff.
    Levy(usize),
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Sum {
    energy: Number,
    value: Number,
}

/// Energy of some days of one tariff.
#[derive(Debug, Clone)]
pub struct Account<'t> {
    tariff: &'t Tariff,
    from: Date,
    to: Date,
    sums: BTreeMap<Charge, Sum>,
    fed_in: Number,
    has_standing: bool,
    /// Energy without a price.
    pub unpriced: Number,
}

impl<'t> Account<'t> {
    /// An account of the days from one to before another, without energy yet.
    pub fn new(tariff: &'t Tariff, from: Date, to: Date) -> Self {
        let (fed_in, unpriced) = (Number::ZERO, Number::ZERO);
        Self { tariff, from, to, sums: BTreeMap::new(), fed_in, has_standing: true, unpriced }
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

    /// Returns the kWh that were fed into the grid.
    pub fn fed_in(&self) -> Number {
        self.fed_in
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
        let work = tariff.work_price(time, register, spot);
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
            let Some((level, price)) = price else { continue };
            // The register matters for energy alone.
            let register = register.filter(|_| kind == ChargeKind::Work);
            let sum = self.sums.entry(Charge { kind, register, level }).or_default();
            sum.energy = sum.energy.saturating_add(energy);
            sum.value = sum.value.saturating_add(energy.saturating_mul(price));
        }
        true
    }

    /// Adds kWh that were fed into the grid. Returns whether they have a price.
    pub fn feed(&mut self, energy: Number) -> bool {
        self.fed_in = self.fed_in.saturating_add(energy);
        self.tariff.feed_in.is_some()
    }

    /// Returns each charge per kWh: its energy, the stated price (the mean one where it changes), and its net value.
    pub fn charges(&self) -> impl Iterator<Item = (Charge, Number, Number, Number)> {
        self.sums.iter().map(|(charge, sum)| {
            let net = self.tariff.net(sum.value);
            let price = match sum.energy.is_zero() {
                true => Number::ZERO,
                false => rounded(net / sum.energy, PRICE_DECIMALS),
            };
            (*charge, sum.energy, price, net)
        })
    }

    /// Returns a charge in words.
    fn text(&self, charge: Charge) -> String {
        let tariff = self.tariff;
        let (mut words, level) = match charge.kind {
            ChargeKind::Work => {
                let level = match &tariff.work {
                    WorkPrice::Timed(price) => price.level_name(charge.level),
                    WorkPrice::Registers(_) | WorkPrice::Spot(_) => None,
                };
                (tariff.name.clone(), level)
            }
            ChargeKind::Levy(n) => match tariff.levies.get(n) {
                Some(levy) => match &levy.price {
                    LevyPrice::PerKwh(price) => (levy.name.clone(), price.level_name(charge.level)),
                    LevyPrice::Standing(_) => (levy.name.clone(), None),
                },
                None => (String::new(), None),
            },
        };
        let register = charge.register.map(|register| format!("T{register}"));
        for word in register.as_deref().into_iter().chain(level) {
            words.push(' ');
            words.push_str(word);
        }
        words
    }

    /// Returns the items of its days.
    fn items(&self) -> Vec<Item> {
        let tariff = self.tariff;
        let item = |kind, text: &str, amount, unit, price, net| Item {
            kind,
            text: text.to_owned(),
            amount: Some(amount),
            unit: Some(unit),
            price: Some(price),
            net: cents(net),
            vat: tariff.vat,
        };
        let mut items: Vec<_> = self
            .charges()
            .map(|(charge, energy, price, net)| {
                let kind = if charge.kind == ChargeKind::Work { "work" } else { "levy" };
                item(kind, &self.text(charge), energy.normalize(), "kWh", price, net)
            })
            .collect();
        let standing = tariff.base.iter().map(|base| ("base", &*tariff.name, base));
        let levies = tariff.levies.iter().filter_map(|levy| match &levy.price {
            LevyPrice::Standing(price) => Some(("levy", &*levy.name, price)),
            LevyPrice::PerKwh(_) => None,
        });
        for (kind, text, standing) in standing.chain(levies).filter(|_| self.has_standing) {
            let Standing { price, per } = standing;
            let count = standing.count(self.from, self.to);
            let net = tariff.net(count * price);
            let shown = rounded(tariff.net(*price), PRICE_DECIMALS);
            items.push(item(kind, text, rounded(count, PRICE_DECIMALS), per.word(), shown, net));
        }
        if let Some(price) = tariff.feed_in.filter(|_| !self.fed_in.is_zero()) {
            let paid = item(
                "feed_in",
                &tariff.name,
                self.fed_in.normalize(),
                "kWh",
                price,
                -self.fed_in.saturating_mul(price),
            );
            // What the household is paid has no tax here.
            items.push(Item { vat: Number::ZERO, ..paid });
        }
        items
    }
}

/// Item of a bill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// `work`, `base`, `levy`, `feed_in` or `vat`.
    pub kind: &'static str,
    /// Text for people.
    pub text: String,
    /// Energy, or number of months or years.
    pub amount: Option<Number>,
    /// Unit of the amount.
    pub unit: Option<&'static str>,
    /// Net price of one.
    pub price: Option<Number>,
    /// Net value in whole cents; negative for what the household is paid.
    pub net: Number,
    /// Value-added tax on it, as a part of the net value.
    pub vat: Number,
}

/// Bill over some days.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bill {
    /// The items, those of the tax last.
    pub items: Vec<Item>,
    /// Sum without tax.
    pub net: Number,
    /// The tax.
    pub vat: Number,
    /// What is to be paid.
    pub total: Number,
}

/// Returns the bill over the days of all accounts. Each item is rounded to cents, and so is the tax of each rate.
pub fn settle<'a, 't: 'a>(accounts: impl IntoIterator<Item = &'a Account<'t>>) -> Bill {
    let mut items: Vec<_> = accounts.into_iter().flat_map(Account::items).collect();
    let net = items.iter().fold(Number::ZERO, |net, item| net.saturating_add(item.net));
    let mut rates = BTreeMap::<Number, Number>::new();
    for item in items.iter().filter(|item| !item.vat.is_zero()) {
        let of = rates.entry(item.vat).or_default();
        *of = of.saturating_add(item.net);
    }
    let mut vat = Number::ZERO;
    for (rate, of) in rates {
        let percent = rate * Number::ONE_HUNDRED;
        let tax = cents(of.saturating_mul(rate));
        vat = vat.saturating_add(tax);
        items.push(Item {
            kind: "vat",
            text: format!("{} %", percent.normalize()),
            amount: Some(of),
            unit: None,
            price: Some(percent.normalize()),
            net: tax,
            vat: Number::ZERO,
        });
    }
    Bill { items, net, vat, total: net.saturating_add(vat) }
}
