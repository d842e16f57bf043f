//! A tariff: its prices, and the cost of an amount.

use jiff::civil::{Date, DateTime};

use crate::{Holidays, Number, TimedPrice};

/// What is paid for energy from a day on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tariff {
    /// Name for people.
    pub name: String,
    /// The source whose energy is billed.
    pub source: String,
    /// Sources behind it whose energy costs as much.
    pub submeters: Vec<String>,
    /// First day.
    pub from: Date,
    /// Day after the last; `None` for the newest tariff of its source.
    pub to: Option<Date>,
    /// Currency: `EUR`.
    pub currency: String,
    /// Value-added tax as a part of the net price: 0.19.
    pub vat: Number,
    /// Whether the prices contain value-added tax.
    pub prices: PriceBasis,
    /// Work price.
    pub work: KwhPrice,
    /// Levies and fees.
    pub levies: Vec<Levy>,
    /// Base price.
    pub base: Option<Standing>,
    /// Price that is paid for energy fed into the grid, as it is paid.
    pub feed_in: Option<KwhPrice>,
    /// kWh in a cubic metre of gas: calorific value times volume correction number.
    pub gas_factor: Option<Number>,
    /// What is paid in advance each month, with value-added tax.
    pub instalment: Option<Number>,
    /// Days that count as holidays.
    pub holidays: Holidays,
}

/// Whether prices contain value-added tax.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PriceBasis {
    /// They do.
    Gross,
    /// It is added.
    Net,
}

/// Price per kWh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KwhPrice {
    /// By time, or the same at all times.
    Timed(TimedPrice),
    /// By register: T1, T2, …
    Registers(Vec<(u8, Number)>),
    /// That of a market.
    Spot(SpotPrice),
}

impl KwhPrice {
    /// One price for all energy.
    pub fn single(price: Number) -> Self {
        Self::Timed(TimedPrice::single(price))
    }

    /// Returns the one price, if it is the same for all energy.
    pub fn as_single(&self) -> Option<Number> {
        match self {
            Self::Timed(price) if price.is_single() => price.otherwise,
            _ => None,
        }
    }

    /// Returns whether it is the same at all times.
    pub fn is_constant(&self) -> bool {
        match self {
            Self::Timed(price) => price.is_single(),
            Self::Registers(_) => true,
            Self::Spot(_) => false,
        }
    }

    /// Returns whether it is one by register.
    pub fn is_by_register(&self) -> bool {
        matches!(self, Self::Registers(_))
    }

    /// Returns the market's price, if it is one.
    pub fn spot(&self) -> Option<&SpotPrice> {
        match self {
            Self::Spot(spot) => Some(spot),
            Self::Timed(_) | Self::Registers(_) => None,
        }
    }

    /// Returns the price as stated, and its level: at a local time, of a register, with the spot price of that time.
    pub fn at(
        &self,
        time: DateTime,
        register: Option<u8>,
        spot: Option<Number>,
        holidays: &Holidays,
    ) -> Option<(usize, Number)> {
        match self {
            Self::Timed(price) => price.at(time, holidays),
            Self::Registers(prices) => {
                let level = prices.iter().position(|(of, _)| Some(*of) == register)?;
                Some((level, prices[level].1))
            }
            Self::Spot(of) => Some((0, spot?.checked_mul(of.factor)?.checked_add(of.surcharge)?)),
        }
    }
}

/// Price of a market, which a source reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpotPrice {
    /// The source that reads it.
    pub source: String,
    /// Its reading, per kWh or per MWh.
    pub reading: String,
    /// Time for which a reading holds.
    pub resolution: Resolution,
    /// Factor on the price, such as for losses.
    pub factor: Number,
    /// Sum that is added to the price.
    pub surcharge: Number,
}

/// Time for which a spot price holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution {
    /// A quarter-hour.
    QuarterHour,
    /// An hour.
    Hour,
}

impl Resolution {
    /// Returns it in seconds.
    pub fn seconds(self) -> i64 {
        match self {
            Self::QuarterHour => 900,
            Self::Hour => 3600,
        }
    }
}

/// Levy or fee.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Levy {
    /// Name for people.
    pub name: String,
    /// Its price.
    pub price: LevyPrice,
}

/// Price of a levy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LevyPrice {
    /// Per kWh, and perhaps by time.
    PerKwh(TimedPrice),
    /// Per month or year.
    Standing(Standing),
}

