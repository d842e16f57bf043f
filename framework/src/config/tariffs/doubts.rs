//! Prices that are allowed, and most likely wrong: those in cents, and those below zero.

use tariff::{KwhPrice, LevyPrice, Number, Tariff, TimedPrice};

/// Currencies, and a price per kWh above which it is most likely one in cents.
const MOST_PER_KWH: [(&str, i64); 11] = [
    ("BGN", 4),
    ("CHF", 2),
    ("CZK", 50),
    ("DKK", 20),
    ("EUR", 2),
    ("GBP", 2),
    ("HUF", 1000),
    ("NOK", 20),
    ("PLN", 10),
    ("RON", 10),
    ("SEK", 20),
];

/// Returns a warning for each price per kWh that is most likely wrong.
pub(crate) fn doubts(tariffs: &[Tariff]) -> Vec<String> {
    tariffs.iter().flat_map(of_tariff).collect()
}

fn of_tariff(tariff: &Tariff) -> Vec<String> {
    let mut prices = of_price("work_price", "registers", "windows", &tariff.work);
    if let Some(feed_in) = &tariff.feed_in {
        prices.extend(of_price("feed_in_price", "feed_in_registers", "feed_in_windows", feed_in));
    }
    // A levy below zero is a rebate.
    let mut levies = Vec::new();
    for (n, levy) in tariff.levies.iter().enumerate() {
        if let LevyPrice::PerKwh(price) = &levy.price {
            levies.extend(timed(&format!("levies[{n}].per_kwh"), &format!("levies[{n}].windows"), price));
        }
    }
    let most = MOST_PER_KWH.iter().find(|(currency, _)| *currency == tariff.currency);
    let of = format!("tariff of `{}` from {}", tariff.source, tariff.from);
    let is_high = |price: &Number| most.is_some_and(|(_, most)| *price >= Number::from(*most));
    let high = prices.iter().chain(&levies).filter(|(_, price)| is_high(price)).map(|(key, price)| {
        let whole = (price / Number::ONE_HUNDRED).normalize();
        let currency = &tariff.currency;
        format!("{of}: `{key}` is {price} {currency} per kWh: is this in hundredths (cents)? write {whole}")
    });
    let low = prices.iter().filter(|(_, price)| price.is_sign_negative() && !price.is_zero());
    let low =
        low.map(|(key, price)| format!("{of}: `{key}` is below zero ({price}): write it without the sign"));
    high.chain(low).collect()
}

/// Returns the keys and prices of a price per kWh. That of a market may be anything.
fn of_price(single: &str, registers: &str, windows: &str, price: &KwhPrice) -> Vec<(String, Number)> {
    match price {
        KwhPrice::Timed(price) => timed(single, windows, price),
        KwhPrice::Registers(prices) => {
            prices.iter().map(|(register, price)| (format!("{registers}.T{register}"), *price)).collect()
        }
        KwhPrice::Spot(_) => Vec::new(),
    }
}

fn timed(single: &str, windows: &str, price: &TimedPrice) -> Vec<(String, Number)> {
    let of_windows = price.windows.iter().enumerate();
    let of_windows = of_windows.map(|(n, window)| (format!("{windows}[{n}].price"), window.price));
    price.otherwise.iter().map(|price| (single.to_owned(), *price)).chain(of_windows).collect()
}
