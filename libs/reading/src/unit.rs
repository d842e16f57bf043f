//! Units: every spelling that devices use, what it measures, and its exact factor to the base unit.

use crate::{Decimal, Scaled, words};

words! {
    /// Subject of a reading: a physical quantity with one base unit, to which [`Unit::factor`] converts, or a property
    /// of the device, without a unit.
    Quantity {
        /// Active energy of electricity, or heat. Base unit: J.
        Energy = "energy",
        /// Base unit: var·s.
        ReactiveEnergy = "reactive_energy",
        /// Base unit: VA·s.
        ApparentEnergy = "apparent_energy",
        /// Volume of gas or water. Base unit: m³.
        Volume = "volume",
        /// Base unit: A·s.
        Charge = "charge",
        /// Base unit: W.
        Power = "power",
        /// Base unit: var.
        ReactivePower = "reactive_power",
        /// Base unit: VA.
        ApparentPower = "apparent_power",
        /// Base unit: V.
        Voltage = "voltage",
        /// Base unit: A.
        Current = "current",
        /// Base unit: Hz.
        Frequency = "frequency",
        /// Ratio of active to apparent power, without a unit.
        PowerFactor = "power_factor",
        /// Base unit: °C.
        Temperature = "temperature",
        /// Difference of two temperatures. Base unit: K.
        TemperatureDifference = "temperature_difference",
        /// Base unit: m³/h.
        VolumeFlow = "volume_flow",
        /// Base unit: Pa.
        Pressure = "pressure",
        /// Relative humidity. Base unit: %.
        Humidity = "humidity",
        /// Share of a whole. Base unit: %.
        Ratio = "ratio",
        /// Base unit: degrees. The arithmetic mean of angles is meaningless: 359° and 1° are neighbours.
        Angle = "angle",
        /// Base unit: s.
        Duration = "duration",
        /// Money. Base unit: that of its currency; one that is not in the table has no unit.
        Money = "money",
        /// Price of energy. Base unit: its currency per kWh.
        EnergyPrice = "energy_price",
        /// Number of a meter.
        MeterNumber = "meter_number",
        /// Firmware of a device.
        Firmware = "firmware",
        /// Date and time of a device's clock.
        Clock = "clock",
        /// Status word of a device.
        Status = "status",
        /// Number of the tariff in force.
        ActiveTariff = "active_tariff",
        /// Fault register of a device.
        Fault = "fault",
        /// A number without a unit, or with one that is not in the table.
        Other = "other",
    }
}

impl Quantity {
    /// Returns whether it adds up over time, so that a register of it is a counter.
    pub const fn is_additive(self) -> bool {
        matches!(
            self,
            Self::Energy | Self::ReactiveEnergy | Self::ApparentEnergy | Self::Volume | Self::Charge
        )
    }
}