/// Price per time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Price of one.
    pub price: Number,
    /// Time for which it holds.
    pub per: Per,
}

/// Time for which a standing price holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Per {
    /// A day.
    Day,
    /// A month.
    Month,
    /// A year.
    Year,
}

impl Per {
    /// Returns its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Month => "month",
            Self::Year => "year",
        }
    }
}

impl Standing {
    /// Returns how many days, months or years lie between two days: whole ones, and of the others the part of their
    /// days.
    pub fn count(&self, from: Date, to: Date) -> Number {
        let (mut day, mut count) = (from, Number::ZERO);
        while day < to {
            let (first, next) = match self.per {
                Per::Day => return Number::from(days(from, to)),
                Per::Month => (day.first_of_month(), day.last_of_month().tomorrow()),
                Per::Year => (day.first_of_year(), day.last_of_year().tomorrow()),
            };
            let next = next.unwrap_or(to);
            let (end, all) = (next.min(to), days(first, next).max(1));
            count += Number::from(days(day, end)) / Number::from(all);
            day = end;
        }
        count
    }
}

/// Returns the number of days between two.
pub(crate) fn days(from: Date, to: Date) -> i32 {
    from.until(to).map_or(0, |span| span.get_days())
}

impl Tariff {
    /// Returns whether it holds on a day.
    pub fn holds(&self, day: Date) -> bool {
        self.from <= day && self.to.is_none_or(|to| day < to)
    }

    /// Returns the price of what is drawn from the grid, or of what is fed into it; `None` where nobody pays for that.
    pub fn kwh_price(&self, is_export: bool) -> Option<&KwhPrice> {
        if is_export { self.feed_in.as_ref() } else { Some(&self.work) }
    }

    /// Returns whether all that is paid per kWh is the same at all times.
    pub fn is_constant(&self, is_export: bool) -> bool {
        let levies = || self.timed_levies().all(TimedPrice::is_single);
        self.kwh_price(is_export).is_none_or(KwhPrice::is_constant) && (is_export || levies())
    }

    /// Returns the levies per kWh.
    fn timed_levies(&self) -> impl Iterator<Item = &TimedPrice> {
        self.levies.iter().filter_map(|levy| match &levy.price {
            LevyPrice::PerKwh(price) => Some(price),
            LevyPrice::Standing(_) => None,
        })
    }

    /// Returns the prices by time that what is drawn has, or what is fed in.
    pub(crate) fn timed_prices(&self, is_export: bool) -> impl Iterator<Item = &TimedPrice> {
        let own = match self.kwh_price(is_export) {
            Some(KwhPrice::Timed(price)) => Some(price),
            _ => None,
        };
        own.into_iter().chain(self.timed_levies().filter(move |_| !is_export))
    }

    /// Returns all that is paid for one more kWh, with value-added tax.
    pub fn price_per_kwh(
        &self,
        time: DateTime,
        register: Option<u8>,
        spot: Option<Number>,
    ) -> Option<Number> {
        let (_, mut price) = self.work.at(time, register, spot, &self.holidays)?;
        for levy in self.timed_levies() {
            price = price.checked_add(levy.at(time, &self.holidays)?.1)?;
        }
        match self.prices {
            PriceBasis::Gross => Some(price),
            PriceBasis::Net => price.checked_mul(Number::ONE + self.vat),
        }
    }

    /// Returns a price or a value with tax.
    pub(crate) fn gross(&self, price: Number) -> Number {
        match self.prices {
            PriceBasis::Net => price.saturating_mul(Number::ONE + self.vat),
            PriceBasis::Gross => price,
        }
    }

    /// Returns what is paid for one more kWh that is fed into the grid.
    pub fn feed_in_price(
        &self,
        time: DateTime,
        register: Option<u8>,
        spot: Option<Number>,
    ) -> Option<Number> {
        self.feed_in.as_ref()?.at(time, register, spot, &self.holidays).map(|(_, price)| price)
    }

    /// Returns the energy of cubic metres of gas in kWh; `None` without a gas factor.
    pub fn gas_energy(&self, volume: Number) -> Option<Number> {
        volume.checked_mul(self.gas_factor?)
    }

    /// Returns the part of a price that is no value-added tax.
    pub(crate) fn net(&self, price: Number) -> Number {
        match self.prices {
            PriceBasis::Net => price,
            PriceBasis::Gross => price / (Number::ONE + self.vat),
        }
    }
}
