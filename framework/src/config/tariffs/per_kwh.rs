//! Check of a price per kWh: one, by register, by time, or of a market.

use std::collections::BTreeMap;

use tariff::{Holidays, KwhPrice, Number, Resolution, SpotPrice, TimedPrice};

use super::{
    keys::{SpotKeys, Steps, WindowKeys},
    mistakes::Mistakes,
};
use crate::Decimal;

/// Keys of a price per kWh.
pub(super) struct PriceKeys {
    /// Names of the keys, in the order of the members.
    pub(super) names: [&'static str; 4],
    pub(super) single: Option<Decimal>,
    pub(super) registers: Option<BTreeMap<String, Decimal>>,
    pub(super) windows: Vec<WindowKeys>,
    pub(super) spot: Option<SpotKeys>,
}

impl PriceKeys {
    /// Checks the price; `None` where no key is there.
    pub(super) fn read(self, holidays: &Holidays, mistakes: &mut Mistakes) -> Option<KwhPrice> {
        let [single_key, registers_key, windows_key, spot_key] = self.names;
        let given = [
            (registers_key, self.registers.is_some()),
            (spot_key, self.spot.is_some()),
            (windows_key, !self.windows.is_empty()),
            (single_key, self.single.is_some()),
        ];
        let given: Vec<_> = given.iter().filter(|(_, given)| *given).map(|(key, _)| *key).collect();
        match given[..] {
            [] => return None,
            [_] => {}
            [first, second] if (first, second) == (windows_key, single_key) => {}
            [first, second, ..] => {
                let message = format!("`{first}` and `{second}` exclude each other");
                let hint = format!(
                    "keep one of them: only `{windows_key}` may stand beside `{single_key}`, which is the price outside \
                     of them"
                );
                mistakes.add(first, message, &hint);
            }
        }
        if let Some(registers) = self.registers {
            return Some(KwhPrice::Registers(read_registers(registers_key, registers, mistakes)));
        }
        if let Some(spot) = self.spot {
            return Some(KwhPrice::Spot(read_spot(spot_key, spot, mistakes)));
        }
        let otherwise = self.single.map(|price| mistakes.price(single_key.to_owned(), price));
        let price = TimedPrice { otherwise, windows: mistakes.windows(windows_key, self.windows) };
        let hint = format!("add a window for it, or `{single_key}`, the price outside of all windows");
        mistakes.coverage(windows_key, &price, holidays, &hint);
        Some(KwhPrice::Timed(price))
    }
}

fn read_spot(key: &str, spot: SpotKeys, mistakes: &mut Mistakes) -> SpotPrice {
    let mut or = |price: Option<Decimal>, name: &str, default| {
        price.map_or(default, |price| mistakes.price(format!("{key}.{name}"), price))
    };
    SpotPrice {
        factor: or(spot.factor, "factor", Number::ONE),
        surcharge: or(spot.surcharge, "surcharge", Number::ZERO),
        source: spot.source,
        reading: spot.reading,
        resolution: match spot.resolution {
            Steps::QuarterHour => Resolution::QuarterHour,
            Steps::Hour => Resolution::Hour,
        },
    }
}

fn read_registers(
    key: &str,
    registers: BTreeMap<String, Decimal>,
    mistakes: &mut Mistakes,
) -> Vec<(u8, Number)> {
    if registers.is_empty() {
        let hint = format!("write `{key} = {{ T1 = 0.3215, T2 = 0.2710 }}`");
        mistakes.add(key.to_owned(), "there are no registers", &hint);
    }
    let mut prices = Vec::new();
    for (name, price) in registers {
        let register = name
            .strip_prefix(['T', 't'])
            .and_then(|number| number.parse().ok())
            .filter(|number| (1..=63).contains(number));
        match register {
            Some(register) => prices.push((register, mistakes.price(format!("{key}.{name}"), price))),
            None => mistakes.add(
                format!("{key}.{name}"),
                format!("`{name}` is not a register: expected `T1` to `T63`"),
                "the last number of the OBIS code is the register: 1.8.2 is `T2`",
            ),
        }
    }
    prices
}