/// Defines the units: one line each.
macro_rules! units {
    ($($variant:ident $symbol:literal $quantity:ident ($digits:literal, $exponent:literal) [$($spelling:literal)*];)*) => {
        /// Unit of the table. A device's unit that is not there stays text.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Unit {
            $(#[doc = concat!("`", $symbol, "`")] $variant,)*
        }

        impl Unit {
            /// All units, in the order of the table.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Returns the canonical symbol: `kWh`, `m³`, `°C`.
            pub const fn symbol(self) -> &'static str {
                match self { $(Self::$variant => $symbol,)* }
            }

            /// Returns the quantity that it measures.
            pub const fn quantity(self) -> Quantity {
                match self { $(Self::$variant => Quantity::$quantity,)* }
            }

            /// Returns the factor to the base unit of its quantity.
            pub const fn factor(self) -> Factor {
                match self { $(Self::$variant => Factor { digits: $digits, exponent: $exponent },)* }
            }

            /// Parses a spelling exactly as in the table.
            fn exactly(text: &str) -> Option<Self> {
                match text {
                    $($symbol $(| $spelling)* => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }

        /// Every spelling of the table. [`Unit::parse`] also reads other capitals of most of them.
        pub const SPELLINGS: &[(&str, Unit)] = &[$(($symbol, Unit::$variant), $(($spelling, Unit::$variant),)*)*];
    };
}

// A line: symbol, quantity, factor to the base unit as (digits, power of ten), other spellings.
// Capitals need no spelling of their own, apart from a leading `m` or `M` and single letters.
units! {
    KilowattHour        "kWh"   Energy (36, 5) ["KWh"];
    WattHour            "Wh"    Energy (36, 2) [];
    Watt                "W"     Power (1, 0) [];
    Kilowatt            "kW"    Power (1, 3) ["KW"];
    Volt                "V"     Voltage (1, 0) [];
    Ampere              "A"     Current (1, 0) [];
    CubicMetre          "m³"    Volume (1, 0) ["m3" "m^3"];
    Celsius             "°C"    Temperature (1, 0) ["ºC" "℃" "degC"];
    Hertz               "Hz"    Frequency (1, 0) [];
    KilovarHour         "kvarh" ReactiveEnergy (36, 5) ["kVArh"];
    Kilovar             "kvar"  ReactivePower (1, 3) ["kVAr"];
    Var                 "var"   ReactivePower (1, 0) ["VAr"];
    VarHour             "varh"  ReactiveEnergy (36, 2) ["VArh"];
    VoltAmpere          "VA"    ApparentPower (1, 0) [];
    KilovoltAmpere      "kVA"   ApparentPower (1, 3) [];
    VoltAmpereHour      "VAh"   ApparentEnergy (36, 2) [];
    KilovoltAmpereHour  "kVAh"  ApparentEnergy (36, 5) [];
    MegawattHour        "MWh"   Energy (36, 8) [];
    GigawattHour        "GWh"   Energy (36, 11) [];
    Joule               "J"     Energy (1, 0) [];
    Kilojoule           "kJ"    Energy (1, 3) [];
    Megajoule           "MJ"    Energy (1, 6) [];
    Gigajoule           "GJ"    Energy (1, 9) [];
    MegavarHour         "Mvarh" ReactiveEnergy (36, 8) [];
    MegavoltAmpereHour  "MVAh"  ApparentEnergy (36, 8) [];
    Litre               "l"     Volume (1, -3) ["L"];
    AmpereHour          "Ah"    Charge (36, 2) [];
    Milliwatt           "mW"    Power (1, -3) [];
    Megawatt            "MW"    Power (1, 6) [];
    Megavar             "Mvar"  ReactivePower (1, 6) [];
    MegavoltAmpere      "MVA"   ApparentPower (1, 6) [];
    Millivolt           "mV"    Voltage (1, -3) [];
    Kilovolt            "kV"    Voltage (1, 3) [];
    Milliampere         "mA"    Current (1, -3) [];
    Kiloampere          "kA"    Current (1, 3) [];
    Kilohertz           "kHz"   Frequency (1, 3) [];
    Kelvin              "K"     TemperatureDifference (1, 0) [];
    CubicMetrePerHour   "m³/h"  VolumeFlow (1, 0) ["m3/h" "m^3/h" "m3ph"];
    LitrePerHour        "l/h"   VolumeFlow (1, -3) ["lph"];
    LitrePerMinute      "l/min" VolumeFlow (6, -2) [];
    Pascal              "Pa"    Pressure (1, 0) [];
    Hectopascal         "hPa"   Pressure (1, 2) [];
    Kilopascal          "kPa"   Pressure (1, 3) [];
    Millibar            "mbar"  Pressure (1, 2) [];
    Bar                 "bar"   Pressure (1, 5) [];
    RelativeHumidity    "%RH"   Humidity (1, 0) [];
    Percent             "%"     Ratio (1, 0) [];
    Degree              "°"     Angle (1, 0) ["deg"];
    Second              "s"     Duration (1, 0) ["sec" "secs"];
    Minute              "min"   Duration (6, 1) [];
    Hour                "h"     Duration (36, 2) [];
    Day                 "d"     Duration (864, 2) [];
    Euro                "EUR"   Money (1, 0) ["€"];
    EuroPerKilowattHour "EUR/kWh" EnergyPrice (1, 0) ["€/kWh"];
    CentPerKilowattHour "ct/kWh" EnergyPrice (1, -2) ["cent/kWh"];
    EuroPerMegawattHour "EUR/MWh" EnergyPrice (1, -3) ["€/MWh"];
    SwissFranc          "CHF"   Money (1, 0) ["Fr."];
    SwissFrancPerKilowattHour "CHF/kWh" EnergyPrice (1, 0) ["Fr./kWh"];
    SwissFrancPerMegawattHour "CHF/MWh" EnergyPrice (1, -3) ["Fr./MWh"];
    NorwegianKrone      "NOK"   Money (1, 0) [];
    NorwegianKronePerKilowattHour "NOK/kWh" EnergyPrice (1, 0) [];
    NorwegianKronePerMegawattHour "NOK/MWh" EnergyPrice (1, -3) [];
    SwedishKrona        "SEK"   Money (1, 0) [];
    SwedishKronaPerKilowattHour "SEK/kWh" EnergyPrice (1, 0) [];
    SwedishKronaPerMegawattHour "SEK/MWh" EnergyPrice (1, -3) [];
    DanishKrone         "DKK"   Money (1, 0) [];
    DanishKronePerKilowattHour "DKK/kWh" EnergyPrice (1, 0) [];
    DanishKronePerMegawattHour "DKK/MWh" EnergyPrice (1, -3) [];
    PolishZloty         "PLN"   Money (1, 0) ["zł"];
    PolishZlotyPerKilowattHour "PLN/kWh" EnergyPrice (1, 0) ["zł/kWh"];
    PolishZlotyPerMegawattHour "PLN/MWh" EnergyPrice (1, -3) ["zł/MWh"];
    PoundSterling       "GBP"   Money (1, 0) ["£"];
    PoundSterlingPerKilowattHour "GBP/kWh" EnergyPrice (1, 0) ["£/kWh"];
    PoundSterlingPerMegawattHour "GBP/MWh" EnergyPrice (1, -3) ["£/MWh"];
    CzechKoruna         "CZK"   Money (1, 0) ["Kč"];
    CzechKorunaPerKilowattHour "CZK/kWh" EnergyPrice (1, 0) ["Kč/kWh"];
    CzechKorunaPerMegawattHour "CZK/MWh" EnergyPrice (1, -3) ["Kč/MWh"];
    HungarianForint     "HUF"   Money (1, 0) ["Ft"];
    HungarianForintPerKilowattHour "HUF/kWh" EnergyPrice (1, 0) ["Ft/kWh"];
    HungarianForintPerMegawattHour "HUF/MWh" EnergyPrice (1, -3) ["Ft/MWh"];
    RappenPerKilowattHour "Rp/kWh" EnergyPrice (1, -2) ["Rp./kWh"];
    OrePerKilowattHour  "öre/kWh" EnergyPrice (1, -2) [];
    GroszPerKilowattHour "gr/kWh" EnergyPrice (1, -2) [];
    PennyPerKilowattHour "p/kWh" EnergyPrice (1, -2) [];
}

impl Unit {
    /// Parses a unit as a device writes it; `None` if it is not in the table.
    ///
    /// Blanks around it do not count, nor do capitals (`KWH`, `kVArh`), except that `m` is not `M` (they differ by
    /// nine powers of ten) and that a single letter is what it is (`K` and `k`, `A` and `a`).
    pub fn parse(text: &str) -> Option<Self> {
        Self::exactly(text).or_else(|| {
            let text = text.trim();
            Self::exactly(text).or_else(|| {
                let alike = |known: &str| {
                    text.len() > 1
                        && known.eq_ignore_ascii_case(text)
                        && (!text.starts_with(['m', 'M']) || text.starts_with(&known[..1]))
                };
                SPELLINGS.iter().find(|(known, _)| alike(known)).map(|&(_, unit)| unit)
            })
        })
    }

    /// Returns the currency of money or of a price, as its code of ISO 4217; `None` for everything else.
    pub fn currency(self) -> Option<&'static str> {
        match self {
            Self::CentPerKilowattHour => Some("EUR"),
            Self::RappenPerKilowattHour => Some("CHF"),
            Self::OrePerKilowattHour => Some("SEK"),
            Self::GroszPerKilowattHour => Some("PLN"),
            Self::PennyPerKilowattHour => Some("GBP"),
            // `EUR`, `EUR/kWh`.
            _ => match self.quantity() {
                Quantity::Money | Quantity::EnergyPrice => self.symbol().get(..3),
                _ => None,
            },
        }
    }

    /// Returns whether a number in one of them can be converted to the other: they measure the same, and not money in
    /// two currencies.
    pub fn is_like(self, other: Self) -> bool {
        self.quantity() == other.quantity() && self.currency() == other.currency()
    }

    /// Returns the factor to another unit of the same quantity; `None` if there is none, or if it is not a finite
    /// decimal number (joules in watt hours).
    pub fn factor_to(self, other: Self) -> Option<Factor> {
        let (from, to) = (self.factor(), other.factor());
        let exact = self.is_like(other) && from.digits % to.digits == 0;
        exact.then(|| Factor { digits: from.digits / to.digits, exponent: from.exponent - to.exponent })
    }

    /// Converts a number to another unit of the same quantity; `None` if that measures something else. The result is
    /// exact, but has six decimals where the factor is not a finite decimal number.
    pub fn convert(self, number: Decimal, other: Self) -> Option<Scaled> {
        if let Some(factor) = self.factor_to(other) {
            return Some(factor.apply(number));
        }
        let factor = self.factor().to_f64() / other.factor().to_f64();
        let rounded = self.is_like(other).then_some(number.to_f64() * factor)?;
        Decimal::rounded(rounded, 6).map(Scaled::from)
    }
}

/// Exact factor between two units: `digits * 10^exponent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Factor {
    pub(crate) digits: i32,
    pub(crate) exponent: i32,
}

