//! Bill that the amounts of some days make.

use std::collections::BTreeMap;

use crate::{
    Account, ChargeKind, LevyPrice, Number, Window,
    account::Charged,
    cents,
    number::rounded,
    tariff::{Standing, Tariff},
};

/// Digits after the point of a price that was computed, and of a number of months or years.
const DECIMALS: u32 = 6;

/// Item of a bill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// `work`, `base`, `levy`, `feed_in` or `vat`.
    pub kind: &'static str,
    /// Text for people.
    pub text: String,
    /// Window in which the price holds, where it is one by time.
    pub window: Option<Window>,
    /// Energy, or number of days, months or years.
    pub amount: Option<Number>,
    /// Unit of the amount.
    pub unit: Option<&'static str>,
    /// Net price of one.
    pub price: Option<Number>,
    /// Net value in whole cents; negative for what the household is paid.
    pub net: Number,
    /// Value with tax, which is not rounded.
    pub gross: Number,
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
    let mut items: Vec<_> = accounts.into_iter().flat_map(items).collect();
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
            window: None,
            amount: Some(of),
            unit: None,
            price: Some(percent.normalize()),
            net: tax,
            gross: Number::ZERO,
            vat: Number::ZERO,
        });
    }
    Bill { items, net, vat, total: net.saturating_add(vat) }
}

/// Returns the bill over the days of all accounts, of which the total is the sum of the values with tax, rounded once. The
/// tax is what the total has more than the items, so that they still add up.
pub fn settle_gross<'a, 't: 'a>(accounts: impl IntoIterator<Item = &'a Account<'t>>) -> Bill {
    let mut bill = settle(accounts);
    let gross = bill.items.iter().fold(Number::ZERO, |sum, item| sum.saturating_add(item.gross));
    let total = cents(gross);
    match bill.items.iter_mut().rfind(|item| item.kind == "vat") {
        Some(tax) => {
            let more = total.saturating_sub(bill.total);
            tax.net = tax.net.saturating_add(more);
            bill.vat = bill.vat.saturating_add(more);
        }
        None => bill.net = total,
    }
    Bill { total, ..bill }
}

/// Returns the items of an account's days.
fn items(account: &Account<'_>) -> Vec<Item> {
    let tariff = account.tariff();
    let charges = account.charges().filter(|charged| {
        // Nobody pays for it, or there was none.
        charged.charge.kind != ChargeKind::FeedIn || tariff.feed_in.is_some() && !charged.energy.is_zero()
    });
    let (fed_in, drawn): (Vec<_>, Vec<_>) =
        charges.partition(|charged| charged.charge.kind == ChargeKind::FeedIn);
    let per_kwh = |charged: Charged| Item {
        kind: match charged.charge.kind {
            ChargeKind::Work => "work",
            ChargeKind::Levy(_) => "levy",
            ChargeKind::FeedIn => "feed_in",
        },
        text: account.text(charged.charge),
        window: account.window(charged.charge).cloned(),
        amount: Some(charged.energy.normalize()),
        unit: Some("kWh"),
        price: charged.price.map(|price| rounded(price, DECIMALS)),
        net: cents(charged.net),
        gross: charged.gross,
        vat: if charged.charge.kind == ChargeKind::FeedIn { Number::ZERO } else { tariff.vat },
    };
    let mut items: Vec<_> = drawn.into_iter().map(per_kwh).collect();
    items.extend(standing(account, tariff));
    items.extend(fed_in.into_iter().map(per_kwh));
    items
}

/// Returns the items of what is paid per day, month or year.
fn standing(account: &Account<'_>, tariff: &Tariff) -> Vec<Item> {
    let base = tariff.base.iter().map(|base| ("base", &*tariff.name, base));
    let levies = tariff.levies.iter().filter_map(|levy| match &levy.price {
        LevyPrice::Standing(price) => Some(("levy", &*levy.name, price)),
        LevyPrice::PerKwh(_) => None,
    });
    let (from, to) = account.days();
    let item = |(kind, text, standing): (_, &str, &Standing)| {
        let count = standing.count(from, to);
        let value = count.saturating_mul(standing.price);
        Item {
            kind,
            text: text.to_owned(),
            window: None,
            amount: Some(rounded(count, DECIMALS)),
            unit: Some(standing.per.word()),
            price: Some(rounded(tariff.net(standing.price), DECIMALS)),
            net: cents(tariff.net(value)),
            gross: tariff.gross(value),
            vat: tariff.vat,
        }
    };
    base.chain(levies).filter(|_| account.has_standing).map(item).collect()
}