impl Factor {
    /// The factor 1.
    pub const ONE: Self = Self { digits: 1, exponent: 0 };

    /// Returns the product, with every digit.
    pub fn apply(self, number: Decimal) -> Scaled {
        Scaled::new(number, self)
    }

    /// Returns the factor as a floating point number.
    pub fn to_f64(self) -> f64 {
        f64::from(self.digits) * 10f64.powi(self.exponent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_spelling_is_read_and_written_canonically() {
        for (text, symbol) in [
            ("kWh", "kWh"),
            ("KWh", "kWh"),
            ("kwh", "kWh"),
            ("KWH", "kWh"),
            ("kWh ", "kWh"),
            (" Kwh", "kWh"),
            ("WH", "Wh"),
            ("MWH", "MWh"),
            ("KW", "kW"),
            ("Kw", "kW"),
            ("kVArh", "kvarh"),
            ("kVarh", "kvarh"),
            ("KVARH", "kvarh"),
            ("VAr", "var"),
            ("VAR", "var"),
            ("MVArh", "Mvarh"),
            ("MVAH", "MVAh"),
            ("m^3", "m³"),
            ("m3", "m³"),
            ("m3ph", "m³/h"),
            ("m3/h", "m³/h"),
            ("L/h", "l/h"),
            ("L", "l"),
            ("gj", "GJ"),
            ("KJ", "kJ"),
            ("hz", "Hz"),
            ("ºC", "°C"),
            ("°c", "°C"),
            ("deg", "°"),
            ("mA", "mA"),
            ("ma", "mA"),
        ] {
            assert_eq!(Unit::parse(text).map(Unit::symbol), Some(symbol), "{text:?}");
        }
        for &(text, unit) in SPELLINGS {
            assert_eq!(Unit::parse(text), Some(unit), "{text:?}");
        }
    }

    #[test]
    fn an_ambiguous_or_unknown_unit_is_none() {
        for text in
            ["", " ", "mwh", "mw ", "MV", "k", "w", "a", "C", "kWh/h", "k Wh", "bananas", "m", "M3", "ΩΩ"]
        {
            let unit = Unit::parse(text);
            assert!(unit.is_none() || text == "mw " && unit == Some(Unit::Milliwatt), "{text:?}: {unit:?}");
        }
    }

    #[test]
    fn money_is_not_converted_into_another_currency() {
        for (text, currency) in
            [("€", "EUR"), ("CHF", "CHF"), ("Rp./kWh", "CHF"), ("SEK/MWh", "SEK"), ("p/kWh", "GBP")]
        {
            assert_eq!(Unit::parse(text).and_then(Unit::currency), Some(currency), "{text}");
        }
        assert_eq!(Unit::KilowattHour.currency(), None);
        let unit = |text| Unit::parse(text).unwrap();
        assert_eq!(unit("NOK").factor_to(unit("SEK")), None);
        assert!(unit("CHF/kWh").convert(Decimal::from(1), unit("EUR/kWh")).is_none());
        let factor = unit("GBP/MWh").factor_to(unit("p/kWh")).unwrap();
        assert_eq!((factor.digits, factor.exponent), (1, -1));
    }

    #[test]
    fn factors_are_exact() {
        let factor = |from: Unit, to| from.factor_to(to).map(|factor| (factor.digits, factor.exponent));
        assert_eq!(factor(Unit::KilowattHour, Unit::WattHour), Some((1, 3)));
        assert_eq!(factor(Unit::WattHour, Unit::KilowattHour), Some((1, -3)));
        assert_eq!(factor(Unit::KilowattHour, Unit::Joule), Some((36, 5)));
        assert_eq!(factor(Unit::Joule, Unit::WattHour), None);
        assert_eq!(factor(Unit::Kilowatt, Unit::WattHour), None);
        assert_eq!(factor(Unit::LitrePerMinute, Unit::LitrePerHour), Some((6, 1)));
        assert_eq!(factor(Unit::Day, Unit::Hour), Some((24, 0)));
        assert_eq!(Unit::Gigajoule.factor().to_f64(), 1e9);
    }
}
